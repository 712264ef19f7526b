/**
 * Drops what is older than wanted: whole days of events, and the intervals before them. In small steps, each a
 * transaction of its own, so that ingest and questions come in between (fleet-protocol §5).
 */
import type { Millis } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { readMeta, writeMeta } from "./database.ts";
import { prepared } from "./prepared.ts";
import { type DayTable, dayTables } from "./queries/days.ts";

const DAY_MS = 86_400_000;
/** Rows deleted by one step at most. */
const STEP_ROWS = 500;
/** Watchers looked at by one step at most. */
const STEP_WATCHERS = 200;

export interface Keep {
  /** Null: for ever. */
  readonly ageMs: Millis | null;
  /** Bytes of the event database in use; null: as it comes. */
  readonly sizeBytes: number | null;
}

export interface Pruned {
  /** Days of events that were dropped, oldest first, as `2026-11-24`. */
  readonly days: readonly string[];
  readonly intervals: number;
  /** Wall ms before which there are no events by our own doing; null: nothing was ever dropped. */
  readonly before: Millis | null;
}

/** Bytes that hold data; the file may be larger by what was dropped and will be used again. */
export function usedBytes(db: Database): number {
  const pragma = (name: string): number => Number(db.pragma(name, { simple: true }));
  return (pragma("page_count") - pragma("freelist_count")) * pragma("page_size");
}

/** Wall ms before which events were dropped; null: never. */
export function prunedBefore(db: Database): Millis | null {
  const value = readMeta(db, "pruned_before");
  return typeof value === "number" ? value : null;
}

/** One step for each `next()`; its result is there at the end. */
export function* prune(db: Database, keep: Keep, nowMs: Millis): Generator<void, Pruned> {
  const days: string[] = [];
  const drop = (day: DayTable): void => {
    db.transaction(() => {
      db.exec(`DROP TABLE ${day.table}`);
      writeMeta(db, "pruned_before", Math.max(prunedBefore(db) ?? 0, day.startMs + DAY_MS));
    }).immediate();
    days.push(new Date(day.startMs).toISOString().slice(0, 10));
  };
  const { ageMs, sizeBytes } = keep;
  if (ageMs !== null) {
    for (const day of dayTables(db).toReversed()) {
      if (day.startMs + DAY_MS > nowMs - ageMs) break;
      drop(day);
      yield;
    }
  }
  if (sizeBytes !== null) {
    // The newest day is written to, and stays whatever its size.
    for (const day of dayTables(db).slice(1).reverse()) {
      if (usedBytes(db) <= sizeBytes) break;
      drop(day);
      yield;
    }
  }
  const before = prunedBefore(db);
  const intervals = before === null ? 0 : yield* pruneIntervals(db, before);
  return { days, intervals, before };
}

/**
 * The ended intervals of each watcher up to then. Times only grow along a watcher's order (see `ingest/intervals.ts`),
 * so that what is left is the end of its life, whole.
 */
function* pruneIntervals(db: Database, before: Millis): Generator<void, number> {
  const watchers = prepared<{ host: number; watcher: number }>(
    db,
    "SELECT host_id AS host, watcher_id AS watcher FROM cur",
  ).all({});
  const drop = prepared(
    db,
    `DELETE FROM itv WHERE (host_id, watcher_id, epoch, seq, fleet_epoch, fleet_seq) IN
       (SELECT host_id, watcher_id, epoch, seq, fleet_epoch, fleet_seq FROM itv
        WHERE host_id = @host AND watcher_id = @watcher AND t0 < @before AND t1 <= @before ORDER BY t0 LIMIT @rows)`,
  );
  let total = 0;
  let next = 0;
  while (next < watchers.length) {
    db.transaction(() => {
      let rows = 0;
      for (let looked = 0; looked < STEP_WATCHERS && rows < STEP_ROWS; looked++) {
        const one = watchers[next];
        if (one === undefined) break;
        const { changes } = drop.run({ ...one, before, rows: STEP_ROWS });
        rows += changes;
        // A full step may have left some.
        if (changes < STEP_ROWS) next++;
      }
      total += rows;
    }).immediate();
    yield;
  }
  const ops = prepared(db, "DELETE FROM host_op WHERE time < @before").run({ before }).changes;
  return total + ops;
}
