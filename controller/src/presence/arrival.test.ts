import { expect, it } from "vitest";
import { type Arrival, arrive } from "./arrival.ts";

/** @param beats when each was sent by the host's clock, and came by ours */
function late(beats: readonly (readonly [sent: number, came: number])[]): readonly number[] {
  let arrival: Arrival | null = null;
  return beats.map(([sent, came]) => {
    arrival = arrive(arrival, came - sent, 5000, came);
    return arrival.lateMs;
  });
}

it("finds nothing late on a line that is only a little uneven, whatever the host's clock says", () => {
  expect(
    late([
      [105_000, 5000],
      [110_000, 10_010],
      [115_000, 15_000],
      [120_000, 20_020],
    ]),
  ).toEqual([0, 10, 0, 20]);
});

it("knows when those were sent that come together after a cut, and the next one as of now", () => {
  const cut = [
    [10_000, 10_000],
    [15_000, 32_000],
    [20_000, 32_001],
    [30_000, 32_002],
    [35_000, 35_000],
  ] as const;
  expect(late(cut)).toEqual([0, 17_000, 12_001, 2002, 0]);
});

it("takes a clock that was set back for that at the second beat, and calls nobody silent for it", () => {
  const set = [
    [100_000, 10_000],
    [5000, 15_000],
    [10_000, 20_000],
    [15_000, 25_000],
  ] as const;
  expect(late(set)).toEqual([0, 5000, 0, 0]);
  // Set forward: that is quicker than ever.
  expect(
    late([
      [10_000, 10_000],
      [99_000, 15_000],
      [104_000, 20_000],
    ]),
  ).toEqual([0, 0, 0]);
});

it("gets used to a line that has become slow", () => {
  expect(
    late([
      [0, 0],
      [5000, 7000],
      [10_000, 12_000],
      [15_000, 17_000],
    ]),
  ).toEqual([0, 2000, 0, 0]);
});
