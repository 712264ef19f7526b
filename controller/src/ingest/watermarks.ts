/**
 * Exactly once, without an index over all events (design §5): per (host, epoch) the highest seq seen, and the
 * ranges below it that are missing. Pure. The union of the two says of every seq whether it was taken before.
 */

/** Both ends included. */
export interface SeqRange {
  readonly from: number;
  readonly to: number;
}

/** What is known of one (host, epoch). */
export interface Mark {
  /** Highest seq seen; 0: none. */
  readonly last: number;
  /** Missing below `last`: sorted, disjoint, never adjacent. */
  readonly gaps: readonly SeqRange[];
}

export const NO_MARK: Mark = { last: 0, gaps: [] };

/** What one seq means; everything but `seen` is to be taken. */
export type Sighting =
  /** Taken before: a repeat of the stream or of the agent. */
  | { readonly kind: "seen" }
  /** The next in order. */
  | { readonly kind: "new"; readonly last: number }
  /** Further ahead than the next: what lies between is missing from now on. */
  | { readonly kind: "gap"; readonly last: number; readonly missing: SeqRange }
  /** One that was missing: `filled` gives way to `rest` (none, one or two ranges). */
  | { readonly kind: "late"; readonly filled: SeqRange; readonly rest: readonly SeqRange[] };

/** @param seq from 1 */
export function sight(mark: Mark, seq: number): Sighting {
  if (seq === mark.last + 1) return { kind: "new", last: seq };
  if (seq > mark.last) return { kind: "gap", last: seq, missing: { from: mark.last + 1, to: seq - 1 } };
  const filled = gapAround(mark.gaps, seq);
  if (filled === null) return { kind: "seen" };
  const rest = [
    { from: filled.from, to: seq - 1 },
    { from: seq + 1, to: filled.to },
  ].filter((range) => range.from <= range.to);
  return { kind: "late", filled, rest };
}

/** The mark after this sighting. */
export function marked(mark: Mark, sighting: Sighting): Mark {
  switch (sighting.kind) {
    case "seen":
      return mark;
    case "new":
      return { last: sighting.last, gaps: mark.gaps };
    case "gap":
      return { last: sighting.last, gaps: [...mark.gaps, sighting.missing] };
    case "late":
      return {
        last: mark.last,
        gaps: mark.gaps.flatMap((gap) => (gap.from === sighting.filled.from ? sighting.rest : [gap])),
      };
    default:
      return sighting satisfies never;
  }
}

/** The range that holds `seq`, by bisection: a host may have many after a bad night. */
function gapAround(gaps: readonly SeqRange[], seq: number): SeqRange | null {
  let low = 0;
  let high = gaps.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const gap = gaps[middle];
    if (gap === undefined) return null;
    if (seq < gap.from) high = middle - 1;
    else if (seq > gap.to) low = middle + 1;
    else return gap;
  }
  return null;
}
