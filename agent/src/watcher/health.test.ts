/** Health, dependencies, intent and on_failed in the simulated world (design §3). */
import { describe, expect, it } from "vitest";
import { type HookConfig, NO_HOOKS } from "../config/hooks.ts";
import { type HealthcheckConfig, type Lifecycle, PLAIN_LIFECYCLE } from "../config/lifecycle.ts";
import type { WatcherConfig } from "../config/types.ts";
import { initialState, NOBODY } from "./state.ts";
import { snapshotOf } from "./status.ts";
import { ANNA, TEST_CONFIG, WALL_START, World } from "./world.fixture.ts";

const CHECK: HealthcheckConfig = {
  probe: { type: "tcp", host: "::1", port: "1" },
  ...{ intervalMs: 5000, timeoutMs: 2000, retries: 3, startPeriodMs: 30_000 },
  onUnhealthy: "replace",
};
const GRACEFUL = { graceful: true, sequential: false, newerThan: null };
const make = (lifecycle: Partial<Lifecycle>, config: Partial<WatcherConfig> = {}) =>
  new World({ ...config, lifecycle: { ...PLAIN_LIFECYCLE, ...lifecycle } });
const healths = (world: World) => world.watcher.processes().map(({ pid, health }) => `${pid} ${health}`);
const kinds = (world: World) => world.fleet.map(({ kind }) => kind);
const messageOf = (value: unknown) => (value instanceof Error ? value.message : value);

describe("health checks", () => {
  it("a process with a check is healthy when the check says so, not by its age", async () => {
    const world = await make({ healthcheck: CHECK }).started();
    expect(healths(world)).toEqual(["101 starting", "102 starting"]);
    world.judge(101, null);
    expect(healths(world)).toEqual(["101 healthy", "102 starting"]);
    world.judge(102, null);
    expect(world.turns).toEqual([true]);
  });

  it("an unhealthy process is stopped, and its place is filled when it is gone", async () => {
    const world = await make({ healthcheck: CHECK }).started();
    for (const pid of [101, 102]) world.judge(pid, null);
    world.judge(102, "GET /: 500");
    expect(healths(world)).toEqual(["101 healthy", "102 unhealthy"]);
    expect(world.watcher.snapshot().reason).toBe("process 102 is unhealthy: GET /: 500");
    expect(world.take()).toEqual(["signal 15 102", "kill 102"]);
    await world.pass(10);
    expect(world.take()).toEqual(["reap 102 -15", "spawn 103"]);
    expect(world.watcher.snapshot().reason).toBeNull();
    expect(world.fleet.find(({ kind }) => kind === "process_unhealthy")).toMatchObject({
      pid: 102,
      data: { reason: "GET /: 500" },
    });
    expect(world.turns).toEqual([true, false]);
  });

  it("processes that never get healthy back off like those that die", async () => {
    const world = await make({ healthcheck: CHECK }, { numprocesses: 1 }).started();
    const spawnedAt: number[] = [];
    for (let n = 0; n < 5; n++) {
      const [pid = 0] = world.pids;
      world.judge(pid, "ill");
      const begun = world.nowMs;
      while (world.pids[0] === pid || world.pids.length === 0) await world.pass(1);
      spawnedAt.push(world.nowMs - begun);
    }
    expect(spawnedAt.map((ms) => Math.round(ms / 100) * 100)).toEqual([0, 100, 200, 400, 800]);
  });

  it.each([
    ["on_unhealthy = ignore", { healthcheck: { ...CHECK, onUnhealthy: "ignore" } }, {}],
    ["respawn = False", { healthcheck: CHECK }, { respawn: false }],
  ] as const)("with %s it is only told, and may recover", async (_what, lifecycle, config) => {
    const world = await make(lifecycle, config).started();
    world.judge(101, "ill");
    await world.pass(60_000);
    expect(world.pids).toEqual([101, 102]);
    world.judge(101, null);
    expect(healths(world)[0]).toBe("101 healthy");
    expect(kinds(world).filter((kind) => /healthy/.test(kind))).toEqual(["process_unhealthy", "process_healthy"]);
  });

  it("a graceful reload whose new process is unhealthy fails with the reason and keeps the old ones", async () => {
    const world = await make({ healthcheck: CHECK }).started();
    for (const pid of [101, 102]) world.judge(pid, null);
    const reload = world.ask((w) => w.reload(NOBODY, GRACEFUL));
    await world.pass(100_000);
    expect(reload.state).toBe("waiting");
    world.judge(103, null);
    world.judge(104, "no READY=1 within 30s");
    await world.pass(100);
    expect(messageOf(reload.value)).toBe("new process 104 is unhealthy: no READY=1 within 30s");
    expect(world.pids).toEqual([101, 102]);
  });

  it("a sequential reload stops at the first new process that is unhealthy", async () => {
    const world = await make({ healthcheck: CHECK }).started();
    for (const pid of [101, 102]) world.judge(pid, null);
    const reload = world.ask((w) => w.reload(NOBODY, { ...GRACEFUL, sequential: true }));
    await world.pass(100);
    world.judge(103, "ill");
    await world.pass(100);
    expect(messageOf(reload.value)).toBe("new process 103 is unhealthy: ill");
    expect(world.pids).toContain(102);
  });
});

