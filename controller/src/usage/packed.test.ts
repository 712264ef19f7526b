import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Cell } from "./cell.ts";
import { type NumberedCell, packCells, packFleet, unpackCells, unpackFleet } from "./packed.ts";

const cell: Cell = { ms: 60_000, cpu: 12.34, cpuMax: 99, rss: 5_242_880, rssMax: 6_291_456, processes: 2.5 };
const fleet: NumberedCell = { ...cell, hosts: 900, topCpu: 8.01, topCpuHost: 7, topRss: 1024, topRssHost: 70_000 };

function cellsIn(bytes: Uint8Array, only: number | null = null): readonly (readonly [number, Cell])[] {
  const found: (readonly [number, Cell])[] = [];
  unpackCells(bytes, only, (id, one) => found.push([id, one]));
  return found;
}

describe("packed cells", () => {
  it("come back as they were, by id, all or one of them", () => {
    const bytes = packCells([
      [300, { ...cell, cpu: 0, cpuMax: 0 }],
      [0, cell],
      [7, { ...cell, processes: 0 }],
    ]);
    expect(cellsIn(bytes)).toEqual([
      [0, cell],
      [7, { ...cell, processes: 0 }],
      [300, { ...cell, cpu: 0, cpuMax: 0 }],
    ]);
    expect(cellsIn(bytes, 7)).toEqual([[7, { ...cell, processes: 0 }]]);
    expect(cellsIn(bytes, 8)).toEqual([]);
  });

  it("of the fleet name their hosts", () => {
    const found: (readonly [number, NumberedCell])[] = [];
    unpackFleet(
      packFleet([
        [31, fleet],
        [2, { ...fleet, hosts: 1 }],
      ]),
      31,
      (id, one) => found.push([id, one]),
    );
    expect(found).toEqual([[31, fleet]]);
  });

  it("are small: a watcher of a host in a dozen bytes", () => {
    const ids = Array.from({ length: 20 }, (_, i) => [i, cell] as const);
    expect(packCells(ids).length).toBeLessThan(20 * 13);
  });

  it("hold any number that there is, in hundredths, KiB and tenths", () => {
    const number = fc.nat({ max: 2 ** 40 });
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(), { minLength: 1 }), number, number, number, (ids, cpu, kib, tenths) => {
        const one = {
          ms: 1000,
          cpu: cpu / 100,
          cpuMax: cpu / 50,
          rss: kib * 1024,
          rssMax: kib * 2048,
          processes: tenths / 10,
        };
        const sorted = [...ids].sort((a, b) => a - b);
        expect(cellsIn(packCells(ids.map((id) => [id, one]))).map(([id]) => id)).toEqual(sorted);
        expect(cellsIn(packCells([[5, one]]))).toEqual([[5, one]]);
      }),
    );
  });

  it("of another format, cut off or of nothing hold nothing, and end", () => {
    const bytes = packCells([[1, cell]]);
    expect(cellsIn(Uint8Array.from([2, ...bytes.slice(1)]))).toEqual([]);
    expect(cellsIn(new Uint8Array())).toEqual([]);
    for (let length = 1; length < bytes.length; length++) expect(cellsIn(bytes.slice(0, length), 9)).toEqual([]);
  });
});
