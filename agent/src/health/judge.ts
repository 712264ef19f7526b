/** From single results to a verdict on a process (design §3, "Health"). Pure. */
import type { Health, Millis } from "@circus-cluster/proto";
import type { HealthcheckConfig } from "../config/lifecycle.ts";

export interface Judgement {
  readonly verdict: Health;
  /** Failures in a row that count. */
  readonly failures: number;
  /** Results so far. */
  readonly results: number;
  /** Why it failed last; null: it did not. */
  readonly ailment: string | null;
}

export const UNDECIDED: Judgement = { verdict: "starting", failures: 0, results: 0, ailment: null };

/** The first pauses of a new process: it should be known as healthy soon after it is. */
const EAGER_MS: Millis = 100;

/** @param ailment one result: why the probe failed, null where it succeeded */
export function judge(
  before: Judgement,
  ailment: string | null,
  uptimeMs: Millis,
  { retries, startPeriodMs }: HealthcheckConfig,
): Judgement {
  const results = before.results + 1;
  if (ailment === null) return { verdict: "healthy", failures: 0, results, ailment };
  const isForgiven = before.verdict === "starting" && uptimeMs < startPeriodMs;
  const failures = isForgiven ? 0 : before.failures + 1;
  return { verdict: failures >= retries ? "unhealthy" : before.verdict, failures, results, ailment };
}

/** Until the next probe: `interval`, but shorter first while the process may still be starting. */
export function pauseMs(
  { verdict, results }: Judgement,
  uptimeMs: Millis,
  { intervalMs, startPeriodMs }: HealthcheckConfig,
): Millis {
  if (verdict !== "starting" || uptimeMs >= startPeriodMs) return intervalMs;
  return Math.min(intervalMs, EAGER_MS * 2 ** Math.min(results, 20));
}
