import { describe, expect, it } from "vitest";
import { adviceOf, recordAfter } from "./advice.ts";
import type { RolloutRecord, RolloutStep, StepState } from "./rollout.ts";
import { ROLLOUT_DEFAULTS } from "./rollout.ts";

const BROKER_MAX = 1024 * 1024;

function step(at: number, state: StepState): RolloutStep {
  const host = `host-of-this-fleet-${at}`;
  const ids = { host, wave: 0, commandId: `r1/${host}/1`, generationBefore: at };
  return { ...ids, state, pidsBefore: [at], pidsAfter: [], outcome: null, reason: null, updated: 1_700_000_000_000 };
}

function record(count: number, revision: number, changed: ReadonlyMap<number, StepState> = new Map()): RolloutRecord {
  const steps = Array.from({ length: count }, (_, at) => step(at, changed.get(at) ?? "pending"));
  const head = { id: "r1", command: "restart", properties: {}, watcher: "web", actor: "eve", created: 1, ended: null };
  const state = { state: "running", reason: null, waiting: null, floor: 0, attempt: 1, revision } as const;
  return { ...head, ...state, command: "restart", hosts: null, where: null, options: ROLLOUT_DEFAULTS, steps };
}

describe("the advice of a rollout", () => {
  it("is the whole record where that is small", () => {
    const advice = adviceOf(record(200, 2), record(200, 1));
    expect(advice).toEqual({ v: 1, rollout: record(200, 2) });
    expect(recordAfter(record(200, 1), advice)).toEqual(record(200, 2));
  });

  it("of 10,000 hosts tells what changed, in a message that the broker takes", () => {
    const before = record(10_000, 7);
    const after = record(10_000, 9, new Map(Array.from({ length: 1500 }, (_, at) => [at * 3, "done"])));
    const advice = adviceOf(after, before);
    expect(JSON.stringify(advice).length).toBeLessThan(BROKER_MAX);
    expect(advice.rollout.steps).toHaveLength(1500);
    expect(recordAfter(before, advice)).toEqual(after);
    // Of a younger record too: what it has already is told once more.
    expect(recordAfter({ ...before, revision: 8 }, advice)).toEqual(after);
  });

  it("says nothing to who missed some, or where too much changed: the record has to be asked for", () => {
    const after = record(10_000, 9, new Map([[1, "done"]]));
    expect(recordAfter(record(10_000, 6), adviceOf(after, record(10_000, 7)))).toBeNull();
    expect(recordAfter(record(10_000, 8), adviceOf(after, null))).toBeNull();
    const all = record(10_000, 9, new Map(Array.from({ length: 10_000 }, (_, at) => [at, "done"])));
    const advice = adviceOf(all, record(10_000, 8));
    expect(JSON.stringify(advice).length).toBeLessThan(10_000);
    expect(recordAfter(record(10_000, 8), advice)).toBeNull();
  });
});
