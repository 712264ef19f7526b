/** Two texts compared line by line, as `diff -u` shows it. Pure. */

/** Lines before and after a change that are shown with it. */
const CONTEXT = 3;
/** Changed lines up to which the least of them is looked for; beyond, all between the first and last change is replaced. */
const EDITS_MAX = 800;

type Edit = " " | "-" | "+";
interface Line {
  readonly edit: Edit;
  readonly text: string;
}

function linesOf(text: string): readonly string[] {
  const lines = text.split(/\r\n|\n|\r/);
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

/** @returns `@@ -1,3 +1,4 @@` and lines that begin with a blank, `-` or `+`; nothing where the texts are the same */
export function unifiedDiff(before: string, after: string): readonly string[] {
  const edits = compare(linesOf(before), linesOf(after));
  const shown: string[] = [];
  for (const [from, to] of hunks(edits)) {
    const count = (part: readonly Line[], without: Edit): number => part.filter(({ edit }) => edit !== without).length;
    const [head, hunk] = [edits.slice(0, from), edits.slice(from, to)];
    const place = (without: Edit): string => {
      const length = count(hunk, without);
      return `${count(head, without) + (length === 0 ? 0 : 1)},${length}`;
    };
    shown.push(`@@ -${place("+")} +${place("-")} @@`, ...hunk.map(({ edit, text }) => edit + text));
  }
  return shown;
}

/** Where each begins and ends, in lines of the edits; changes that are near are in one. */
function hunks(edits: readonly Line[]): readonly (readonly [number, number])[] {
  const found: [number, number][] = [];
  for (const [at, { edit }] of edits.entries()) {
    if (edit === " ") continue;
    const last = found.at(-1);
    const to = Math.min(edits.length, at + 1 + CONTEXT);
    if (last !== undefined && at - CONTEXT <= last[1]) last[1] = to;
    else found.push([Math.max(0, at - CONTEXT), to]);
  }
  return found;
}

function compare(a: readonly string[], b: readonly string[]): readonly Line[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const same = (lines: readonly string[]): Line[] => lines.map((text) => ({ edit: " ", text }));
  const middle = least(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return [...same(a.slice(0, start)), ...middle, ...same(a.slice(a.length - end))];
}

/** Myers' greedy algorithm: the furthest that each diagonal comes with one edit more, until both texts are at their end. */
function least(a: readonly string[], b: readonly string[]): readonly Line[] {
  const rounds: Map<number, number>[] = [];
  let furthest = new Map([[1, 0]]);
  for (let edits = 0; edits <= Math.min(a.length + b.length, EDITS_MAX); edits++) {
    rounds.push(furthest);
    const next = new Map<number, number>();
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = isDown(furthest, diagonal, edits)
        ? (furthest.get(diagonal + 1) ?? 0)
        : (furthest.get(diagonal - 1) ?? 0) + 1;
      while (x < a.length && x - diagonal < b.length && a[x] === b[x - diagonal]) x++;
      next.set(diagonal, x);
      if (x >= a.length && x - diagonal >= b.length) return trace(a, b, rounds);
    }
    furthest = next;
  }
  return [...a.map((text): Line => ({ edit: "-", text })), ...b.map((text): Line => ({ edit: "+", text }))];
}

/** Is this diagonal reached by a line that is added, rather than removed? */
function isDown(furthest: ReadonlyMap<number, number>, diagonal: number, edits: number): boolean {
  if (diagonal === -edits) return true;
  return diagonal !== edits && (furthest.get(diagonal - 1) ?? 0) < (furthest.get(diagonal + 1) ?? 0);
}

/** The way back from the end. */
function trace(a: readonly string[], b: readonly string[], rounds: readonly ReadonlyMap<number, number>[]): Line[] {
  const lines: Line[] = [];
  let [x, y] = [a.length, b.length];
  for (let edits = rounds.length - 1; edits >= 0; edits--) {
    const furthest = rounds[edits] ?? new Map<number, number>();
    const diagonal = x - y;
    const from = isDown(furthest, diagonal, edits) ? diagonal + 1 : diagonal - 1;
    const fromX = furthest.get(from) ?? 0;
    const fromY = fromX - from;
    while (x > Math.max(0, fromX) && y > Math.max(0, fromY) && a[x - 1] === b[y - 1]) {
      lines.push({ edit: " ", text: a[--x] ?? "" });
      y--;
    }
    if (edits === 0) break;
    if (x === fromX) lines.push({ edit: "+", text: b[--y] ?? "" });
    else lines.push({ edit: "-", text: a[--x] ?? "" });
  }
  return lines.reverse();
}
