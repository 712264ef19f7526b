/** In which states were watchers from A to B? */
import type { HistoryQuery, HistoryRow, Millis } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { prepared } from "../prepared.ts";
import { touchingWindow } from "./scope.ts";

/** Rows of `itv` that end up in one answer, before those of one state are joined; bounds the time of one question. */
const SCANNED_MAX = 100_000;

interface Interval extends HistoryRow {
  readonly to: Millis | null;
}

/**
 * Intervals that touch [since, until), newest last per host and watcher; neighbours of one state are one row.
 * Their ends are not cut to the window: an interval tells when it really began.
 *
 * @returns `isTruncated` where there were more than `limit`; the oldest are left out then.
 */
export function history(db: Database, query: HistoryQuery): { rows: readonly HistoryRow[]; isTruncated: boolean } {
  const found = prepared<Interval>(
    db,
    `SELECT host.name AS host, watcher.name AS watcher, itv.state, itv.t0 AS "from", itv.t1 AS "to", itv.actor, itv.cause
       ${touchingWindow(query)}
       ORDER BY itv.t0 DESC, host.name, watcher.name LIMIT @scanned`,
  ).all({
    hosts: query.hosts === null ? null : JSON.stringify(query.hosts),
    watcher: query.watcher,
    since: query.since,
    until: query.until,
    scanned: SCANNED_MAX + 1,
  });
  const joined = join(found.slice(0, SCANNED_MAX).reverse());
  const isTruncated = joined.length > query.limit || found.length > SCANNED_MAX;
  return { rows: inOrder(newest(joined, query.limit)), isTruncated };
}

/** Neighbours of one state become one interval, with the actor of the first. */
function join(oldestFirst: readonly Interval[]): readonly Interval[] {
  const last = new Map<string, number>();
  const rows: Interval[] = [];
  for (const row of oldestFirst) {
    const key = `${row.host} ${row.watcher}`;
    const index = last.get(key);
    const before = index === undefined ? undefined : rows[index];
    if (index !== undefined && before?.state === row.state && before.to === row.from) {
      rows[index] = { ...before, to: row.to };
    } else {
      last.set(key, rows.length);
      rows.push(row);
    }
  }
  return rows;
}

function newest(rows: readonly Interval[], limit: number): readonly Interval[] {
  return rows.length <= limit ? rows : [...rows].sort((a, b) => b.from - a.from).slice(0, limit);
}

function inOrder(rows: readonly Interval[]): readonly HistoryRow[] {
  return [...rows].sort((a, b) => compareText(a.host, b.host) || compareText(a.watcher, b.watcher) || a.from - b.from);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
