/**
 * `npm run chaos` in small: three hosts for a little while, with the kinds of faults that are marked for it. The seed is always
 * the same, unless CHAOS_SEED says another.
 */
import { afterAll, expect, it } from "vitest";
import { report } from "../chaos/report.ts";
import { chaosRun } from "../chaos/run.ts";
import { assertNoLeaks } from "../support/leaks.ts";

afterAll(() => assertNoLeaks());

it("a fleet in trouble loses no request, line or event, and is whole afterwards", { timeout: 600_000 }, async () => {
  const seed = Number(process.env["CHAOS_SEED"] ?? 1);
  const options = { seed, lengthMs: 40_000, isShort: true, hosts: 3, controllers: 2 };
  const outcome = await chaosRun(options, (line) => console.log(line));
  console.log(report(options, outcome));
  expect(outcome.violations).toEqual([]);
});
