/** Which events are known to be missing? */
import type { HistoryGap } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { prepared } from "../prepared.ts";

const LIMIT = 1000;

/** By host and order; at most 1000. `hosts` null: all. */
export function gaps(db: Database, hosts: readonly string[] | null): readonly HistoryGap[] {
  return prepared<HistoryGap>(
    db,
    `SELECT host.name AS host, gap.epoch AS epoch, gap.f AS fromSeq, gap.t AS toSeq
       FROM gap JOIN host ON host.id = gap.host_id
       WHERE host.name <> '_fleet' AND (@hosts IS NULL OR host.name IN (SELECT value FROM json_each(@hosts)))
       ORDER BY host.name, gap.epoch, gap.f LIMIT @limit`,
  ).all({ hosts: hosts === null ? null : JSON.stringify(hosts), limit: LIMIT });
}

/** How many events of hosts are known to be missing? */
export function missingEvents(db: Database): number {
  const row = db
    .prepare<[], { n: number | null }>(
      `SELECT sum(gap.t - gap.f + 1) AS n FROM gap JOIN host ON host.id = gap.host_id WHERE host.name <> '_fleet'`,
    )
    .get();
  return row?.n ?? 0;
}
