/** What the watchers of a fleet use over time: the series that controllers answer with. No schema: the web page takes it. */
import type { Millis } from "./time.ts";

/** What rows of an answer stand for; `none`: there is only the total. */
export const USAGE_BY = ["none", "watcher", "host"] as const;
export type UsageBy = (typeof USAGE_BY)[number];

/** A value a bucket; null: nobody told. CPU in per cent of one processor, memory in bytes, resident. */
export type UsageValues = readonly (number | null)[];

export interface UsageSeries {
  /** Mean in the bucket, of what is told of it. */
  readonly cpu: UsageValues;
  readonly rss: UsageValues;
  readonly processes: UsageValues;
  /** Largest in the bucket. */
  readonly cpuMax: UsageValues;
  readonly rssMax: UsageValues;
}

/** By the last report of each host that is not older than some minutes. */
export interface UsageNow {
  readonly cpu: number;
  readonly rss: number;
  readonly processes: number;
  /** Ms since the newest of those reports. */
  readonly ageMs: Millis;
}

export interface UsageTotal extends UsageSeries {
  readonly now: UsageNow | null;
  /** Hosts that told. */
  readonly hosts: UsageValues;
  /** The host that had most at one moment of the window, and how much; null: none. */
  readonly topCpu: { readonly host: string; readonly value: number } | null;
  readonly topRss: { readonly host: string; readonly value: number } | null;
  /** In each bucket, of that host which had most in it. */
  readonly cpuOfTop: UsageValues;
  readonly rssOfTop: UsageValues;
}

export interface UsageRow extends UsageSeries {
  /** Name of the watcher or the host, as was asked. */
  readonly name: string;
  readonly now: UsageNow | null;
}

export interface UsageAnswer {
  /** Wall ms at which the first bucket begins. */
  readonly since: Millis;
  readonly bucketMs: Millis;
  /** Of all that was asked for. */
  readonly total: UsageTotal;
  /** By name; where there were more than the limit, those that use most, by CPU and by memory in turn. */
  readonly rows: readonly UsageRow[];
  /** Rows that were left out. */
  readonly more: number;
  /** Where a watcher was named: each host that has it, now. */
  readonly hosts: readonly (UsageNow & { readonly host: string })[];
}

/** Mean of what is known, and the largest; null: nothing is. */
export function meanOf(values: UsageValues): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}

export function mostOf(values: UsageValues): number | null {
  return values.reduce((most, value) => (value === null || (most !== null && most >= value) ? most : value), null);
}
