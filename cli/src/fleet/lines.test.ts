import type { HistoryRow, HostInfo, HostOutcome, HostStatus } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { outcomeLine } from "./change.ts";
import { gapLines, historyLines, momentLines } from "./history.ts";
import { hostLines } from "./hosts.ts";
import { hostText } from "./read.ts";
import { statusLines } from "./status.ts";
import { limitOf } from "./window.ts";

const NOON = new Date(2026, 0, 31, 12, 0, 0).getTime();

describe("hostLines()", () => {
  it("shows presence, age and what is odd only where it is", () => {
    const host: HostInfo = {
      host: "web1",
      presence: "online",
      since: NOON - 3_600_000,
      ageMs: 1200,
      skewMs: 20,
      version: "0.1.0",
      load: 0.5,
      backlog: 0,
      watchers: 2,
      labels: { role: "web" },
    };
    const never = { ...host, host: "web2", presence: "lost" as const, ageMs: null, load: null, labels: {} };
    expect(hostLines([host, never], NOON, false)).toEqual([
      "HOST  PRESENCE  SINCE   HEARD   WATCHERS  LOAD  VERSION  LABELS",
      "web1  online    1h ago  1s ago         2  0.50  0.1.0    role:web",
      "web2  lost      1h ago  never          2        0.1.0",
    ]);
    expect(hostLines([{ ...host, skewMs: -61_000, backlog: 7 }], NOON, false)[1]).toBe(
      "web1  online    1h ago  1s ago         2  0.50  0.1.0    -1m1s           7  role:web",
    );
  });
});

describe("statusLines()", () => {
  it("has a line for each watcher, and one for a host without any", () => {
    const watcher = {
      name: "myworker",
      state: "active",
      since: NOON,
      numprocesses: 2,
      running: 2,
      healthy: 1,
      pids: [1, 2],
      reason: null,
    } as const;
    const hosts: HostStatus[] = [
      {
        host: "web1",
        presence: "online",
        ageMs: 2000,
        watchers: [
          watcher,
          {
            ...watcher,
            name: "r",
            state: "failed",
            running: 0,
            numprocesses: null,
            healthy: 0,
            reason: "no such file",
          },
        ],
      },
      { host: "web2", presence: "lost", ageMs: null, watchers: [] },
    ];
    expect(statusLines(hosts, false)).toEqual([
      "HOST  PRESENCE  WATCHER   STATE   PROCESSES  HEALTHY  AGE     REASON",
      "web1  online    myworker  active        2/2        1  2s ago",
      "web1  online    r         failed        0/?        0  2s ago  no such file",
      "web2  lost      -                                     never",
    ]);
  });
});

describe("historyLines(), momentLines(), gapLines()", () => {
  const row: HistoryRow = {
    host: "web1",
    watcher: "w",
    state: "stopped",
    from: NOON - 60_000,
    to: NOON - 30_000,
    actor: "admin",
    cause: null,
  };
  it("show intervals, the open one up to now", () => {
    expect(
      historyLines([row, { ...row, state: "active", from: NOON - 30_000, to: null, actor: null }], NOON, false),
    ).toEqual([
      "HOST  WATCHER  STATE    FROM                 TO                   LASTED  BY",
      "web1  w        stopped  2026-01-31 11:59:00  2026-01-31 11:59:30  30s     admin",
      "web1  w        active   2026-01-31 11:59:30  now                  30s",
    ]);
  });
  it("show one moment", () => {
    expect(momentLines([row], NOON - 40_000, false)[1]).toBe(
      "web1  w        stopped  2026-01-31 11:59:00 (20s before)  2026-01-31 11:59:30  admin",
    );
  });
  it("say what is missing", () => {
    expect(
      gapLines([
        { host: "web1", epoch: NOON, fromSeq: 3, toSeq: 3 },
        { host: "b", epoch: NOON, fromSeq: 3, toSeq: 5 },
      ]),
    ).toEqual([
      "the history of web1 is incomplete: event 3 is missing of the agent that began 2026-01-31 12:00:00",
      "the history of b is incomplete: events 3 to 5 are missing of the agent that began 2026-01-31 12:00:00",
    ]);
  });
  it("limits are whole numbers in range", () => {
    expect(limitOf(undefined, 20, 100)).toBe(20);
    expect(limitOf("100", 20, 100)).toBe(100);
    for (const odd of ["0", "101", "1e1", "x", "-1"]) expect(() => limitOf(odd, 20, 100)).toThrow(`--limit ${odd}`);
  });
});

describe("outcomeLine(), hostText()", () => {
  const done = (reply: object): HostOutcome => ({ host: "web1", outcome: "done", reply: { ...reply }, reason: null });
  it.each<[string, HostOutcome, string]>([
    ["restart", done({ status: "ok" }), "web1: done"],
    ["incr", done({ status: "ok", numprocesses: 3 }), "web1: done: 3"],
    [
      "stop",
      { host: "web1", outcome: "refused", reply: null, reason: "program x not found" },
      "web1: refused: program x not found",
    ],
    ["stop", { host: "web1", outcome: "not delivered", reply: null, reason: "nobody" }, "web1: not delivered: nobody"],
    ["stop", { host: "web1", outcome: "accepted", reply: null, reason: null }, "web1: accepted"],
  ])("%s %j", (command, outcome, line) => {
    expect(outcomeLine(command, outcome, false)).toBe(line);
  });
  it("puts the host before each line of the local text", () => {
    expect(hostText("status", done({ status: "ok", statuses: { b: "active", a: "stopped" } }))).toEqual([
      "web1: a: stopped",
      "web1: b: active",
    ]);
    expect(hostText("list", done({ status: "ok", pids: [] }))).toEqual(["web1: "]);
  });
});
