import { type FleetEvent, Subjects } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "../store/database.ts";
import { EVENTS_MIGRATIONS, migrate } from "../store/migrations.ts";
import { dayTable } from "../store/queries/days.ts";
import { gaps } from "../store/queries/gaps.ts";
import { history } from "../store/queries/history.ts";
import { historyAt } from "../store/queries/history-at.ts";
import { hostRows } from "../store/queries/hosts.ts";
import { lastSeq } from "../store/queries/last-seq.ts";
import { currentRows } from "../store/queries/status.ts";
import { isWatcherKnown } from "../store/queries/watchers.ts";
import type { RawMessage } from "./decode.ts";
import { Writer } from "./writer.ts";

const subjects = new Subjects("main");
const T0 = Date.UTC(2026, 10, 24);

let db: Database;
let writer: Writer;
beforeEach(() => {
  db = openDatabase(":memory:", EVENTS_MIGRATIONS, "NORMAL");
  writer = new Writer(db, subjects);
  writer.enter({ created: 1, lastSeq: 0 });
});
afterEach(() => db.close());

let streamSeq = 0;
function message(host: string, seq: number, kind: string, over: Partial<FleetEvent> = {}): RawMessage {
  const event: FleetEvent = { v: 1, epoch: 1, seq, time: T0 + seq * 1000, kind, watcher: "web", data: {}, ...over };
  const subject = `circus.main.evt.${host}.${event.watcher ?? "_agent"}.${kind}`;
  return { seq: ++streamSeq, subject, data: Buffer.from(JSON.stringify(event)), time: event.time + 5 };
}

const at = (seconds: number): (readonly [string, string])[] =>
  historyAt(db, { hosts: null, watcher: null, at: T0 + seconds * 1000 }).map((row) => [row.host, row.state] as const);

function states(host: string): (readonly [string, number, number | null])[] {
  const window = { hosts: [host], watcher: "web", since: 0, until: T0 + 1e9, limit: 100 };
  const second = (ms: number): number => (ms - T0) / 1000;
  return history(db, window).rows.map(
    (row) => [row.state, second(row.from), row.to === null ? null : second(row.to)] as const,
  );
}

