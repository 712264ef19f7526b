/**
 * What the watchers of a fleet use over time: the report that each host sends about once a minute on its heartbeat
 * subject, and the series that controllers answer with.
 *
 * It goes where heartbeats go since every agent may publish there already, and whoever counts heartbeats drops what is
 * none.
 */
import { type Schema, v } from "./schema.ts";
import type { Millis } from "./time.ts";

/** In one report; of more the ones that use most. With the longest names it is below a message of 1 MB. */
export const REPORT_WATCHERS_MAX = 1000;

/** Name, CPU time within the span (ms), resident memory (bytes), processes. */
export type ReportedWatcher = readonly [name: string, cpuMs: number, rssBytes: number, processes: number];

export interface UsageReport {
  readonly v: 1;
  readonly kind: "usage";
  /** Ms over which it was measured, up to the sending. */
  readonly span: Millis;
  readonly watchers: readonly ReportedWatcher[];
}

/** A shorter span says little, a longer one is of an agent that stood still. */
export const REPORT_SPAN_MS = { least: 500, usual: 60_000, most: 300_000 } as const;

const whole = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(Number.MAX_SAFE_INTEGER));

export const usageReport: Schema<UsageReport> = v.looseObject({
  v: v.literal(1),
  kind: v.literal("usage"),
  span: v.pipe(whole, v.minValue(REPORT_SPAN_MS.least), v.maxValue(REPORT_SPAN_MS.most)),
  watchers: v.pipe(
    v.array(v.tuple([v.pipe(v.string(), v.minLength(1), v.maxLength(128)), whole, whole, whole])),
    v.maxLength(REPORT_WATCHERS_MAX),
  ),
});

/** Is it meant as a report? To be parsed then. */
export function isReport(value: unknown): boolean {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "usage";
}

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
