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
  const cpu = a.topCpu >= b.topCpu ? a : b;
  const rss = a.topRss >= b.topRss ? a : b;
  return {
    ...overTime(a, b),
    hosts: Math.max(a.hosts, b.hosts),
    topCpu: cpu.topCpu,
    topCpuHost: cpu.topCpuHost,
    topRss: rss.topRss,
    topRssHost: rss.topRssHost,
  };
}

/** One host's share as that of a fleet. Its mean counts as its largest: peaks of hosts are not at the same moment. */
export function ofHost(host: string, cell: Cell): FleetCell {
  const { ms, cpu, rss, processes } = cell;
  const top = { topCpu: cpu, topCpuHost: host, topRss: rss, topRssHost: host };
  return { ms, cpu, cpuMax: cpu, rss, rssMax: rss, processes, hosts: 1, ...top };
}

/** Two shares of the same bucket. */
export function together(a: FleetCell, b: FleetCell): FleetCell {
  const cpu = a.topCpu >= b.topCpu ? a : b;
  const rss = a.topRss >= b.topRss ? a : b;
  return {
    ms: Math.max(a.ms, b.ms),
    cpu: a.cpu + b.cpu,
    cpuMax: a.cpuMax + b.cpuMax,
    rss: a.rss + b.rss,
    rssMax: a.rssMax + b.rssMax,
    processes: a.processes + b.processes,
    hosts: a.hosts + b.hosts,
    ...{ topCpu: cpu.topCpu, topCpuHost: cpu.topCpuHost, topRss: rss.topRss, topRssHost: rss.topRssHost },
  };
}

/** Puts one more into a map of them. */
export function join<K, C>(map: Map<K, C>, key: K, cell: C, merge: (a: C, b: C) => C): void {
  const before = map.get(key);
  map.set(key, before === undefined ? cell : merge(before, cell));
}
