/** Points in time → how many in each piece of a window. Pure. */

/** @returns the middle of each piece (ms), and the count in it; empty where the window is */
export function histogram(
  times: readonly number[],
  since: number,
  until: number,
  pieces: number,
): readonly [number[], number[]] {
  if (until <= since || since <= 0) return [[], []];
  const size = (until - since) / pieces;
  const counts = Array.from({ length: pieces }, () => 0);
  for (const time of times) {
    const index = Math.floor((time - since) / size);
    if (index >= 0 && index < pieces) counts[index] = (counts[index] ?? 0) + 1;
  }
  return [counts.map((_, index) => since + (index + 0.5) * size), counts];
}
