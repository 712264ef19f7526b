/**
 * Cells as bytes: numbers of seven bits a byte, the lowest first, as long as the highest bit says. A cell of a watcher
 * is about 12 bytes. Pure.
 *
 * Kept are hundredths of a per cent, KiB, tenths of a process, whole seconds; ids grow, so that their differences are
 * small. A block begins with its format.
 */
import type { Cell, FleetCell } from "./cell.ts";

const FORMAT = 1;
const KIB = 1024;
/** Numbers after the id. */
const CELL = 6;
const FLEET = 5;

/** A fleet's cell with the numbers of its hosts. */
export type NumberedCell = Omit<FleetCell, "topCpuHost" | "topRssHost"> & {
  readonly topCpuHost: number;
  readonly topRssHost: number;
};

/** @param cells ids in any order, none twice */
export function packCells(cells: readonly (readonly [id: number, cell: Cell])[]): Uint8Array {
  return pack(cells.map(([id, cell]) => [id, numbersOf(cell)]));
}

export function packFleet(cells: readonly (readonly [id: number, cell: NumberedCell])[]): Uint8Array {
  return pack(
    cells.map(([id, cell]) => {
      const { hosts, topCpu, topCpuHost, topRss, topRssHost } = cell;
      return [id, [...numbersOf(cell), hosts, hundredths(topCpu), topCpuHost, Math.round(topRss / KIB), topRssHost]];
    }),
  );
}

/** @param only the id that is wanted; null: all. Bytes of another format hold nothing. */
export function unpackCells(bytes: Uint8Array, only: number | null, see: (id: number, cell: Cell) => void): void {
  unpack(bytes, CELL, only, (id, n) => see(id, cellOf(n)));
}

export function unpackFleet(
  bytes: Uint8Array,
  only: number | null,
  see: (id: number, cell: NumberedCell) => void,
): void {
  unpack(bytes, CELL + FLEET, only, (id, n) => {
    const [hosts = 0, topCpu = 0, topCpuHost = 0, topRss = 0, topRssHost = 0] = n.slice(CELL);
    see(id, { ...cellOf(n), hosts, topCpu: topCpu / 100, topCpuHost, topRss: topRss * KIB, topRssHost });
  });
}

function hundredths(percent: number): number {
  return Math.round(percent * 100);
}

function numbersOf({ ms, cpu, cpuMax, rss, rssMax, processes }: Cell): readonly number[] {
  const mean = hundredths(cpu);
  const bytes = Math.round(rss / KIB);
  return [
    Math.ceil(ms / 1000),
    mean,
    Math.max(0, hundredths(cpuMax) - mean),
    bytes,
    Math.max(0, Math.round(rssMax / KIB) - bytes),
    Math.round(processes * 10),
  ];
}

function cellOf([s = 0, cpu = 0, cpuMore = 0, rss = 0, rssMore = 0, processes = 0]: readonly number[]): Cell {
  return {
    ms: s * 1000,
    cpu: cpu / 100,
    cpuMax: (cpu + cpuMore) / 100,
    rss: rss * KIB,
    rssMax: (rss + rssMore) * KIB,
    processes: processes / 10,
  };
}

function pack(rows: readonly (readonly [id: number, numbers: readonly number[]])[]): Uint8Array {
  const bytes: number[] = [FORMAT];
  let last = 0;
  for (const [id, numbers] of [...rows].sort(([a], [b]) => a - b)) {
    put(bytes, id - last);
    last = id;
    for (const number of numbers) put(bytes, number);
  }
  return Uint8Array.from(bytes);
}

/** Above 32 bits shifts would cut. */
function put(bytes: number[], number: number): void {
  let rest = number;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
}

function unpack(
  bytes: Uint8Array,
  count: number,
  only: number | null,
  see: (id: number, numbers: readonly number[]) => void,
): void {
  if (bytes[0] !== FORMAT) return;
  let at = 1;
  const take = (): number => {
    let number = 0;
    let factor = 1;
    for (;;) {
      const byte = bytes[at++] ?? 0;
      number += (byte & 0x7f) * factor;
      if (byte < 0x80) return number;
      factor *= 0x80;
    }
  };
  let id = 0;
  while (at < bytes.length) {
    id += take();
    if (only !== null && id > only) return;
    if (only !== null && id !== only) {
      for (let skipped = 0; skipped < count; at++) if ((bytes[at] ?? 0) < 0x80) skipped++;
      continue;
    }
    see(id, Array.from({ length: count }, take));
  }
}
