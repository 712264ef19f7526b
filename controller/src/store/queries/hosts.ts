/** Which hosts are known, and what was last said of them? */
import type { Millis } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import type { Told } from "../../presence/core.ts";
import { prepared } from "../prepared.ts";

export interface HostRow {
  readonly id: number;
  readonly name: string;
  /** As the stream tells; null: nothing was told yet. */
  readonly presence: Told | null;
  readonly presenceEpoch: number | null;
  /** Wall ms at which it was told. */
  readonly presenceSince: Millis | null;
  /** Of the last beat that was kept. */
  readonly beatEpoch: number | null;
  readonly beatSeq: number | null;
  /** Wall ms of the last beat that was kept. */
  readonly heard: Millis | null;
  /** Smallest time between the host's clock and the stream's, of its newest life. */
  readonly delay: Millis | null;
  readonly version: string | null;
  /** JSON. */
  readonly labels: string | null;
}

/** By name. */
export function hostRows(db: Database): readonly HostRow[] {
  return prepared<HostRow>(
    db,
    `SELECT id, name, presence, presence_epoch AS presenceEpoch, presence_since AS presenceSince, beat_epoch AS beatEpoch, beat_seq AS beatSeq,
              heard, skew AS delay, version, labels
       FROM host WHERE name <> '_fleet' ORDER BY name`,
  ).all({});
}
