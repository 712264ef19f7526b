/**
 * What one watcher used in one bucket of time, and how buckets and hosts become one. Pure.
 *
 * Means are over the time that was told of (`ms`), so that half a bucket says as much as a whole one; what nobody told
 * of is no cell at all.
 */

export interface Cell {
  /** Told of, within the bucket. */
  readonly ms: number;
  /** Per cent of one processor: mean and largest. */
  readonly cpu: number;
  readonly cpuMax: number;
  /** Resident bytes. */
  readonly rss: number;
  readonly rssMax: number;
  readonly processes: number;
}

/** The same watcher on several hosts: sums, and the host that had most. */
export interface FleetCell extends Cell {
  readonly hosts: number;
  readonly topCpu: number;
  readonly topCpuHost: string;
  readonly topRss: number;
  readonly topRssHost: string;
}

/** Stands for all watchers together: no watcher has this name. */
export const ALL = "";

/** Two times of the same: the means by their lengths. */
export function overTime(a: Cell, b: Cell): Cell {
  const ms = a.ms + b.ms;
  const mean = (x: number, y: number): number => (x * a.ms + y * b.ms) / ms;
  return {
    ms,
    cpu: mean(a.cpu, b.cpu),
    cpuMax: Math.max(a.cpuMax, b.cpuMax),
    rss: mean(a.rss, b.rss),
    rssMax: Math.max(a.rssMax, b.rssMax),
    processes: mean(a.processes, b.processes),
  };
}

export function fleetOverTime(a: FleetCell, b: FleetCell): FleetCell {
  return { ...overTime(a, b), hosts: Math.max(a.hosts, b.hosts), ...topOf(a, b) };
}

/** One host's share as that of a fleet. */
export function ofHost(host: string, cell: Cell): FleetCell {
  const { cpuMax, rssMax } = cell;
  return { ...cell, hosts: 1, topCpu: cpuMax, topCpuHost: host, topRss: rssMax, topRssHost: host };
}

/** Two shares of the same bucket. Their peaks need not be at the same moment: what is known is that it was so much. */
export function together(a: FleetCell, b: FleetCell): FleetCell {
  return {
    ms: Math.max(a.ms, b.ms),
    cpu: a.cpu + b.cpu,
    cpuMax: Math.max(a.cpu + b.cpu, a.cpuMax, b.cpuMax),
    rss: a.rss + b.rss,
    rssMax: Math.max(a.rss + b.rss, a.rssMax, b.rssMax),
    processes: a.processes + b.processes,
    hosts: a.hosts + b.hosts,
    ...topOf(a, b),
  };
}

function topOf(a: FleetCell, b: FleetCell): Pick<FleetCell, "topCpu" | "topCpuHost" | "topRss" | "topRssHost"> {
  const { topCpu, topCpuHost } = a.topCpu >= b.topCpu ? a : b;
  const { topRss, topRssHost } = a.topRss >= b.topRss ? a : b;
  return { topCpu, topCpuHost, topRss, topRssHost };
}

/** Puts one more into a map of them. */
export function join<K, C>(map: Map<K, C>, key: K, cell: C, merge: (a: C, b: C) => C): void {
  const before = map.get(key);
  map.set(key, before === undefined ? cell : merge(before, cell));
}
