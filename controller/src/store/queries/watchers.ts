/** On which of these hosts did a watcher ever tell of itself? */
import type { Database } from "better-sqlite3";
import { prepared } from "../prepared.ts";

/** `hosts` null: any. */
export function isWatcherKnown(db: Database, watcher: string, hosts: readonly string[] | null): boolean {
  const found = prepared<{ found: number }>(
    db,
    `SELECT 1 AS found FROM cur JOIN watcher ON watcher.id = cur.watcher_id JOIN host ON host.id = cur.host_id
       WHERE watcher.name = @watcher AND (@hosts IS NULL OR host.name IN (SELECT value FROM json_each(@hosts))) LIMIT 1`,
  ).get({ watcher, hosts: hosts === null ? null : JSON.stringify(hosts) });
  return found !== undefined;
}
