/**
 * How long to wait before another try (design §3). The same row of delays serves a place whose process
 * keeps dying and a spawn that keeps failing. Pure.
 */
import type { Millis } from "@circus-cluster/proto";

const BACKOFF_FIRST_MS: Millis = 100;
const BACKOFF_MAX_MS: Millis = 30_000;
/** A process that stayed healthy this long has proved itself: its death starts the row anew. */
const PROVEN_MS: Millis = 60_000;

/** Delay before try number `attempt` (from 1) in a row: 0, 100, 200, 400 … 30,000 ms. */
export function retryDelayMs(attempt: number): Millis {
  if (attempt <= 1) return 0;
  // 2^9 × 100 ms is beyond the maximum; the exponent is bounded lest an endless crash loop overflow it.
  return Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attempt - 2, 16));
}

/**
 * The number of early deaths in a row, this one included.
 *
 * @param before deaths in a row that the process inherited from its place
 * @param uptimeMs how long it ran
 * @param minUptimeMs what it takes to be healthy at all
 */
export function crashesAfter(before: number, uptimeMs: Millis, minUptimeMs: Millis): number {
  return uptimeMs >= minUptimeMs + PROVEN_MS ? 1 : before + 1;
}
