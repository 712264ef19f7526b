/**
 * The laws that hold for any history: commands, deaths, failing spawns and time in any order. A failing
 * history prints its seed and its shrunk list of actions.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HOOK_NAMES, type HookName, type HooksConfig, NO_HOOKS } from "../config/hooks.ts";
import { type HealthcheckConfig, PLAIN_LIFECYCLE } from "../config/lifecycle.ts";
import { type HookOutcome, NOBODY } from "./state.ts";
import { ANNA, NO, World, YES } from "./world.fixture.ts";

type Action = { readonly name: string; readonly run: (world: World) => void | Promise<void> };
const action = (name: string, run: Action["run"]): Action => ({ name, run, toString: () => name }) as Action;

const actions = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0, max: 4000 }).map((ms) => action(`pass ${ms}`, (w) => w.pass(ms))) },
  {
    weight: 4,
    arbitrary: fc.nat(9).map((i) => action(`die #${i}`, (w) => w.die(w.pids[i % Math.max(1, w.pids.length)] ?? 0))),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.nat(9), fc.constantFrom(null, "ill")).map(([i, ailment]) =>
      action(`judge #${i} ${String(ailment)}`, (w) => {
        w.judge(w.pids[i % Math.max(1, w.pids.length)] ?? 0, ailment);
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .boolean()
      .map((isMet) => action(`dependency ${isMet}`, (w) => w.watcher.dependenciesChanged(isMet ? [] : ["db"]))),
  },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 1, max: 7 }).map((n) =>
      action(`fail ${n} spawns`, (w) => {
        w.failSpawns = n;
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.boolean().map((sequential) =>
      action(`spoilt reload ${sequential}`, async (w) => {
        w.ask((x) => x.reload(NOBODY, { graceful: true, sequential, newerThan: null }));
        await w.pass(50);
        w.die(Math.max(0, ...w.pids));
      }),
    ),
  },
  {
    weight: 8,
    arbitrary: fc.oneof(
      fc.constant(action("start", (w) => void w.ask((x) => x.start(NOBODY), false))),
      fc.constant(action("stop", (w) => void w.ask((x) => x.stop(NOBODY), false))),
      fc.constant(action("stop by hand", (w) => void w.ask((x) => x.stop(ANNA, { why: null }), false))),
      fc.boolean().map((isNewer) =>
        action(`restart ${isNewer}`, (w) => {
          const { generation } = w.watcher.snapshot();
          w.ask((x) => x.restart(NOBODY, isNewer ? generation - 1 : null), false);
        }),
      ),
      fc.record({ graceful: fc.boolean(), sequential: fc.boolean() }).map((options) =>
        action(`reload ${JSON.stringify(options)}`, (w) => {
          w.ask((x) => x.reload(NOBODY, { ...options, newerThan: null }));
        }),
      ),
      fc
        .integer({ min: 0, max: 4 })
        .map((n) => action(`size ${n}`, (w) => void w.ask((x) => x.setNumprocesses(NOBODY, n), false))),
      fc
        .integer({ min: -2, max: 2 })
        .map((n) => action(`add ${n}`, (w) => void w.ask((x) => x.addProcesses(NOBODY, n), false))),
      fc
        .constantFrom<Record<string, unknown>[]>(
          { cmd: "nosuch" },
          { cmd: "dies 700" },
          { cmd: "run" },
          { cmd: "stubborn", graceful_timeout: 1 },
          { cmd: "slow", warmup_delay: 0.2 },
          { max_age: 3, max_age_variance: 2 },
          { respawn: false },
          { respawn: true, max_retry: -1 },
          { max_retry: 2, warmup_delay: 0, max_age: 0 },
          { send_hup: true, numprocesses: 3 },
        )
        .map((options) => action(`set ${JSON.stringify(options)}`, (w) => void w.ask((x) => x.set(NOBODY, options)))),
      fc
        .tuple(fc.nat(9), fc.constantFrom(0, 1, null))
        .map(([i, timeout]) =>
          action(
            `kill #${i} ${String(timeout)}`,
            (w) => void w.ask((x) => x.kill(NOBODY, w.pids[i] ?? null, null, timeout), false),
          ),
        ),
    ),
  },
);

/** No part of a watcher's life calls them. */
const ASIDE: ReadonlySet<HookName> = new Set(["extended_stats", "before_drain", "after_undrain"]);

const up = action("up", async (w) => {
  w.watcher.dependenciesChanged([]);
  w.ask((x) => x.start(NOBODY), false);
  await w.pass(3000);
});
/** Half of them begin with a watcher that runs. */
const histories = fc
  .tuple(fc.boolean(), fc.array(actions, { maxLength: 40 }))
  .map(([isUp, history]) => (isUp ? [up, ...history] : history));
const CHECK: HealthcheckConfig = {
  probe: { type: "tcp", host: "::1", port: "1" },
  ...{ intervalMs: 5000, timeoutMs: 2000, retries: 3, startPeriodMs: 30_000 },
  onUnhealthy: "replace",
};
const checks = fc.constantFrom<HealthcheckConfig | null>(null, CHECK, { ...CHECK, onUnhealthy: "ignore" });

const hook = (ignore: boolean) => ({ target: { kind: "command", line: "x" } as const, ignore, text: "exec: x" });
const hookSets = fc
  .record({ names: fc.subarray([...HOOK_NAMES]), ignore: fc.boolean(), timeoutMs: fc.constantFrom(50, 3000) })
  .map(({ names, ignore, timeoutMs }): HooksConfig => {
    const byName = Object.fromEntries(names.map((name) => [name, hook(ignore)])) as HooksConfig["byName"];
    return { byName, timeoutMs };
  });
