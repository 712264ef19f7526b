import { type EventsQuery, type FleetEvent, Subjects } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RawMessage } from "../../ingest/decode.ts";
import { Writer } from "../../ingest/writer.ts";
import { openDatabase } from "../database.ts";
import { EVENTS_MIGRATIONS } from "../migrations.ts";
import { dayTables } from "./days.ts";
import { events } from "./events.ts";
import { history } from "./history.ts";
import { uptime } from "./uptime.ts";

const T0 = Date.UTC(2026, 10, 24);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

let db: Database;
let writer: Writer;
beforeEach(() => {
  db = openDatabase(":memory:", EVENTS_MIGRATIONS, "NORMAL");
  writer = new Writer(db, new Subjects("main"));
  writer.enter({ created: 1, lastSeq: 0 });
});
afterEach(() => db.close());

let streamSeq = 0;
const seqs = new Map<string, number>();
beforeEach(() => seqs.clear());
function message(host: string, time: number, kind: string, over: Partial<FleetEvent> = {}, stored = time): RawMessage {
  const seq = (seqs.get(host) ?? 0) + 1;
  seqs.set(host, seq);
  const event: FleetEvent = { v: 1, epoch: 1, seq, time, kind, watcher: "web", data: {}, ...over };
  const subject = `circus.main.evt.${host}.${event.watcher ?? "_agent"}.${kind}`;
  return { seq: ++streamSeq, subject, data: Buffer.from(JSON.stringify(event)), time: stored };
}

const ALL: EventsQuery = {
  ...{ hosts: null, watcher: null, kinds: null, actor: null },
  ...{ since: T0 - DAY, until: T0 + 30 * DAY, limit: 100 },
};

describe("events", () => {
  const found = (over: Partial<EventsQuery> = {}) =>
    events(db, { ...ALL, ...over }).rows.map(({ host, kind, seq }) => `${host} ${kind} ${seq}`);

  it("come from all days, in the order of the stream, whole", () => {
    writer.commit([
      message("web1", T0, "watcher_started", { actor: "alice", cause: "c1", pid: 5, wid: 1, data: { a: [1] } }),
      message("web2", T0 + DAY, "watcher_started"),
      message("web1", T0 + 2 * DAY, "watcher_stopped"),
    ]);
    expect(dayTables(db).map(({ startMs }) => (startMs - T0) / DAY)).toEqual([2, 1, 0]);
    expect(found()).toEqual(["web1 watcher_started 1", "web2 watcher_started 1", "web1 watcher_stopped 2"]);
    expect(events(db, { ...ALL, limit: 3 })).toMatchObject({
      isTruncated: false,
      rows: [
        { epoch: 1, time: T0, stored: T0, watcher: "web", actor: "alice", cause: "c1", pid: 5, data: { a: [1] } },
        {},
        {},
      ],
    });
  });

  it("are chosen by host, watcher, kind, actor and time", () => {
    writer.commit([
      message("web1", T0 + 1, "watcher_started", { actor: "alice" }),
      message("web1", T0 + 2, "process_spawned", { watcher: "db" }),
      message("web2", T0 + 3, "watcher_started"),
      message("web1", T0 + 4, "agent_stopped", { watcher: null }),
    ]);
    expect(found({ hosts: ["web2"] })).toEqual(["web2 watcher_started 1"]);
    expect(found({ watcher: "db" })).toEqual(["web1 process_spawned 2"]);
    expect(found({ hosts: ["web1"], watcher: "web" })).toEqual(["web1 watcher_started 1"]);
    expect(found({ kinds: ["agent_stopped", "process_spawned"] })).toEqual([
      "web1 process_spawned 2",
      "web1 agent_stopped 3",
    ]);
    expect(found({ actor: "alice" })).toEqual(["web1 watcher_started 1"]);
    expect(found({ since: T0 + 2, until: T0 + 4 })).toEqual(["web1 process_spawned 2", "web2 watcher_started 1"]);
    expect(found({ actor: "nobody" })).toEqual([]);
  });

  it("that arrived days late are found by when they happened", () => {
    writer.commit([
      message("web1", T0, "watcher_started", {}, T0 + 3 * DAY),
      message("web2", T0 + 3 * DAY, "watcher_started"),
    ]);
    expect(found({ since: T0, until: T0 + HOUR })).toEqual(["web1 watcher_started 1"]);
    expect(found({ hosts: ["web1"], watcher: "web", since: T0, until: T0 + HOUR })).toEqual(["web1 watcher_started 1"]);
  });

  it("beyond the limit leave out the oldest, and say so", () => {
    for (let day = 0; day < 4; day++) {
      writer.commit([1, 2, 3].map((n) => message("web1", T0 + day * DAY + n, "process_spawned")));
    }
    const { rows, isTruncated } = events(db, { ...ALL, limit: 5 });
    expect(rows.map(({ seq }) => seq)).toEqual([8, 9, 10, 11, 12]);
    expect(isTruncated).toBe(true);
    expect(events(db, { ...ALL, limit: 12 }).isTruncated).toBe(false);
  });
});

