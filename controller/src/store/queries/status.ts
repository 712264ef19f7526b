/** In which state is each watcher now, as the events tell? */
import type { Millis, WatcherState } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { prepared } from "../prepared.ts";

export interface CurrentRow {
  readonly host: string;
  readonly watcher: string;
  readonly state: WatcherState;
  readonly since: Millis;
  readonly numprocesses: number | null;
  readonly reason: string | null;
}

/**
 * By host and watcher.
 *
 * @param host only of this one; null: of all
 */
export function currentRows(db: Database, host: string | null = null): readonly CurrentRow[] {
  const where = host === null ? "" : "WHERE host.name = @host";
  return prepared<CurrentRow>(
    db,
    `SELECT host.name AS host, watcher.name AS watcher, cur.state, cur.since, cur.numprocesses, cur.reason
       FROM cur JOIN host ON host.id = cur.host_id JOIN watcher ON watcher.id = cur.watcher_id
       ${where} ORDER BY host.name, watcher.name`,
  ).all({ host });
}