const RENEWED = { name: "web", changes: { gracefulTimeoutS: 1 }, keys: ["x"], renewal: "restart" } as const;

describe("depends_on", () => {
  it("a start waits until all is healthy, says for what, and an outage later does not stop it", async () => {
    const world = make({ dependsOn: ["db", "cache"] });
    const start = world.ask((w) => w.start(NOBODY));
    await world.pass(60_000);
    expect([world.watcher.status, world.pids]).toEqual(["starting", []]);
    expect(world.watcher.snapshot().reason).toBe("waits for 'db', 'cache' to be healthy");
    world.watcher.dependenciesChanged(["db"]);
    expect(world.pids).toEqual([]);
    world.watcher.dependenciesChanged([]);
    await world.pass(0);
    expect([world.watcher.status, start.state, world.pids]).toEqual(["active", "done", [101, 102]]);
    world.watcher.dependenciesChanged(["db"]);
    world.die(101);
    await world.pass(100);
    expect(world.pids).toEqual([102, 103]);
  });

  it("what changes the configuration does not wait with a start", async () => {
    const world = make({ dependsOn: ["db"] });
    const start = world.ask((w) => w.start(NOBODY));
    const restart = world.ask((w) => w.restart(NOBODY, null));
    const asked = [
      world.ask((w) => w.set(NOBODY, { cmd: "slow" })),
      world.ask((w) => w.addProcesses(NOBODY, 1)),
      world.ask((w) => w.configure(NOBODY, RENEWED)),
    ];
    await world.pass(10);
    expect([...asked.map(({ state }) => state), start.state, restart.state]).toEqual([
      ...["done", "done", "done"],
      ...["waiting", "waiting"],
    ]);
    expect([world.watcher.config.cmd, world.watcher.status, world.pids]).toEqual(["slow", "starting", []]);
    world.watcher.dependenciesChanged([]);
    await world.pass(5000);
    expect([start.state, restart.state, world.pids.length]).toEqual(["done", "done", 3]);
  });

  it("a start of which nothing is left to start ends, and waits again when there is", async () => {
    const world = make({ dependsOn: ["db"] });
    const start = world.ask((w) => w.start(NOBODY));
    world.ask((w) => w.setNumprocesses(NOBODY, 0));
    await world.pass(10);
    expect([start.state, world.watcher.status]).toEqual(["done", "stopped"]);
    world.ask((w) => w.setNumprocesses(NOBODY, 1));
    world.ask((w) => w.start(NOBODY));
    await world.pass(10);
    expect([world.watcher.status, world.pids]).toEqual(["starting", []]);
    world.watcher.dependenciesChanged([]);
    expect(world.pids).toHaveLength(1);
  });

  it("hooks that the file brings while it waits are asked too, and those it takes away are not", async () => {
    const before_start: HookConfig = { target: { kind: "command", line: "x" }, ignore: false, text: "exec: x" };
    const hooked = { byName: { before_start }, timeoutMs: 1000 };
    for (const [before, after] of [
      [NO_HOOKS, hooked],
      [hooked, NO_HOOKS],
    ] as const) {
      const world = make({ dependsOn: ["db"] }, { hooks: before });
      world.ask((w) => w.start(NOBODY));
      world.ask((w) => w.configure(NOBODY, { ...RENEWED, changes: { hooks: after } }));
      world.watcher.dependenciesChanged([]);
      await world.pass(10);
      expect(world.take().includes("hook before_start")).toBe(after === hooked);
      expect([world.watcher.status, world.pids.length]).toEqual(["active", 2]);
    }
  });

  it("a stop ends the waiting", async () => {
    const world = make({ dependsOn: ["db"] });
    const start = world.ask((w) => w.start(NOBODY));
    const stop = world.ask((w) => w.stop(NOBODY));
    world.watcher.dependenciesChanged([]);
    await world.pass(10);
    expect([start.state, stop.state, world.watcher.status, world.pids]).toEqual(["refused", "done", "stopped", []]);
  });
});

