/**
 * What each host tells about once a minute of its watchers, on its heartbeat subject: every agent may publish there
 * already, and whoever counts heartbeats drops what is none.
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
