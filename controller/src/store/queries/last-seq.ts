/** Which is the last event that is stored of one life of a host? */
import type { Database } from "better-sqlite3";
import { prepared } from "../prepared.ts";

/** 0 where there is none. */
export function lastSeq(db: Database, host: string, epoch: number): number {
  const row = prepared<{ last: number }>(
    db,
    "SELECT last FROM hw JOIN host ON host.id = hw.host_id WHERE host.name = @host AND epoch = @epoch",
  ).get({ host, epoch });
  return row?.last ?? 0;
}

/** The newest life of a host of which an event is stored; 0: none. */
export function lastEpoch(db: Database, host: string): number {
  return (
    db
      .prepare<[string], { epoch: number | null }>(
        "SELECT max(epoch) AS epoch FROM hw JOIN host ON host.id = hw.host_id WHERE host.name = ?",
      )
      .get(host)?.epoch ?? 0
  );
}
