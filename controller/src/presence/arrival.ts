/**
 * When was a beat sent? What was held up on its way must not pass for a sign of now: after a cut all that waited
 * arrives at once. The host's clock tells, as long as it is not set meanwhile. Pure.
 */
import type { Millis } from "@circus-cluster/proto";

export interface Arrival {
  /** Our clock minus the host's at the quickest beat of this life. */
  readonly delayMs: Millis;
  /** The same at the last one. */
  readonly lastDelayMs: Millis;
  /** When the last one came, monotonic. */
  readonly atMs: Millis;
  /** How long that had been held up. */
  readonly lateMs: Millis;
}

/** @param before of the same life; null: this is the first beat */
export function arrive(before: Arrival | null, delayMs: Millis, intervalMs: Millis, nowMs: Millis): Arrival {
  const punctual: Arrival = { delayMs, lastDelayMs: delayMs, atMs: nowMs, lateMs: 0 };
  if (before === null || delayMs <= before.delayMs) return punctual;
  const slackMs = intervalMs / 2;
  // Beats that come at their pace, all with the same delay, were not held up: the host's clock was set back.
  const isSteady = Math.abs(delayMs - before.lastDelayMs) < slackMs && nowMs - before.atMs >= slackMs;
  if (isSteady && before.lateMs > 0) return punctual;
  // It was sent after the one before it.
  const lateMs = Math.min(delayMs - before.delayMs, nowMs - (before.atMs - before.lateMs));
  return { delayMs: before.delayMs, lastDelayMs: delayMs, atMs: nowMs, lateMs };
}
