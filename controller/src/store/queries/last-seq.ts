/** Which is the last event that is stored of one life of a host? */
import type { Database } from "better-sqlite3";

/** 0 where there is none. */
export function lastSeq(db: Database, host: string, epoch: number): number {
  return (
    db
      .prepare<[string, number], { last: number }>(
        "SELECT last FROM hw JOIN host ON host.id = hw.host_id WHERE host.name = ? AND epoch = ?",
      )
      .get(host, epoch)?.last ?? 0
  );
}