describe("intent", () => {
  it("is kept by a stop by hand, shown with who, when and why, and cleared by a start", async () => {
    const world = await new World().started();
    world.ask((w) => w.stop(ANNA, { why: "too many orders" }));
    await world.pass(10);
    const intent = { actor: "anna", command: "c1", at: WALL_START + 10_000, why: "too many orders" };
    expect(world.kept).toEqual(intent);
    expect(world.watcher.snapshot().reason).toBe(
      "stopped by anna on 2023-11-14 22:13:30Z (command c1): too many orders",
    );
    expect(snapshotOf(initialState(TEST_CONFIG, intent), 0).reason).toBe(world.watcher.snapshot().reason);
    world.ask((w) => w.start(ANNA));
    expect([world.kept, world.watcher.intent]).toEqual([null, null]);
  });

  it("is not made by the agent's own end, and not lost by it", async () => {
    const world = await new World().started();
    world.ask((w) => w.stop(ANNA));
    await world.pass(10);
    expect(world.kept).toBeNull();
    world.ask((w) => w.stop(ANNA, { why: null }));
    world.ask((w) => w.stop(NOBODY));
    expect(world.kept?.actor).toBe("anna");
  });
});

describe("on_failed = quit", () => {
  it("ends the agent when spawning is given up", async () => {
    const world = make({ onFailed: "quit" }, { cmd: "nosuch" });
    world.ask((w) => w.start(NOBODY));
    await world.pass(60_000);
    expect(world.escalated).toEqual(["cannot run 'nosuch': not found in PATH /bin"]);
  });

  it.each([
    [{ code: 3, signal: null }, ["process 102 exited with status 3"]],
    [{ code: 0, signal: null }, []],
    [{ code: null, signal: null }, []],
  ])("with respawn = False it ends with the last process: %j", async (exit, escalated) => {
    const world = await make({ onFailed: "quit" }, { respawn: false }).started();
    world.die(101, { code: 0, signal: null });
    world.die(102, exit);
    await world.pass(10);
    expect([world.watcher.status, world.escalated]).toEqual(["stopped", escalated]);
  });

  it("leaves the agent alone without it, and where a person stopped the watcher", async () => {
    const world = make({}, { cmd: "nosuch" });
    world.ask((w) => w.start(NOBODY));
    await world.pass(60_000);
    const other = await make({ onFailed: "quit" }).started();
    other.ask((w) => w.stop(ANNA, { why: null }));
    await other.pass(60_000);
    expect([world.watcher.snapshot().state, world.escalated, other.escalated]).toEqual(["failed", [], []]);
  });
});

it("backoff.initial, max and reset set the row of delays", async () => {
  const backoff = { initialMs: 1000, maxMs: 3000, resetMs: 5000 };
  const world = await make({ backoff }, { numprocesses: 1, readyMinUptimeS: 0 }).started();
  const deaths: number[] = [];
  for (let n = 0; n < 6; n++) {
    world.die(world.pids[0] ?? 0);
    const begun = world.nowMs;
    while (world.pids.length === 0) await world.pass(100);
    deaths.push(world.nowMs - begun);
  }
  // Ten seconds after its start the first had proved itself: its death was the first of a new row.
  expect(deaths).toEqual([0, 1000, 2000, 3000, 3000, 3000]);
});