describe("the writer", () => {
  it("keeps events by their day of arrival, with all that was in them", () => {
    writer.commit([
      message("web1", 1, "watcher_started"),
      message("web1", 2, "of_tomorrow", { time: T0 + 86_400_000, pid: 7, actor: "alice", cause: "c", data: { a: 1 } }),
    ]);
    expect(dayTable(T0)).toBe("ev_20261124");
    const [today] = db.prepare("SELECT count(*) AS n FROM ev_20261124").all();
    expect(today).toEqual({ n: 1 });
    expect(db.prepare("SELECT epoch, seq, pid, actor, cause, data, more FROM ev_20261125").get()).toEqual({
      epoch: 1,
      seq: 2,
      pid: 7,
      actor: "alice",
      cause: "c",
      data: '{"a":1}',
      more: null,
    });
  });

  it("takes the batch and the position together or not at all", () => {
    writer.commit([message("web1", 1, "watcher_started")]);
    const { pos } = writer.place;
    db.exec("CREATE TRIGGER full BEFORE INSERT ON itv BEGIN SELECT RAISE(ABORT, 'disk full'); END");
    const batch = [message("web2", 1, "agent_started", { watcher: null }), message("web1", 2, "watcher_stopped")];
    expect(() => writer.commit(batch)).toThrow("disk full");
    expect(writer.place.pos).toBe(pos);
    expect(hostRows(db).map((row) => row.name)).toEqual(["web1"]);
    db.exec("DROP TRIGGER full");
    expect(writer.commit(batch)).toMatchObject({ seen: 0, refused: [] });
    expect(new Writer(db, subjects).place.pos).toBe(batch[1]!.seq);
    expect(currentRows(db)).toMatchObject([{ host: "web1", watcher: "web", state: "stopped", since: T0 + 2000 }]);
  });

  it("has each event once, in any order and cut into any batches, and the same intervals", () => {
    const kinds = ["watcher_starting", "watcher_started", "watcher_stopping", "watcher_stopped", "process_spawned"];
    const log = fc.array(fc.constantFrom(...kinds), { minLength: 1, maxLength: 25 });
    fc.assert(
      fc.property(log, fc.infiniteStream(fc.nat(1000)), (events, chance) => {
        const both = ["a", "b"].map(() => openDatabase(":memory:", EVENTS_MIGRATIONS, "NORMAL"));
        const [inOrder, shuffled] = both.map((one) => new Writer(one, subjects));
        const all = events.map((kind, i) => message("web1", i + 1, kind));
        inOrder!.commit(all);
        const arrival = [...all, ...all.filter((_, i) => i % 2 === 0)]
          .map((one) => [chance.next().value, one] as const)
          .sort(([a], [b]) => a - b)
          .map(([, one]) => one);
        let taken = 0;
        for (let i = 0; i < arrival.length; ) {
          const size = 1 + (chance.next().value % 4);
          taken += shuffled!.commit(arrival.slice(i, i + size)).events.length;
          i += size;
        }
        expect(taken).toBe(all.length);
        const [a, b] = both.map((one) => [
          one.prepare("SELECT * FROM itv").all(),
          one.prepare("SELECT state, since FROM cur").all(),
          one.prepare("SELECT * FROM hw").all(),
          one.prepare("SELECT * FROM gap").all(),
        ]);
        expect(b).toEqual(a);
        for (const one of both) one.close();
      }),
      { numRuns: 60 },
    );
  });

  it("answers what was, from-to and at a time", () => {
    writer.commit([
      message("web1", 1, "watcher_started"),
      message("web2", 1, "watcher_started"),
      message("web1", 10, "watcher_stopped", { actor: "alice" }),
      message("web1", 20, "watcher_started"),
    ]);
    expect(at(0)).toEqual([]);
    expect(at(15)).toEqual([
      ["web1", "stopped"],
      ["web2", "active"],
    ]);
    expect(states("web1")).toEqual([
      ["active", 1, 10],
      ["stopped", 10, 20],
      ["active", 20, null],
    ]);
    const window = { hosts: null, watcher: null, since: T0 + 12_000, until: T0 + 15_000, limit: 1 };
    expect(history(db, window)).toMatchObject({ rows: [{ host: "web1", state: "stopped" }], isTruncated: true });
    expect(gaps(db, null)).toEqual([
      { host: "web1", epoch: 1, fromSeq: 2, toSeq: 9 },
      { host: "web1", epoch: 1, fromSeq: 11, toSeq: 19 },
    ]);
    expect(gaps(db, ["web2"])).toEqual([]);
    expect(lastSeq(db, "web1", 1)).toBe(20);
    expect(lastSeq(db, "web1", 2)).toBe(0);
    expect(isWatcherKnown(db, "web", ["web2"])).toBe(true);
    expect(isWatcherKnown(db, "web", ["web3"])).toBe(false);
  });

  it("joins neighbours of one state, and tells since when the last one really holds", () => {
    writer.commit([
      message("web1", 1, "watcher_stopped"),
      message("web1", 2, "watcher_started"),
      message("web1", 3, "watcher_started"),
      message("web1", 5, "watcher_started"),
    ]);
    expect(states("web1")).toEqual([
      ["stopped", 1, 2],
      ["active", 2, null],
    ]);
    expect(currentRows(db)[0]?.since).toBe(T0 + 2000);
    writer.commit([message("web1", 4, "watcher_failed", { data: { reason: "no such file" } })]);
    expect(states("web1").at(-1)).toEqual(["active", 5, null]);
    expect(currentRows(db)[0]?.since).toBe(T0 + 5000);
  });

  it("calls the time without any sign of a host unknown", () => {
    const said = (seq: number, kind: string, time: number, data: object): RawMessage =>
      message("_fleet", seq, kind, {
        epoch: 50,
        watcher: null,
        time: T0 + time * 1000,
        data: { host: "web1", ...data },
      });
    writer.commit([
      message("web1", 1, "agent_started", { watcher: null }),
      message("web1", 2, "watcher_started"),
      said(1, "host_lost", 60, { epoch: 1, seq: 2, last_heard: T0 + 40_000 }),
    ]);
    expect(currentRows(db)).toMatchObject([{ state: "unknown", since: T0 + 40_000 }]);
    expect(hostRows(db)).toMatchObject([{ name: "web1", presence: "lost", presenceEpoch: 1 }]);
    writer.commit([said(2, "host_online", 90, { epoch: 1, seq: 2 })]);
    expect(states("web1")).toEqual([
      ["active", 2, 40],
      ["unknown", 40, 90],
      ["active", 90, null],
    ]);
    // A new life without a goodbye of the old one: unknown from its last sign on, which was at 90.
    writer.commit([message("web1", 1, "agent_started", { epoch: 2, watcher: null, time: T0 + 200_000 })]);
    expect(states("web1").slice(-2)).toEqual([
      ["unknown", 40, 200],
      ["stopped", 200, null],
    ]);
  });

  it("begins a new generation for another stream, and for one that ends before our position", () => {
    writer.commit([message("web1", 1, "watcher_started")]);
    const first = writer.place;
    expect(writer.enter({ created: 1, lastSeq: first.pos })).toEqual(first);
    expect(writer.enter({ created: 1, lastSeq: first.pos - 1 })).toMatchObject({
      pos: 0,
      generation: first.generation + 1,
    });
    expect(writer.enter({ created: 9, lastSeq: 99 })).toMatchObject({ created: 9, generation: first.generation + 2 });
    streamSeq = 0;
    expect(writer.commit([message("web1", 1, "watcher_started"), message("web1", 2, "watcher_stopped")])).toMatchObject(
      {
        seen: 1,
        events: [{ event: { seq: 2 } }],
      },
    );
  });

  it("begins a new one, too, where another message stands at its position: the server has lost the end of its stream", () => {
    writer.enter({ created: 1, lastSeq: 99 });
    const [taken, last] = [message("web1", 1, "watcher_started"), message("web1", 2, "watcher_stopped")];
    writer.commit([taken, last]);
    const before = writer.place;
    const { pos, generation } = before;
    // Another one passed by at our position, and the same one.
    expect(writer.recognize({ seq: pos - 1, time: 5 })).toBe(true);
    expect(new Writer(db, subjects).recognize(last)).toBe(true);
    expect(new Writer(db, subjects).place).toEqual(before);
    expect(writer.recognize({ ...last, time: last.time + 1 })).toBe(false);
    expect(writer.place).toMatchObject({ pos: 0, generation: generation + 1, created: 1 });
    expect(writer.commit([taken, { ...last, time: last.time + 1 }])).toMatchObject({ seen: 2, events: [] });
  });

  it("measures the clock of a host by its quickest event, anew in each life", () => {
    const late = (seq: number, delay: number, epoch = 1): RawMessage => {
      const one = message("web1", seq, "process_spawned", { epoch });
      return { ...one, time: T0 + seq * 1000 + delay };
    };
    writer.commit([late(1, 90_000), late(2, -400), late(3, 20)]);
    expect(hostRows(db)[0]?.delay).toBe(-400);
    writer.commit([late(1, 7, 2)]);
    expect(hostRows(db)[0]?.delay).toBe(7);
  });
});

describe("migrations", () => {
  it("refuse a database of a newer version", () => {
    db.pragma("user_version = 99");
    expect(() => migrate(db, EVENTS_MIGRATIONS)).toThrow(
      "is of a newer version of circus-controller (schema 99, known 2)",
    );
  });
});
