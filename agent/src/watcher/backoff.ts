/**
 * How long to wait before another try (design §3). The same row of delays serves a place whose process
 * keeps dying and a spawn that keeps failing. Pure.
 */
import type { Millis } from "@circus-cluster/proto";
import type { BackoffConfig } from "../config/lifecycle.ts";

/** Delay before try number `attempt` (from 1) in a row: 0, 100, 200, 400 … 30,000 ms by default. */
export function retryDelayMs(attempt: number, { initialMs, maxMs }: BackoffConfig): Millis {
  if (attempt <= 1) return 0;
  // The exponent is bounded lest an endless crash loop overflow it; 2^31 ms is more than any maximum.
  return Math.min(maxMs, initialMs * 2 ** Math.min(attempt - 2, 31));
}

/**
 * The number of early deaths in a row, this one included.
 *
 * @param before deaths in a row that the process inherited from its place
 * @param healthyMs how long it was healthy without a break when it ended; 0: it was not
 */
export function crashesAfter(before: number, healthyMs: Millis, { resetMs }: BackoffConfig): number {
  return healthyMs >= resetMs ? 1 : before + 1;
}