describe("uptime", () => {
  const of = (since: number, until: number, now = T0 + DAY) =>
    uptime(db, { hosts: null, watcher: null, since, until }, now);

  it("adds up the states of a window, and counts ends and crashes", () => {
    writer.commit([
      message("web1", T0, "watcher_starting"),
      message("web1", T0 + HOUR, "watcher_started"),
      message("web1", T0 + 2 * HOUR, "process_exited", { data: { expected: true } }),
      message("web1", T0 + 3 * HOUR, "process_exited", { data: { expected: false } }),
      message("web1", T0 + 4 * HOUR, "watcher_failed"),
      message("web1", T0 + 5 * HOUR, "watcher_stopped"),
      message("web1", T0 + 7 * HOUR, "watcher_started"),
    ]);
    expect(of(T0, T0 + 10 * HOUR)).toEqual([
      {
        ...{ host: "web1", watcher: "web", activeMs: 6 * HOUR, changingMs: HOUR, stoppedMs: 2 * HOUR },
        ...{ failedMs: HOUR, unknownMs: 0, percent: 60, exits: 2, crashes: 1 },
        outage: { from: T0 + 4 * HOUR, ms: 3 * HOUR },
      },
    ]);
    expect(of(T0 + 2.5 * HOUR, T0 + 4.5 * HOUR)).toMatchObject([
      { activeMs: 1.5 * HOUR, failedMs: 0.5 * HOUR, percent: 75, exits: 1, crashes: 1 },
    ]);
    // What lasts is counted up to now, not into the future.
    expect(of(T0 + 6 * HOUR, T0 + 20 * HOUR, T0 + 8 * HOUR)).toMatchObject([
      { activeMs: HOUR, stoppedMs: HOUR, percent: 50 },
    ]);
    expect(of(T0 - DAY, T0)).toEqual([]);
  });

  it("keeps apart what nobody can know, and takes no break in the knowledge for an outage", () => {
    writer.commit([
      message("web1", T0, "watcher_started"),
      message("_fleet", T0 + 2 * HOUR, "host_lost", {
        watcher: null,
        data: { host: "web1", epoch: 1, seq: 1, last_heard: T0 + HOUR },
      }),
    ]);
    expect(of(T0, T0 + 4 * HOUR)).toMatchObject([{ activeMs: HOUR, unknownMs: 3 * HOUR, percent: 100, outage: null }]);
    expect(of(T0 + 3 * HOUR, T0 + 4 * HOUR)).toMatchObject([{ percent: null, unknownMs: HOUR }]);
  });

  it("agrees with the history, whatever happened", () => {
    const kinds = ["watcher_starting", "watcher_started", "watcher_stopping", "watcher_stopped", "watcher_failed"];
    const log = fc.array(fc.tuple(fc.constantFrom(...kinds), fc.nat(HOUR)), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(log, fc.nat(10 * HOUR), fc.integer({ min: 1, max: 10 * HOUR }), (steps, after, length) => {
        const one = openDatabase(":memory:", EVENTS_MIGRATIONS, "NORMAL");
        const only = new Writer(one, new Subjects("main"));
        seqs.clear();
        let time = T0;
        only.commit(steps.map(([kind, pause]) => message("web1", (time += pause + 1), kind)));
        const [since, until] = [T0 + after, T0 + after + length];
        const window = { hosts: null, watcher: null, since, until };
        const rows = history(one, { ...window, limit: 1000 }).rows;
        const lasted = (state: string) =>
          rows
            .filter((row) => row.state === state)
            .reduce((sum, row) => sum + Math.min(row.to ?? until, until) - Math.max(row.from, since), 0);
        const [sum] = uptime(one, window, until);
        expect(sum?.activeMs ?? 0).toBe(lasted("active"));
        expect(sum?.stoppedMs ?? 0).toBe(lasted("stopped"));
        expect(sum?.changingMs ?? 0).toBe(lasted("starting") + lasted("stopping"));
        one.close();
      }),
      { numRuns: 60 },
    );
  });
});
