/** What is sent to statsd, as text (reference §9.2). Pure: chance comes in. */
import type { OptionReader } from "./options.ts";

export interface StatsdOptions {
  readonly prefix: string;
  readonly host: string;
  readonly port: number;
  /** Share of counters and timers that is sent, in (0, 1]. */
  readonly sampleRate: number;
}

/** @param app what `application_name` is where it is not given */
export function readStatsd(reader: OptionReader, app = "app"): StatsdOptions {
  const sampleRate = reader.number("sample_rate", 1, { min: 0, max: 1 });
  if (sampleRate === 0) reader.problem("sample_rate", "0 would send nothing");
  return {
    prefix: `circus.${clean(reader.text("application_name", app))}.watcher`,
    host: reader.text("host", "localhost"),
    port: reader.port(8125),
    sampleRate,
  };
}

export type Metric =
  | { readonly kind: "counter"; readonly bucket: string }
  | { readonly kind: "gauge"; readonly bucket: string; readonly value: number }
  | { readonly kind: "timer"; readonly bucket: string; readonly ms: number };

export const counter = (bucket: string): Metric => ({ kind: "counter", bucket });
export const gauge = (bucket: string, value: number): Metric => ({ kind: "gauge", bucket, value });

/**
 * The datagram; null where the sample leaves this one out. A gauge is a state and not a count: it is always sent, since
 * the receiver could not scale it.
 *
 * @param chance in [0, 1)
 */
export function datagramOf(metric: Metric, { prefix, sampleRate }: StatsdOptions, chance: number): string | null {
  const bucket = `${prefix}.${clean(metric.bucket)}`;
  if (metric.kind === "gauge") return `${bucket}:${metric.value}|g`;
  if (chance >= sampleRate) return null;
  const value = metric.kind === "counter" ? "1|c" : `${Math.round(metric.ms)}|ms`;
  return `${bucket}:${value}${sampleRate === 1 ? "" : `|@${sampleRate}`}`;
}

/** A watcher's name may hold what has a meaning in the protocol: `plugin:flapping`, blanks. */
function clean(bucket: string): string {
  return bucket.replace(/[:|@\s]/g, "_");
}
