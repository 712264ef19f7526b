import { describe, expect, it } from "vitest";
import { planOf } from "./tiers.ts";

const [MINUTE, HOUR] = [60_000, 3_600_000];
const DAY = 24 * HOUR;
/** Just after a full hour, so that windows begin within a bucket. */
const NOW = Date.UTC(2026, 10, 26, 14, 0, 7);

const plan = (spanMs: number, more: Partial<Parameters<typeof planOf>[0]> = {}) =>
  planOf({
    ...{ since: NOW - spanMs, until: NOW, points: 120, nowMs: NOW, rowsPerBucket: 1, rowsMax: 30_000 },
    ...more,
  });

describe("planOf", () => {
  it("answers the last hour by the minute, a day by the quarter of an hour, a week by hours and a half", () => {
    expect(plan(HOUR)).toMatchObject({ tier: 0, stepMs: MINUTE, steps: 61 });
    expect(plan(6 * HOUR)).toMatchObject({ tier: 0, stepMs: 3 * MINUTE });
    expect(plan(DAY)).toMatchObject({ tier: 1, stepMs: 15 * MINUTE, steps: 97 });
    expect(plan(7 * DAY)).toMatchObject({ tier: 1, stepMs: 90 * MINUTE });
    expect(plan(30 * DAY)).toMatchObject({ tier: 2, stepMs: 6 * HOUR });
  });

  it("begins where a bucket does, so that the first is whole", () => {
    expect(plan(HOUR)?.startMs).toBe(Date.UTC(2026, 10, 26, 13, 0, 0));
    expect(plan(DAY)?.startMs).toBe(Date.UTC(2026, 10, 25, 14, 0, 0));
  });

  it("takes what still reaches back so far", () => {
    const anHourOfYesterday = { since: NOW - DAY, until: NOW - DAY + HOUR };
    expect(plan(0, anHourOfYesterday)).toMatchObject({ tier: 1, stepMs: 15 * MINUTE });
    const anHourOfLastMonth = { since: NOW - 20 * DAY, until: NOW - 20 * DAY + HOUR };
    expect(plan(0, anHourOfLastMonth)).toMatchObject({ tier: 2, stepMs: 2 * HOUR });
  });

  it("takes a coarser one where a finer is too much to read, and none where all are", () => {
    expect(plan(DAY, { rowsPerBucket: 1000 })).toMatchObject({ tier: 2, stepMs: 2 * HOUR, steps: 13 });
    expect(plan(30 * DAY, { rowsPerBucket: 1000 })).toBeNull();
  });
});
