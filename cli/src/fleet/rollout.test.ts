import { ROLLOUT_DEFAULTS, type RolloutRecord, type RolloutStep, type StepState } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { UsageError } from "../settings.ts";
import { isNewer } from "./follow.ts";
import { rolloutOptions } from "./restart.ts";
import { changeLines, endLines, listLines, liveLines, planLines, showLines } from "./rollout.ts";

const NOON = new Date(2026, 0, 31, 12, 0, 0).getTime();

function step(host: string, wave: number, state: StepState, more: Partial<RolloutStep> = {}): RolloutStep {
  return {
    host,
    wave,
    state,
    commandId: `r1/${host}/1`,
    generationBefore: 1,
    pidsBefore: [],
    pidsAfter: [],
    reason: null,
    updated: NOON,
    ...more,
  };
}

function record(steps: RolloutStep[], more: Partial<RolloutRecord> = {}): RolloutRecord {
  return {
    id: "r1",
    command: "restart",
    watcher: "myworker",
    actor: "admin",
    created: NOON - 60_000,
    ended: null,
    state: "running",
    reason: null,
    options: ROLLOUT_DEFAULTS,
    steps,
    ...more,
  };
}

const PLANNED = record([step("web1", 0, "pending"), step("web2", 1, "pending"), step("web3", 1, "pending")]);
const OPTIONS = "batch 25%, soak 10s, health timeout 1m, failures tolerated 0";

describe("planLines()", () => {
  it("names waves and whom it skips", () => {
    const plan = record([...PLANNED.steps, step("web4", 1, "skipped", { reason: "stopped on purpose" })]);
    expect(planLines(plan)).toEqual([
      `restart myworker on 3 hosts in 2 waves; ${OPTIONS}`,
      "wave 1: web1",
      "wave 2: web2, web3",
      "skipped: web4: stopped on purpose",
    ]);
  });
});

describe("changeLines()", () => {
  it("has a line for each host that moved, and none else", () => {
    const sent = record([step("web1", 0, "sent"), ...PLANNED.steps.slice(1)]);
    expect(changeLines(null, PLANNED, false)).toEqual([]);
    expect(changeLines(PLANNED, sent, false)).toEqual(["wave 1/2  web1  sent"]);
    expect(changeLines(sent, sent, false)).toEqual([]);
    const failed = record([step("web1", 0, "failed", { reason: "unhealthy" }), ...PLANNED.steps.slice(1)]);
    expect(changeLines(sent, failed, false)).toEqual(["wave 1/2  web1  failed: unhealthy"]);
  });
});

describe("liveLines()", () => {
  it("has a line a wave, no longer than the terminal is wide", () => {
    const live = record([step("web1", 0, "done"), step("web2", 1, "soaking"), step("web3", 1, "pending")]);
    expect(liveLines(live, NOON, 80)).toEqual([
      "restart myworker: 1/3 done, begun 1m ago",
      "wave 1/2  1 done",
      "wave 2/2  soaking: web2, 1 pending",
    ]);
    expect(liveLines(live, NOON, 24).map((line) => line.length)).toEqual([23, 16, 23]);
  });
});

describe("endLines()", () => {
  it("says which host failed, why, and which are untouched", () => {
    const failed = record(
      [
        step("web1", 0, "done"),
        step("web2", 1, "failed", { reason: "not healthy within 1m" }),
        step("web3", 2, "untouched"),
      ],
      { state: "failed", ended: NOON, reason: "web2 failed" },
    );
    expect(endLines(failed, false)).toEqual([
      "rollout r1 failed: 1 of 3 hosts in 1m: web2 failed",
      "failed: web2 (not healthy within 1m)",
      "untouched: web3",
    ]);
  });
  it("is one line where all went well", () => {
    const done = record([step("web1", 0, "done")], { state: "done", ended: NOON });
    expect(endLines(done, false)).toEqual(["rollout r1 done: 1 of 1 host in 1m"]);
  });
});

describe("showLines(), listLines()", () => {
  const done = record([step("web1", 0, "done", { pidsBefore: [1, 2], pidsAfter: [3, 4] })], {
    state: "done",
    ended: NOON,
  });
  it("show the steps, with pids as a proof", () => {
    expect(showLines(done, NOON, false, false)).toEqual([
      "rollout r1: restart myworker by admin: done",
      "begun 2026-01-31 11:59:00 (1m ago), took 1m",
      OPTIONS,
      "WAVE  HOST  STATE  SINCE",
      "   1  web1  done   2026-01-31 12:00:00",
    ]);
    expect(showLines(done, NOON, false, true).slice(-2)).toEqual([
      "WAVE  HOST  STATE  SINCE                PIDS BEFORE  PIDS AFTER",
      "   1  web1  done   2026-01-31 12:00:00  1,2          3,4",
    ]);
  });
  it("list one a line", () => {
    expect(listLines([done], NOON, false)[1]).toBe(
      "r1       done   restart myworker  admin  2026-01-31 11:59:00 (1m ago)  1m      1/1",
    );
  });
});

describe("isNewer()", () => {
  const later = record([step("web1", 0, "sent", { updated: NOON + 1 })]);
  const ended = record(later.steps as RolloutStep[], { state: "done", ended: NOON + 2 });
  it("never goes back, and an end is the end", () => {
    expect(isNewer(PLANNED, null)).toBe(true);
    expect(isNewer(later, PLANNED)).toBe(true);
    expect(isNewer(PLANNED, later)).toBe(false);
    expect(isNewer(ended, later)).toBe(true);
    expect(isNewer(later, ended)).toBe(false);
  });
});

describe("rolloutOptions()", () => {
  it("reads shares and times", () => {
    expect(rolloutOptions({ batch: "1,50%", soak: "2s", "health-timeout": "1m", "max-fail": "10%" })).toEqual({
      batch: [
        { kind: "count", n: 1 },
        { kind: "percent", p: 50 },
      ],
      soakMs: 2000,
      healthTimeoutMs: 60_000,
      maxFail: { kind: "percent", p: 10 },
    });
    expect(rolloutOptions({})).toEqual({});
    expect(rolloutOptions({ "at-once": true })).toEqual({ batch: [{ kind: "percent", p: 100 }] });
  });
  it.each<Record<string, string | true>>([
    { batch: "0" },
    { batch: "x" },
    { "max-fail": "-1" },
    { soak: "soon" },
    { "at-once": true, batch: "1" },
  ])("%j is a mistake", (options) => {
    expect(() => rolloutOptions(options)).toThrow(UsageError);
  });
});
