import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compare, type Entry, follow, insert, isHostOp, LAST_SEQ, OPS, type Op, type Row } from "./intervals.ts";

function entry(epoch: number, seq: number, op: Op, time: number, fleetSeq = 0): Entry {
  return { position: { epoch, seq, fleetEpoch: fleetSeq === 0 ? 0 : 1, fleetSeq }, op, time, actor: null, cause: null };
}

/** All entries at once, sorted: what the incremental way must equal. */
function recompute(entries: readonly Entry[]): Row[] {
  const rows: Row[] = [];
  for (const next of [...entries].sort((a, b) => compare(a.position, b.position))) {
    const row = follow(rows.at(-1) ?? null, next);
    if (row === null) continue;
    const last = rows.at(-1);
    if (last !== undefined) rows[rows.length - 1] = { ...last, to: row.from };
    rows.push(row);
  }
  return rows;
}

/** The store's way: own entries and the host's, one by one, in the order of their arrival. */
class Life {
  rows: Row[] = [];
  readonly #hostEntries: Entry[] = [];

  take(next: Entry): void {
    if (isHostOp(next.op)) {
      this.#hostEntries.push(next);
      this.#hostEntries.sort((a, b) => compare(a.position, b.position));
      const first = this.rows[0];
      if (first === undefined || compare(next.position, first.position) < 0) return;
      this.#insert([next]);
      return;
    }
    const first = this.rows[0];
    const isFirst = first === undefined || compare(next.position, first.position) < 0;
    const between = this.#hostEntries.filter(
      ({ position }) =>
        compare(position, next.position) > 0 && (first === undefined || compare(position, first.position) < 0),
    );
    this.#insert(isFirst ? [next, ...between] : [next]);
  }

  #insert(entries: readonly Entry[]): void {
    const at = this.rows.findIndex((row) => compare(row.position, entries[0]!.position) > 0);
    const index = at < 0 ? this.rows.length : at;
    for (const row of insert(this.rows[index - 1] ?? null, entries, this.rows.slice(index))) {
      const same = this.rows.findIndex((old) => compare(old.position, row.position) === 0);
      if (same >= 0) this.rows[same] = row;
      else this.rows.push(row);
    }
    this.rows.sort((a, b) => compare(a.position, b.position));
  }
}

function shown(rows: readonly Row[]): (readonly [string, number, number | null])[] {
  return rows.filter((row) => row.to !== row.from).map((row) => [row.state, row.from, row.to] as const);
}

const anyEntry = fc
  .record({
    epoch: fc.integer({ min: 1, max: 3 }),
    seq: fc.integer({ min: 1, max: 8 }),
    op: fc.constantFrom(...OPS),
    time: fc.integer({ min: 0, max: 30 }),
    fleetSeq: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ epoch, seq, op, time, fleetSeq }) =>
    entry(epoch, seq, op, time, op === "lost" || op === "back" ? fleetSeq : 0),
  );
const anyEntries = fc.uniqueArray(anyEntry, {
  maxLength: 25,
  comparator: (a, b) => compare(a.position, b.position) === 0,
});

describe("intervals", () => {
  it("are a function of the sorted transitions, in whatever order they arrive", () => {
    fc.assert(
      fc.property(anyEntries, fc.infiniteStream(fc.nat()), (entries, chance) => {
        const arrival = entries
          .map((value) => [chance.next().value, value] as const)
          .sort(([a], [b]) => a - b)
          .map(([, value]) => value);
        const life = new Life();
        for (const next of arrival) life.take(next);
        expect(life.rows).toEqual(recompute(entries));
      }),
      { numRuns: 500 },
    );
  });

  it("touch each other, never overlap, and only the last one is open", () => {
    fc.assert(
      fc.property(anyEntries, (entries) => {
        const rows = recompute(entries);
        for (const [i, row] of rows.entries()) {
          expect(row.to).toBe(rows[i + 1]?.from ?? null);
          if (row.to !== null) expect(row.to).toBeGreaterThanOrEqual(row.from);
        }
      }),
    );
  });

  it("show a lost host's watchers as unknown until it is heard again in the same epoch", () => {
    const rows = recompute([entry(1, 1, "active", 10), entry(1, 1, "lost", 100, 1), entry(1, 1, "back", 160, 2)]);
    expect(shown(rows)).toEqual([
      ["active", 10, 100],
      ["unknown", 100, 160],
      ["active", 160, null],
    ]);
  });

  it("let an event of the silent time split it", () => {
    const life = new Life();
    for (const next of [
      entry(1, 1, "active", 10),
      entry(1, 1, "lost", 100, 1),
      entry(1, 2, "back", 160, 2), // heard with one event more
      entry(1, 2, "stopped", 130), // which arrives now
    ]) {
      life.take(next);
    }
    expect(shown(life.rows)).toEqual([
      ["active", 10, 100],
      ["unknown", 100, 130],
      ["stopped", 130, 160],
      ["stopped", 160, null],
    ]);
  });

  it("call the time between the last sign of a life that ended without a goodbye and the next life unknown", () => {
    expect(
      shown(recompute([entry(1, 1, "active", 10), entry(1, LAST_SEQ, "lost", 50), entry(2, 1, "fresh", 90)])),
    ).toEqual([
      ["active", 10, 50],
      ["unknown", 50, 90],
      ["stopped", 90, null],
    ]);
    expect(
      shown(
        recompute([
          entry(1, 1, "active", 10),
          entry(1, 2, "gone", 50),
          entry(1, LAST_SEQ, "lost", 50),
          entry(2, 1, "fresh", 90),
        ]),
      ),
    ).toEqual(
      [
        ["stopped", 50, 90],
        ["stopped", 90, null],
      ].toSpliced(0, 0, ["active", 10, 50]),
    );
  });

  it("do not restore what was known of another epoch", () => {
    expect(shown(recompute([entry(1, 1, "active", 10), entry(2, 5, "back", 20, 1)]))).toEqual([
      ["active", 10, 20],
      ["unknown", 20, null],
    ]);
  });

  it("keep the sequence when the host's clock is set back", () => {
    const rows = recompute([entry(1, 1, "active", 1000), entry(1, 2, "stopping", 400), entry(1, 3, "stopped", 410)]);
    expect(rows.at(-1)).toMatchObject({ state: "stopped", from: 1000, to: null });
  });

  it("say nothing of a watcher before its own first event", () => {
    expect(recompute([entry(1, 1, "fresh", 5), entry(1, 1, "lost", 7, 1)])).toEqual([]);
  });
});
