/** The tables of events, one per day on which the stream took them. */
import type { Millis } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { prepared } from "../prepared.ts";

export interface DayTable {
  readonly table: string;
  /** Wall ms of its first moment, UTC. */
  readonly startMs: Millis;
}

/** `ev_20261124`, by the day on which the stream took the event, UTC. */
export function dayTable(storedMs: Millis): string {
  return `ev_${new Date(storedMs).toISOString().slice(0, 10).replaceAll("-", "")}`;
}

/** Kind of the events that `uptime` counts. */
export const EXITED = "process_exited";

/** @param exited number of the kind {@link EXITED} */
export function dayTableSql(table: string, exited: number): string {
  return `
    CREATE TABLE IF NOT EXISTS ${table}(
      id INTEGER PRIMARY KEY, host_id INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
      ts INTEGER NOT NULL, rts INTEGER NOT NULL, watcher_id INTEGER, pid INTEGER, wid INTEGER,
      kind_id INTEGER NOT NULL, actor TEXT, cause TEXT, data TEXT NOT NULL, more TEXT
    ) STRICT;
    CREATE INDEX IF NOT EXISTS ${table}_q ON ${table}(host_id, watcher_id, ts);
    -- all that is counted of exits, so that no event has to be read for it
    CREATE INDEX IF NOT EXISTS ${table}_x
      ON ${table}(host_id, watcher_id, ts, kind_id, json_extract(data, '$.expected')) WHERE kind_id = ${exited};`;
}

/** Newest first. */
export function dayTables(db: Database): readonly DayTable[] {
  const tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'ev_[0-9]*'";
  return prepared<{ name: string }>(db, tables)
    .all({})
    .flatMap(({ name }) => {
      const [, year, month, day] = /^ev_(\d{4})(\d{2})(\d{2})$/.exec(name) ?? [];
      return year === undefined
        ? []
        : [{ table: name, startMs: Date.UTC(Number(year), Number(month) - 1, Number(day)) }];
    })
    .sort((a, b) => b.startMs - a.startMs);
}
