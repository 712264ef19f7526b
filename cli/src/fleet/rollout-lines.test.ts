import { ROLLOUT_DEFAULTS, type RolloutRecord, type RolloutStep, type StepState } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { UsageError } from "../settings.ts";
import { isNewer } from "./follow.ts";
import { rolloutOptions } from "./rollout-change.ts";
import { changeLines, endLines, listLines, liveLines, planLines, showLines } from "./rollout-lines.ts";

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
    outcome: null,
    reason: null,
    updated: NOON,
    ...more,
  };
}

function record(steps: RolloutStep[], more: Partial<RolloutRecord> = {}): RolloutRecord {
  return {
    id: "r1",
    command: "restart",
    properties: {},
    hosts: null,
    where: null,
    waiting: null,
    floor: 2,
    attempt: 1,
    revision: 1,
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
const OPTIONS = "batch 25%, soak 10s, health timeout 1m, failures tolerated 0, healthy at least 2";

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

describe("optionsText", () => {
  it("names what is not the default, and the values of a change", () => {
    const options = {
      ...ROLLOUT_DEFAULTS,
      canary: 1,
      waitMs: 5000,
      deadlineMs: 3_600_000,
      order: "reverse",
      spread: "zone",
      limit: 3,
      onLost: "skip",
      onFail: "rollback",
    } as const;
    const set = record([step("web1", 0, "pending")], {
      command: "set",
      properties: { options: { cmd: "x y", numprocesses: 3 } },
      options,
    });
    expect(planLines(set)).toEqual([
      "set myworker cmd=x y numprocesses=3 on 1 host in 1 wave; batch 25%, canary 1 then an approval, soak 10s, " +
        "health timeout 1m, failures tolerated 0, healthy at least 2, 5s between waves, deadline 1h, order reverse, " +
        "spread over zone, the first 3 hosts, lost hosts skipped, rollback on failure",
      "wave 1 (canary): web1",
    ]);
  });
});

describe("changeLines()", () => {
  it("has a line for each host that moved, and none else", () => {
    const sent = record([step("web1", 0, "sent"), ...PLANNED.steps.slice(1)]);
    expect(changeLines(null, PLANNED, false)).toEqual([]);
    expect(changeLines(PLANNED, sent, false)).toEqual(["wave 1/2  web1  sent"]);
    expect(changeLines(sent, sent, false)).toEqual([]);
    const held = record([...sent.steps], { state: "paused", reason: "paused by bob", waiting: "rollout resume" });
    expect(changeLines(sent, held, false)).toEqual(["paused: paused by bob"]);
    expect(changeLines(held, held, false)).toEqual([]);
    const failed = record([step("web1", 0, "failed", { reason: "unhealthy" }), ...PLANNED.steps.slice(1)]);
    expect(changeLines(sent, failed, false)).toEqual(["wave 1/2  web1  failed: unhealthy"]);
  });
});

describe("liveLines()", () => {
  it("has a line a wave, no longer than the terminal is wide", () => {
    const live = record([step("web1", 0, "done"), step("web2", 1, "soaking"), step("web3", 1, "pending")]);
    expect(liveLines(live, NOON, 80, false)).toEqual([
      "restart myworker: 1/3 done, begun 1m ago",
      "wave 1/2  [####################] 1/1 done",
      "wave 2/2  [....................] 0/2 done, 1 soaking, 1 pending",
      "  web2  soaking",
    ]);
    expect(liveLines(live, NOON, 24, false).map((line) => line.length)).toEqual([23, 23, 23, 15]);
    const held = record([...live.steps], { waiting: "pauses 10s before wave 3" });
    expect(liveLines(held, NOON, 80, false).at(-1)).toBe("pauses 10s before wave 3");
  });
  it("stays small whatever the number of hosts and waves", () => {
    const steps = Array.from({ length: 500 }, (_, at) =>
      step(`h${at}`, Math.floor(at / 25), at < 300 ? "failed" : "sent"),
    );
    expect(liveLines(record(steps), NOON, 80, false).length).toBeLessThanOrEqual(26);
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
      "what failed or was left, once more: circusctl rollout retry r1",
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
  it("shows what it waits for, the attempt, what became of commands, and who came too late", () => {
    const waits = record([step("web1", 3, "failed", { outcome: "accepted", reason: "no result" })], {
      waiting: "waits for web1: another rollout is at work there",
      attempt: 2,
      late: ["web9"],
    });
    expect(showLines(waits, NOON, false, false)).toEqual([
      "rollout r1: restart myworker by admin: running, attempt 2",
      "begun 2026-01-31 11:59:00 (1m ago), runs for 1m",
      OPTIONS,
      "waits for web1: another rollout is at work there",
      "WAVE  HOST  STATE   COMMAND   SINCE                REASON",
      "   4  web1  failed  accepted  2026-01-31 12:00:00  no result",
      "joined later, not touched: web9",
    ]);
  });
  it("list one a line", () => {
    expect(listLines([done], NOON, false)[1]).toBe(
      "r1       done   restart myworker  admin  2026-01-31 11:59:00 (1m ago)  1m      1/1",
    );
  });
});

describe("isNewer()", () => {
  const later = record([step("web1", 0, "sent")], { revision: 2 });
  it("never goes back", () => {
    expect(isNewer(PLANNED, null)).toBe(true);
    expect(isNewer(later, PLANNED)).toBe(true);
    expect(isNewer(PLANNED, later)).toBe(false);
    expect(isNewer(later, later)).toBe(false);
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
    expect(
      rolloutOptions({
        ...{ canary: "2", "canary-pause": "5m", wait: "ask", deadline: "1h", order: "given", spread: "zone" },
        ...{ drain: "30s", limit: "7", "on-lost": "skip", "on-fail": "rollback", "min-healthy": "80%" },
      }),
    ).toEqual({
      canary: 2,
      canaryPauseMs: 300_000,
      waitMs: null,
      deadlineMs: 3_600_000,
      drainMs: 30_000,
      order: "given",
      spread: "zone",
      limit: 7,
      onLost: "skip",
      onFail: "rollback",
      minHealthy: { kind: "percent", p: 80 },
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
    { canary: "0" },
    { "canary-pause": "5s" },
    { wait: "maybe" },
    { order: "size" },
    { limit: "x" },
    { "on-lost": "wait" },
    { "on-fail": "x" },
    { "min-healthy": "x%" },
  ])("%j is a mistake", (options) => {
    expect(() => rolloutOptions(options)).toThrow(UsageError);
  });
});
