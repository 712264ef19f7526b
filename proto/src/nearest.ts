/** "Did you mean …?": the known word that a mistyped one was meant to be. Pure. */

const WORD_MAX = 64;

/** Letters that may be wrong: one in a short word, three in a long one. */
function toleranceOf(word: string): number {
  return word.length < 4 ? 1 : word.length < 12 ? 2 : 3;
}

/** Null where none is near. Case does not count; of two as near, one as long wins: letters are swapped more often than lost. */
export function nearest(word: string, known: readonly string[]): string | null {
  if (word === "" || word.length > WORD_MAX) return null;
  const lower = word.toLowerCase();
  let best: string | null = null;
  let least = toleranceOf(word) + 0.75;
  for (const candidate of known) {
    if (Math.abs(candidate.length - lower.length) >= least) continue;
    const cost = distance(lower, candidate.toLowerCase()) + (candidate.length === word.length ? 0 : 0.5);
    if (cost < least) [best, least] = [candidate, cost];
  }
  return best;
}

/** How many letters have to be changed, added, dropped or swapped with their neighbour. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (isSame ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
