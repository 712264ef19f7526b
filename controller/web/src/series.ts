/** Many rows → what a page shows of them. Pure. */

/** In the order of their first. (Of the language itself, browsers of before 2024 have none.) */
export function groupBy<K, T>(rows: readonly T[], key: (row: T) => K): ReadonlyMap<K, readonly T[]> {
  const groups = new Map<K, T[]>();
  for (const row of rows) {
    const name = key(row);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [row]);
    else group.push(row);
  }
  return groups;
}

/** @returns of points in time, for each piece of a window: its middle (ms), and how many are in it; empty where the window is */
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
