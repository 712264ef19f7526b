/** What holds whatever happens: see the invariants in `core.ts`; `world.fixture.ts` checks them at every effect. */
import {
  type FailPolicy,
  hasEnded,
  type LostPolicy,
  type RolloutOptions,
  type RolloutRecord,
  type Share,
} from "@circus-cluster/proto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { isOpen } from "./turn.ts";
import { World } from "./world.fixture.ts";

const count = (n: number): Share => ({ kind: "count", n });
const options: fc.Arbitrary<Partial<RolloutOptions>> = fc.record({
  batch: fc.array(fc.integer({ min: 1, max: 4 }).map(count), { minLength: 1, maxLength: 2 }),
  maxFail: fc.integer({ min: 0, max: 2 }).map(count),
  minHealthy: fc.option(fc.integer({ min: 0, max: 4 }).map(count), { nil: null }),
  canary: fc.integer({ min: 0, max: 1 }),
  canaryPauseMs: fc.option(fc.integer({ min: 0, max: 5000 }), { nil: null }),
  waitMs: fc.option(fc.integer({ min: 0, max: 3000 }), { nil: null }),
  deadlineMs: fc.option(fc.integer({ min: 10_000, max: 100_000 }), { nil: null }),
  drainMs: fc.constantFrom(0, 3000),
  onLost: fc.constantFrom<LostPolicy[]>("fail", "skip"),
  onFail: fc.constantFrom<FailPolicy[]>("stop", "rollback"),
});
const setting = fc.record({
  hosts: fc.integer({ min: 1, max: 6 }),
  first: options,
  second: options,
  command: fc.constantFrom("restart" as const, "reload" as const, "incr" as const),
  chances: fc.array(fc.tuple(fc.nat(119), fc.nat(5)), { minLength: 20, maxLength: 200 }),
});

const fitting = (given: Partial<RolloutOptions>, command: string): Partial<RolloutOptions> =>
  command === "incr" ? { ...given, drainMs: 0 } : { ...given, onFail: "stop" };

it("keeps floor, budget, ids and order under any interleaving of people, illness, losses, crashes and cuts", () => {
  const ends = new Map<string, number>();
  let outs = 0;
  fc.assert(
    fc.property(setting, ({ hosts, first, second, command, chances }) => {
      const world = new World(hosts);
      const start = (given: Partial<RolloutOptions>, supersede: boolean): void =>
        world.start(fitting(given, command), { command, supersede });
      start(first, false);
      for (const [chance, at] of chances) act(world, chance, at, () => start(second, chance % 2 === 0));
      world.heal();
      for (let i = 0; i < 400 && [...world.cores.values()].some((core) => !isAtRest(core)); i++) world.kindly(i);
      // Who is out of its balancer in the end is not so in silence.
      const told = [...world.cores.values()].flatMap((core) => core.steps.map(({ reason }) => reason ?? ""));
      for (const host of world.out) {
        const isTold = told.some((reason) => reason.includes(`--host ${host} undrain web`));
        expect(isTold, `${host} ${JSON.stringify([...world.cores.values()])}`).toBe(true);
        outs++;
      }
      for (const core of world.cores.values()) {
        // Ended, or it says what it waits for.
        expect(hasEnded(core.state) || core.waiting !== null, JSON.stringify(core)).toBe(true);
        ends.set(core.state, (ends.get(core.state) ?? 0) + 1);
        if (!hasEnded(core.state)) continue;
        for (const { state } of core.steps) {
          expect(["done", "failed", "skipped", "untouched", "restored"]).toContain(state);
        }
        const failed = core.steps.filter((step) => step.state === "failed").length;
        if (core.state === "done")
          expect(failed).toBeLessThanOrEqual(core.options.maxFail.kind === "count" ? core.options.maxFail.n : 0);
      }
    }),
    { numRuns: 200 },
  );
  expect(outs).toBeGreaterThan(0); // else the law of those who are out says nothing
  for (const state of ["done", "failed", "aborted", "superseded", "paused"]) expect(ends.get(state)).toBeGreaterThan(0);
});

/** It waits for a person, and what was at work when it was paused has come to its end. */
function isAtRest(core: Pick<RolloutRecord, "state" | "waiting" | "steps">): boolean {
  return hasEnded(core.state) || (core.state === "paused" && core.waiting !== null && !core.steps.some(isOpen));
}

function act(world: World, chance: number, at: number, startAnother: () => void): void {
  const host = world.hosts[at % world.hosts.length]!;
  const ids = [...world.cores.keys()];
  const id = ids[at % ids.length] ?? "";
  const actor = "bob";
  if (chance < 20) world.answerLook(chance % 5 === 0);
  else if (chance < 40) world.deliver(chance % 5 === 0, chance % 9 === 0);
  else if (chance < 60) world.finish(host, chance % 6 === 0);
  else if (chance < 75) world.elapse((chance % 10) * 900);
  else if (chance < 84) world.show(host);
  else if (chance < 87) world.die(host);
  else if (chance < 89) world.reborn(host);
  else if (chance < 91) world.lose(host, true);
  else if (chance < 94) world.lose(host, false);
  else if (chance < 97) world.crash();
  else if (chance < 100) world.online(chance % 2 === 0);
  else if (chance < 103) world.decide(id, { kind: "pause", actor });
  else if (chance < 109) world.decide(id, { kind: "resume", actor, skipFailed: chance % 2 === 0 });
  else if (chance < 111) world.decide(id, { kind: "abort", actor });
  else if (chance < 115) world.decide(id, { kind: "retry", actor });
  else startAnother();
}
