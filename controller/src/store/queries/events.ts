/** What happened from A to B? */
import type { EventRow, EventsQuery } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { prepared } from "../prepared.ts";
import { dayTables } from "./days.ts";
import { inScope } from "./scope.ts";

/** A host whose clock runs ahead: its events may stand in the table of the day before their own time. */
const AHEAD_MS = 3_600_000;
const DAY_MS = 86_400_000;

type Row = Omit<EventRow, "data"> & { readonly id: number; readonly data: string };

/**
 * The newest events that fit, oldest first, in the order in which the stream took them. Tables are read from the newest
 * day on, as far as needed.
 *
 * @returns `isTruncated` where there were more than `limit`
 */
export function events(db: Database, query: EventsQuery): { rows: readonly EventRow[]; isTruncated: boolean } {
  const { hosts, watcher, kinds, actor, since, until, limit } = query;
  const json = (list: readonly string[] | null): string | null => (list === null ? null : JSON.stringify(list));
  const bound = { hosts: json(hosts), watcher, kinds: json(kinds), actor, since, until, limit: limit + 1 };
  // One watcher of one host has an index in the order of time; all else is read in the order of arrival.
  const order = hosts?.length === 1 && watcher !== null ? "e.ts DESC, e.id DESC" : "e.id DESC";
  const found: Row[] = [];
  for (const { table, startMs } of dayTables(db)) {
    // An event is stored after it happened, never before.
    if (startMs + DAY_MS + AHEAD_MS <= since) break;
    found.push(...prepared<Row>(db, select(table, order, query)).all(bound));
    if (found.length > limit) break; // what older tables hold arrived earlier
  }
  const sorted = found.sort((a, b) => b.id - a.id);
  const rows = sorted
    .slice(0, limit)
    .reverse()
    .map(({ id: _id, data, ...row }) => ({ ...row, data: JSON.parse(data) as Record<string, unknown> }));
  return { rows, isTruncated: sorted.length > limit };
}

function select(table: string, order: string, query: EventsQuery): string {
  const kinds = "e.kind_id IN (SELECT id FROM kind WHERE name IN (SELECT value FROM json_each(@kinds)))";
  const more = [...(query.kinds === null ? [] : [kinds]), ...(query.actor === null ? [] : ["e.actor = @actor"])];
  return `
    SELECT e.id, host.name AS host, e.epoch, e.seq, e.ts AS time, e.rts AS stored, kind.name AS kind,
           watcher.name AS watcher, e.pid, e.wid, e.actor, e.cause, e.data
    FROM ${table} AS e
    JOIN host ON host.id = e.host_id
    JOIN kind ON kind.id = e.kind_id
    LEFT JOIN watcher ON watcher.id = e.watcher_id
    WHERE e.ts >= @since AND e.ts < @until
      AND ${[inScope("e", query), ...more].join(" AND ")}
    ORDER BY ${order} LIMIT @limit`;
}