const FAILED: HookOutcome = { kind: "failed", error: "it threw" };
/** What hooks answer, one after another: yes mostly; no, a failure, late, or never. */
const answers = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.constant({ outcome: YES, afterMs: 0 }) },
    {
      weight: 4,
      arbitrary: fc.record({ outcome: fc.constantFrom(YES, NO, FAILED), afterMs: fc.constantFrom(0, 10, 400, 5000) }),
    },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  { minLength: 1, maxLength: 30 },
);

describe("any history with hooks", () => {
  it("keeps the laws, answers every request once, and no answer that is lost, late or bad strands it", async () => {
    await fc.assert(
      fc.asyncProperty(histories, hookSets, answers, fc.boolean(), async (history, hooks, row, isLate) => {
        const world = new World({ numprocesses: 2, gracefulTimeoutS: 2, hooks });
        world.isLate = isLate;
        let i = 0;
        world.answer = () => row[i++ % row.length] ?? null;
        for (const { run } of history) await run(world);
        world.failSpawns = 0;
        world.isHealed = true;
        world.answer = () => ({ outcome: YES, afterMs: 1 });
        world.watcher.dependenciesChanged([]);
        const heal = world.ask((w) => w.set(NOBODY, { cmd: "run", max_age: 0, respawn: true, warmup_delay: 0 }));
        await world.pass(400_000);
        expect(world.outcomes.filter((outcome) => outcome.state === "waiting")).toEqual([]);
        expect(heal.state).not.toBe("waiting");
        const { config, status } = world.watcher;
        expect(["active", "stopped"]).toContain(status);
        expect(world.pids).toHaveLength(status === "active" ? config.numprocesses : 0);
        expect(world.calls).toEqual([]);
        expect(world.timersPending).toBe(0);
        // Each process is told of once, and before its end.
        const heard = world.told
          .filter((line) => /^(spawn|reap) /.test(line))
          .map((line) => line.split(" ").slice(0, 2));
        const spawned = heard.filter(([event]) => event === "spawn").map(([, pid]) => pid);
        expect(new Set(spawned).size).toBe(spawned.length);
        for (const [index, [event, pid]] of heard.entries()) {
          if (event === "reap") expect(heard.slice(0, index)).toContainEqual(["spawn", pid]);
        }
        // A stop always comes to its end, within the time of a few calls, even where no hook answers any more.
        world.answer = () => null;
        const stop = world.ask((w) => w.stop(NOBODY));
        await world.pass(4 * config.hooks.timeoutMs + 3 * 2000);
        expect(stop.state).toBe("done");
        expect(world.pids).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it("never asks a hook where none is configured, and spawns in the same step", async () => {
    const world = new World({ numprocesses: 3, hooks: NO_HOOKS });
    world.answer = () => {
      throw new Error("nobody is to be asked");
    };
    world.ask((w) => w.start(NOBODY));
    expect(world.pids).toHaveLength(3);
    world.die(101);
    expect(world.pids).toHaveLength(3);
    await world.pass(10_000);
  });

  it.each(HOOK_NAMES.filter((name) => !ASIDE.has(name)))(
    "one for one: a death has one successor, also where %s answers late or never",
    async (name: HookName) => {
      const world = new World({ numprocesses: 2, hooks: { byName: { [name]: hook(true) }, timeoutMs: 1000 } });
      world.answer = ({ call }) => (call.hook === "check" ? { outcome: YES, afterMs: 0 } : null);
      world.ask((w) => w.start(NOBODY));
      await world.pass(20_000);
      world.die(world.pids[0] ?? 0);
      await world.pass(20_000);
      expect(world.pids).toHaveLength(2);
      expect(world.spawnAttempts).toBe(3);
    },
  );
});

describe("any history", () => {
  it("keeps the laws of World.check throughout, and ends with what was wanted once the world is quiet", async () => {
    await fc.assert(
      fc.asyncProperty(histories, fc.integer({ min: 1, max: 3 }), checks, async (history, size, healthcheck) => {
        const lifecycle = { ...PLAIN_LIFECYCLE, healthcheck, dependsOn: ["db"] };
        const world = new World({ numprocesses: size, gracefulTimeoutS: 2, lifecycle });
        for (const { run } of history) await run(world);
        // The world heals: everything can be spawned and lives; what was asked comes to its end.
        world.failSpawns = 0;
        world.isHealed = true;
        world.isWell = true;
        for (const judge of world.checks.values()) judge(null);
        world.watcher.dependenciesChanged([]);
        const heal = world.ask((w) => w.set(NOBODY, { cmd: "run", max_age: 0, respawn: true, warmup_delay: 0 }));
        await world.pass(400_000);
        expect(world.outcomes.filter((outcome) => outcome.state === "waiting")).toEqual([]);
        expect(heal.state).not.toBe("waiting");
        const { config, status } = world.watcher;
        expect(["active", "stopped"]).toContain(status);
        expect(world.pids).toHaveLength(status === "active" ? config.numprocesses : 0);
        expect(world.timersPending).toBe(0);
        expect(world.watcher.processes().every((process) => process.health === "healthy")).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it("spawns one successor for one death", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(4), fc.nat(2000)), { maxLength: 30 }), async (deaths) => {
        const world = await new World({ numprocesses: 4 }).started();
        let died = 0;
        for (const [i, ms] of deaths) {
          if (world.pids.length > 0) died++;
          world.die(world.pids[i % Math.max(1, world.pids.length)] ?? 0);
          expect(world.pids.length).toBeLessThanOrEqual(4);
          await world.pass(ms);
        }
        await world.pass(60_000);
        expect(world.spawnAttempts).toBe(4 + died);
      }),
      { numRuns: 100 },
    );
  });
});
