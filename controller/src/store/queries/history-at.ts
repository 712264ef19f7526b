/** In which state was each watcher at T? */
import type { HistoryAtQuery, HistoryRow } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { prepared } from "../prepared.ts";
import { inScope } from "./scope.ts";

/**
 * One row per host and watcher that was known by then, by name. CROSS: SQLite would read all intervals there are, were
 * it free to begin with them.
 */
export function historyAt(db: Database, query: HistoryAtQuery): readonly HistoryRow[] {
  return prepared<HistoryRow>(
    db,
    `SELECT host.name AS host, watcher.name AS watcher, itv.state, itv.t0 AS "from", itv.t1 AS "to", itv.actor, itv.cause
       FROM cur
       JOIN host ON host.id = cur.host_id
       JOIN watcher ON watcher.id = cur.watcher_id
       CROSS JOIN itv ON itv.host_id = cur.host_id AND itv.watcher_id = cur.watcher_id
         AND itv.t0 = (SELECT max(t0) FROM itv AS i
                       WHERE i.host_id = cur.host_id AND i.watcher_id = cur.watcher_id AND i.t0 <= @at)
       WHERE ${inScope("cur", query)}
         AND (itv.t1 IS NULL OR itv.t1 > itv.t0)
       ORDER BY host.name, watcher.name`,
  ).all({ hosts: query.hosts === null ? null : JSON.stringify(query.hosts), watcher: query.watcher, at: query.at });
}
