import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Mark, marked, NO_MARK, sight } from "./watermarks.ts";

function run(seqs: readonly number[], start: Mark = NO_MARK): { taken: number[]; mark: Mark } {
  const taken: number[] = [];
  let mark = start;
  for (const seq of seqs) {
    const sighting = sight(mark, seq);
    if (sighting.kind !== "seen") taken.push(seq);
    mark = marked(mark, sighting);
  }
  return { taken, mark };
}

function missing(mark: Mark): number[] {
  return mark.gaps.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
}

describe("watermarks", () => {
  it("take each seq once in any order with repeats, and know exactly what is missing", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 200 }), (seqs) => {
        const { taken, mark } = run(seqs);
        expect([...taken].sort((a, b) => a - b)).toEqual([...new Set(seqs)].sort((a, b) => a - b));
        const last = Math.max(0, ...seqs);
        expect(mark.last).toBe(last);
        const all = Array.from({ length: last }, (_, i) => i + 1);
        expect(missing(mark)).toEqual(all.filter((seq) => !seqs.includes(seq)));
        for (let i = 1; i < mark.gaps.length; i++) expect(mark.gaps[i]!.from).toBeGreaterThan(mark.gaps[i - 1]!.to + 1);
      }),
    );
  });

  it("continue from a stored mark as if nothing had happened: batches are redone after a crash", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 120 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 20 }),
        (seqs, crashes) => {
          // A crash loses what was not committed: the mark of the last commit stands, its messages come again.
          const taken: number[] = [];
          let mark = NO_MARK;
          let at = 0;
          for (const size of [...crashes, seqs.length]) {
            const committed = run(seqs.slice(at, at + size), mark);
            run(seqs.slice(at + size, at + size + 3), committed.mark); // taken but never committed
            taken.push(...committed.taken);
            mark = committed.mark;
            at += size;
          }
          expect([...taken].sort((a, b) => a - b)).toEqual([...new Set(seqs)].sort((a, b) => a - b));
        },
      ),
    );
  });

  it("fill a range from its ends and its middle", () => {
    const mark: Mark = { last: 9, gaps: [{ from: 3, to: 7 }] };
    expect(sight(mark, 5)).toEqual({
      kind: "late",
      filled: { from: 3, to: 7 },
      rest: [
        { from: 3, to: 4 },
        { from: 6, to: 7 },
      ],
    });
    expect(sight(mark, 3)).toMatchObject({ rest: [{ from: 4, to: 7 }] });
    expect(sight(mark, 7)).toMatchObject({ rest: [{ from: 3, to: 6 }] });
    expect(sight(mark, 8)).toEqual({ kind: "seen" });
    expect(sight(mark, 10)).toEqual({ kind: "new", last: 10 });
    expect(sight(mark, 12)).toEqual({ kind: "gap", last: 12, missing: { from: 10, to: 11 } });
  });
});
