import type { EventRow, UptimeRow } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { csv, isoTime } from "../render/csv.ts";
import { eventLine, eventsCsv, passes } from "./events.ts";
import { historyCsv } from "./history.ts";
import { percentText, uptimeCsv, uptimeLines } from "./uptime.ts";
import { windowOf } from "./window.ts";

const NOON = new Date(2026, 0, 31, 12, 0, 0).getTime();
const event: EventRow = {
  ...{ host: "web1", epoch: 1, seq: 2, time: NOON, stored: NOON + 5, kind: "process_exited", watcher: "web" },
  ...{ pid: 7, wid: 1, actor: "alice", cause: "c", data: { code: 1, signal: null, reason: "no\u001b[31m luck" } },
};
const nothing = { hosts: null, watcher: null, kinds: null, actor: null };

describe("events", () => {
  it("are a line each, without what could drive a terminal", () => {
    expect(eventLine(event, false)).toBe(
      "2026-01-31 12:00:00  web1  web  process_exited  pid 7, code 1, signal null, reason no?[31m luck  by alice",
    );
    const bare = { ...event, host: "_fleet", watcher: null, pid: null, actor: null, data: {} };
    expect(eventLine(bare, false)).toBe("2026-01-31 12:00:00  fleet  -  process_exited");
  });

  it.each([
    [nothing, true],
    [{ ...nothing, hosts: ["web1"], watcher: "web", kinds: ["process_exited"], actor: "alice" }, true],
    [{ ...nothing, hosts: ["web2"] }, false],
    [{ ...nothing, watcher: "db" }, false],
    [{ ...nothing, kinds: ["agent_started"] }, false],
    [{ ...nothing, actor: "bob" }, false],
  ])("%j: %s", (filter, expected) => {
    expect(passes(event, filter)).toBe(expected);
  });
});

describe("uptime", () => {
  const row: UptimeRow = {
    ...{
      host: "web1",
      watcher: "web",
      activeMs: 3_600_000,
      changingMs: 0,
      stoppedMs: 0,
      failedMs: 60_000,
      unknownMs: 0,
    },
    ...{ percent: 98.36065, exits: 3, crashes: 1, outage: { from: NOON, ms: 60_000 } },
  };
  it("is a line for each watcher of each host", () => {
    const never = { ...row, host: "web2", percent: null, exits: 0, crashes: 0, outage: null, unknownMs: 60_000 };
    expect(uptimeLines([row, never], false)).toEqual([
      "HOST  WATCHER       UP  CRASHES  EXITS  LONGEST OUTAGE             UNKNOWN",
      "web1  web      98.360%        1      3  1m at 2026-01-31 12:00:00",
      "web2  web            ?        0      0                             1m",
    ]);
  });

  it("says 100 % only of what was never down", () => {
    expect(percentText(99.99999)).toBe("99.999%");
    expect(percentText(100)).toBe("100.000%");
  });

  it("is CSV on request", () => {
    expect(uptimeCsv([row]).split("\r\n")[1]).toBe(`web1,web,98.36065,3600000,0,0,60000,0,3,1,${isoTime(NOON)},60000`);
  });
});

describe("csv", () => {
  it("quotes what has to be, and hands a spreadsheet no formula", () => {
    expect(
      csv(
        ["a", "b"],
        [
          ['x,"y"\n', null],
          ["=1+1", -5],
          [true, ""],
        ],
      ),
    ).toBe('a,b\r\n"x,""y""\n",\r\n\'=1+1,-5\r\ntrue,\r\n');
    expect(eventsCsv([event]).split("\r\n")[1]).toContain(",web1,1,2,web,process_exited,7,1,alice,c,");
    expect(
      historyCsv([{ host: "a", watcher: "w", state: "active", from: 0, to: null, actor: null, cause: null }]),
    ).toContain("a,w,active,1970-01-01T00:00:00.000Z,,,\r\n");
  });
});

describe("a window of time", () => {
  const of = (options: Record<string, string>) =>
    windowOf({ request: { verb: "events", words: [], options } }, NOON, 3_600_000);
  it("ends now and is as long as it should be, unless the options say otherwise", () => {
    expect(of({})).toEqual({ since: NOON - 3_600_000, until: NOON });
    expect(of({ since: "2h" })).toEqual({ since: NOON - 7_200_000, until: NOON });
    expect(of({ until: "1h" })).toEqual({ since: NOON - 7_200_000, until: NOON - 3_600_000 });
    expect(() => of({ since: "1h", until: "2h" })).toThrow("--since has to lie before --until");
    expect(() => of({ since: "soon" })).toThrow('--since "soon" is no time');
  });
});
