/** How finely usage is kept for how long, and with which buckets a question is answered. Pure. */
import type { Millis } from "@circus-cluster/proto";

export interface Tier {
  readonly bucketMs: Millis;
  /** Null: as long as history is kept. */
  readonly keepMs: Millis | null;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** From fine to coarse; each bucket is a whole number of the one before. */
export const TIERS: readonly [Tier, ...Tier[]] = [
  { bucketMs: MINUTE, keepMs: 6 * HOUR },
  { bucketMs: 15 * MINUTE, keepMs: 8 * 24 * HOUR },
  { bucketMs: 2 * HOUR, keepMs: null },
];

/** What is asked for may lie this much before what is kept: dropping is not done to the second. */
const SLACK_MS = HOUR / 4;

export interface Plan {
  readonly tier: number;
  /** Of the answer: a whole number of the tier's buckets. */
  readonly stepMs: Millis;
  /** Of the first step, at or before the window's beginning. */
  readonly startMs: Millis;
  readonly steps: number;
}

export interface PlanQuery {
  readonly since: Millis;
  readonly until: Millis;
  readonly points: number;
  readonly nowMs: Millis;
  /** Rows that each bucket costs to read. */
  readonly rowsPerBucket: number;
  readonly rowsMax: number;
}

/**
 * The coarsest tier that is as fine as the points are; else the finest that reaches back so far, a coarser one where
 * that would be too much to read.
 *
 * @returns null where even the coarsest is too much
 */
export function planOf({ since, until, points, nowMs, rowsPerBucket, rowsMax }: PlanQuery): Plan | null {
  const wantedMs = (until - since) / points;
  const tiers = TIERS.map((tier, at) => ({ ...tier, at })).filter(
    ({ keepMs }) => keepMs === null || since >= nowMs - keepMs - SLACK_MS,
  );
  const fitting = tiers.findLastIndex(({ bucketMs }) => bucketMs <= wantedMs);
  for (const { bucketMs, at } of tiers.slice(Math.max(0, fitting))) {
    if (((until - since) / bucketMs) * rowsPerBucket > rowsMax) continue;
    const stepMs = Math.max(1, Math.ceil(wantedMs / bucketMs)) * bucketMs;
    const startMs = Math.floor(since / stepMs) * stepMs;
    return { tier: at, stepMs, startMs, steps: Math.ceil((until - startMs) / stepMs) };
  }
  return null;
}
