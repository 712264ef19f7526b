/** The tables of events, one per day on which the stream took them. */
import type { Millis } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";

export interface DayTable {
  readonly table: string;
  /** Wall ms of its first moment, UTC. */
  readonly startMs: Millis;
}

/** `ev_20261124`, by the day on which the stream took the event, UTC. */
export function dayTable(storedMs: Millis): string {
  return `ev_${new Date(storedMs).toISOString().slice(0, 10).replaceAll("-", "")}`;
}

/** Newest first. */
export function dayTables(db: Database): readonly DayTable[] {
  return db
    .prepare<[], { name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'ev_[0-9]*'")
    .all()
    .flatMap(({ name }) => {
      const [, year, month, day] = /^ev_(\d{4})(\d{2})(\d{2})$/.exec(name) ?? [];
      return year === undefined
        ? []
        : [{ table: name, startMs: Date.UTC(Number(year), Number(month) - 1, Number(day)) }];
    })
    .sort((a, b) => b.startMs - a.startMs);
}
