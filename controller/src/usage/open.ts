/**
 * Buckets that may still grow, in memory. A report tells of the time up to its arrival, and so of parts of two or more
 * buckets: hosts that report every minute or so leave no bucket of a minute empty. Pure.
 */
import type { HostName, Millis, UsageReport } from "@circus-cluster/proto";
import { ALL, type Cell, type FleetCell, join, ofHost, overTime, together } from "./cell.ts";

/** Of one host, by watcher; with {@link ALL}. */
export type HostCells = ReadonlyMap<string, Cell>;
export type FleetCells = ReadonlyMap<string, FleetCell>;

/** By host. */
export type Bucket = ReadonlyMap<string, HostCells>;

/** What one host uses, by its last report. */
export interface HostNow {
  /** Wall ms of its arrival. */
  readonly at: Millis;
  readonly watchers: HostCells;
}

/** More than any machine has: what is above comes from a broken clock. */
const CPU_MAX = 100 * 65_536;

/** Closed buckets that cannot be stored; beyond that the oldest are given up. */
const CLOSED_MAX = 10;

/** A report as cells of its whole span. */
export function cellsOf({ span, watchers }: UsageReport): HostCells {
  const cells = new Map<string, Cell>();
  for (const [name, cpuMs, rss, processes] of watchers) {
    const cpu = Math.min(CPU_MAX, (cpuMs / span) * 100);
    cells.set(name, { ms: span, cpu, cpuMax: cpu, rss, rssMax: rss, processes });
  }
  const all = { ms: span, cpu: 0, cpuMax: 0, rss: 0, rssMax: 0, processes: 0 };
  for (const { cpu, rss, processes } of cells.values()) {
    all.cpu += cpu;
    all.rss += rss;
    all.processes += processes;
  }
  return cells.set(ALL, { ...all, cpuMax: all.cpu, rssMax: all.rss });
}

/** The same of all hosts together. */
export function fleetOf(bucket: Iterable<readonly [host: string, cells: HostCells]>): FleetCells {
  const fleet = new Map<string, FleetCell>();
  for (const [host, cells] of bucket) {
    for (const [watcher, cell] of cells) join(fleet, watcher, ofHost(host, cell), together);
  }
  return fleet;
}

export class OpenBuckets {
  readonly #bucketMs: Millis;
  /** What is stored of a bucket already, by a life of this controller that ended meanwhile. */
  readonly #stored: (startMs: Millis) => Bucket;
  /** By their beginnings. */
  readonly #buckets = new Map<Millis, Map<string, Map<string, Cell>>>();
  /** Buckets before this are closed. */
  #openFrom: Millis;

  constructor(bucketMs: Millis, nowMs: Millis, graceMs: Millis, stored: (startMs: Millis) => Bucket) {
    this.#bucketMs = bucketMs;
    this.#stored = stored;
    this.#openFrom = this.#startOf(nowMs - graceMs);
  }

  /** What begins before this is closed. It goes back only where the clock does; what is stored then grows again. */
  get openFrom(): Millis {
    return this.#openFrom;
  }

  /** Takes what a host used in the time before `atMs`. */
  add(host: HostName, atMs: Millis, spanMs: Millis, cells: HostCells): void {
    const fromMs = Math.max(atMs - spanMs, this.#openFrom);
    for (let startMs = this.#startOf(fromMs); startMs < atMs; startMs += this.#bucketMs) {
      const ms = Math.min(atMs, startMs + this.#bucketMs) - Math.max(fromMs, startMs);
      if (ms <= 0) continue;
      const bucket = this.#open(startMs);
      const known = bucket.get(host) ?? new Map<string, Cell>();
      bucket.set(host, known);
      for (const [watcher, cell] of cells) join(known, watcher, { ...cell, ms }, overTime);
    }
  }

  /** @returns what is known so far; empty: nothing */
  get(startMs: Millis): Bucket {
    return this.#buckets.get(startMs) ?? new Map();
  }

  /** Closes what ended before `beforeMs`. @returns it and what was closed and not forgotten before, oldest first */
  close(beforeMs: Millis): readonly (readonly [startMs: Millis, bucket: Bucket])[] {
    this.#openFrom = this.#startOf(beforeMs);
    const closed = [...this.#buckets].filter(([startMs]) => startMs < this.#openFrom).sort(([a], [b]) => a - b);
    for (const [startMs] of closed.slice(0, -CLOSED_MAX)) this.#buckets.delete(startMs);
    return closed.slice(-CLOSED_MAX);
  }

  /** It is stored. */
  forget(startMs: Millis): void {
    this.#buckets.delete(startMs);
  }

  #open(startMs: Millis): Map<string, Map<string, Cell>> {
    let bucket = this.#buckets.get(startMs);
    if (bucket === undefined) {
      bucket = new Map([...this.#stored(startMs)].map(([host, cells]) => [host, new Map(cells)]));
      this.#buckets.set(startMs, bucket);
    }
    return bucket;
  }

  #startOf(ms: Millis): Millis {
    return Math.floor(ms / this.#bucketMs) * this.#bucketMs;
  }
}
