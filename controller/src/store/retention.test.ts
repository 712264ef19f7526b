/** Retention and the write-ahead log, on real files. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FleetEvent, Subjects } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Writer } from "../ingest/writer.ts";
import { openDatabase } from "./database.ts";
import { EVENTS_MIGRATIONS } from "./migrations.ts";
import { dayTables } from "./queries/days.ts";
import { history } from "./queries/history.ts";
import { currentRows } from "./queries/status.ts";
import { type Keep, type Pruned, prune, prunedBefore, usedBytes } from "./retention.ts";
import { openSqlite } from "./sqlite.ts";
import { foldBack, walBytes } from "./wal.ts";

const DAY = 86_400_000;
const T0 = Date.UTC(2026, 10, 1);

let dir: string;
let db: Database;
let writer: Writer;
let seq = 0;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "circus-retention-"));
  db = openDatabase(join(dir, "events.db"), EVENTS_MIGRATIONS, "NORMAL");
  writer = new Writer(db, new Subjects("main"));
  writer.enter({ created: 1, lastSeq: 0 });
  seq = 0;
});
afterEach(() => {
  db.close();
  rmSync(dir, { recursive: true });
});

function take(time: number, kind: string, watcher = "web", data: FleetEvent["data"] = {}): boolean {
  const event: FleetEvent = { v: 1, epoch: 1, seq: ++seq, time, kind, watcher, data };
  const subject = `circus.main.evt.web1.${watcher}.${kind}`;
  return writer.commit([{ seq, subject, data: Buffer.from(JSON.stringify(event)), time }]).events.length === 1;
}

/** A watcher that stops and starts each day; one that was started on the first day and never changed. */
function fill(days: number): void {
  take(T0, "watcher_started", "still");
  for (let day = 0; day < days; day++) {
    take(T0 + day * DAY + 1000, "watcher_stopped");
    take(T0 + day * DAY + 2000, "watcher_started");
  }
}

function run(keep: Partial<Keep>, nowMs: number): { steps: number; pruned: Pruned } {
  const work = prune(db, { ageMs: null, sizeBytes: null, ...keep }, nowMs);
  for (let steps = 0; ; steps++) {
    const { done, value } = work.next();
    if (done === true) return { steps, pruned: value };
  }
}

const ALL = { hosts: null, watcher: null, since: 0, until: T0 + 100 * DAY, limit: 1000 };

describe("retention by age", () => {
  it("drops whole days and the intervals that ended before them, and nothing of what still lasts", () => {
    fill(10);
    const { pruned } = run({ ageMs: 3 * DAY }, T0 + 9.5 * DAY);
    expect(pruned.days).toEqual(["01", "02", "03", "04", "05", "06"].map((day) => `2026-11-${day}`));
    expect(dayTables(db).map(({ startMs }) => (startMs - T0) / DAY)).toEqual([9, 8, 7, 6]);
    expect(pruned.before).toBe(T0 + 6 * DAY);
    expect(prunedBefore(db)).toBe(T0 + 6 * DAY);
    const { rows } = history(db, ALL);
    expect(rows.filter(({ watcher }) => watcher === "still")).toMatchObject([{ from: T0, to: null, state: "active" }]);
    const web = rows.filter(({ watcher }) => watcher === "web");
    // The one that reaches over the edge is whole.
    expect(web[0]).toMatchObject({ from: T0 + 5 * DAY + 2000, to: T0 + 6 * DAY + 1000, state: "active" });
    expect(web).toHaveLength(9);
    expect(currentRows(db).map(({ watcher, state }) => `${watcher} ${state}`)).toEqual(["still active", "web active"]);
  });

  it("changes nothing where all is young, also a second time", () => {
    fill(3);
    expect(run({ ageMs: 30 * DAY }, T0 + 3 * DAY).pruned).toEqual({ days: [], intervals: 0, before: null });
    run({ ageMs: DAY }, T0 + 2.5 * DAY);
    expect(run({ ageMs: DAY }, T0 + 2.5 * DAY).pruned).toMatchObject({ days: [], intervals: 0 });
  });

  it("takes small steps where one watcher has very many intervals", () => {
    for (let i = 0; i < 1500; i++) take(T0 + i * 10, i % 2 === 0 ? "watcher_stopped" : "watcher_started");
    take(T0 + 5 * DAY, "watcher_stopped");
    const { steps, pruned } = run({ ageMs: DAY }, T0 + 5 * DAY);
    expect(pruned.intervals).toBe(1499);
    expect(steps).toBeGreaterThanOrEqual(4);
  });

  it("leaves a writer that had the day open able to go on, and no event is taken twice", () => {
    fill(2);
    const second = openSqlite(join(dir, "events.db"));
    for (const _ of prune(second, { ageMs: DAY, sizeBytes: null }, T0 + 20 * DAY));
    second.close();
    expect(dayTables(db)).toEqual([]);
    // As the consumer does: what fails is read again.
    expect(() => take(T0 + DAY + 3000, "watcher_stopped")).toThrow(/no such table/);
    seq--;
    expect(take(T0 + DAY + 3000, "watcher_stopped")).toBe(true);
    seq--;
    expect(take(T0 + DAY + 3000, "watcher_stopped")).toBe(false);
  });
});

describe("retention by size", () => {
  it("drops the oldest days until the rest fits, never the newest", () => {
    const data = { filler: "x".repeat(2000) };
    for (let day = 0; day < 5; day++) {
      for (let i = 0; i < 100; i++) take(T0 + day * DAY + i * 1000, "process_spawned", "web", data);
    }
    const full = usedBytes(db);
    const { pruned } = run({ sizeBytes: Math.floor(full * 0.7) }, T0 + 5 * DAY);
    expect(pruned.days).toEqual(["2026-11-01", "2026-11-02"]);
    expect(usedBytes(db)).toBeLessThanOrEqual(full * 0.7);
    run({ sizeBytes: 1 }, T0 + 5 * DAY);
    expect(dayTables(db)).toHaveLength(1);
  });
});

describe("the write-ahead log", () => {
  it("is folded back above its bound, but not while another process reads", () => {
    const file = join(dir, "events.db");
    fill(2);
    expect(walBytes(file)).toBeGreaterThan(10_000);
    expect(foldBack(db, 1024 ** 3)).toBe("small");
    const reader = openSqlite(file, { readonly: true });
    reader.exec("BEGIN");
    reader.prepare("SELECT * FROM host").get();
    take(T0 + 3 * DAY, "watcher_stopped");
    const beganMs = performance.now();
    expect(foldBack(db, 1000)).toBe("held");
    expect(performance.now() - beganMs).toBeLessThan(3000); // it does not wait out the busy timeout
    reader.exec("COMMIT");
    reader.close();
    expect(foldBack(db, 1000)).toBe("folded");
    expect(walBytes(file)).toBe(0);
    expect(db.pragma("busy_timeout", { simple: true })).toBe(5000);
  });
});
