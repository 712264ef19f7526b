/** The question `usage`: buckets of the tiers, those in memory too, as series with a place for each step. */
import {
  CircusError,
  type Millis,
  meanOf,
  type UsageAnswer,
  type UsageNow,
  type UsageQuery,
  type UsageRow,
  type UsageSeries,
} from "@circus-cluster/proto";
import { ALL, type Cell, type FleetCell, fleetOverTime, join, ofHost, together } from "./cell.ts";
import { type Bucket, fleetOf, type HostCells, type HostNow, type OpenBuckets } from "./open.ts";
import { wholeTo } from "./roll-up.ts";
import type { UsageStore } from "./store.ts";
import { planOf, TIERS } from "./tiers.ts";

/** Rows that one answer may read: a few tenths of a second. */
const ROWS_MAX = 30_000;
/** From one report to the next, at most. */
const NEXT_MS = 75_000;
/** With more hosts than this one look at a whole bucket is cheaper. */
const ONE_BY_ONE_MAX = 100;

export interface UsageSource {
  readonly store: UsageStore;
  readonly open: Pick<OpenBuckets, "get" | "openFrom">;
  now(): ReadonlyMap<string, HostNow>;
}

/** Which bucket: its tier and its beginning. */
type Place = readonly [tier: number, startMs: Millis];

type Steps = (FleetCell | undefined)[];

/** @throws CircusError where it asks for too much at once */
export function usageAnswer(source: UsageSource, query: UsageQuery, nowMs: Millis): UsageAnswer {
  const { store } = source;
  const { by, watcher, since, until, points, limit } = query;
  const ofFleet = by === "watcher" ? store.shardCount : by === "none" ? 1 : 1 + store.hostCount;
  const rowsPerBucket = query.hosts?.length ?? ofFleet;
  const plan = planOf({ since, until, points, nowMs, rowsPerBucket, rowsMax: ROWS_MAX });
  if (plan === null) throw new CircusError("message", "too much at once: name fewer hosts, or a shorter time");
  const { stepMs, startMs, steps } = plan;
  const total: Steps = Array.from({ length: steps });
  const rows = new Map<string, Steps>();
  const whole = watcher ?? ALL;
  for (const place of bucketsOf(store, plan.tier, startMs, until)) {
    const step = Math.floor((place[1] - startMs) / stepMs);
    const put = (into: Steps, cell: FleetCell): void => {
      const before = into[step];
      into[step] = before === undefined ? cell : fleetOverTime(before, cell);
    };
    const putRow = (name: string, cell: FleetCell): void => {
      const row = rows.get(name) ?? Array.from({ length: steps });
      rows.set(name, row);
      put(row, cell);
    };
    const wanted = by === "watcher" ? watcher : whole;
    if (query.hosts === null) {
      for (const [name, cell] of fleetCells(source, place, wanted, nowMs)) {
        if (name === whole) put(total, cell);
        if (by === "watcher" && name !== ALL) putRow(name, cell);
      }
      if (by !== "host") continue;
    }
    const sums = new Map<string, FleetCell>();
    for (const [host, cells] of hostCells(source, place, query.hosts, wanted, nowMs)) {
      for (const [name, cell] of cells) {
        join(sums, name, ofHost(host, cell), together);
        if (by === "host" && name === whole) putRow(host, ofHost(host, cell));
      }
    }
    const sum = sums.get(whole);
    if (sum !== undefined && query.hosts !== null) put(total, sum);
    if (by === "watcher") for (const [name, cell] of sums) if (name !== ALL) putRow(name, cell);
  }
  const now = nowOf(source, query, nowMs);
  const named = [...rows].map(
    ([name, cells]): UsageRow => ({ name, ...seriesOf(cells), now: now.rows.get(name) ?? null }),
  );
  const shown = mostUsing(named, limit);
  return {
    since: startMs,
    bucketMs: stepMs,
    total: totalOf(total, now.total),
    rows: shown,
    more: named.length - shown.length,
    hosts: watcher === null ? [] : now.hosts,
  };
}

/** The tier as far as it is whole, then finer ones. Of each bucket: its tier and its beginning. */
function* bucketsOf(store: UsageStore, tier: number, fromMs: Millis, untilMs: Millis): Generator<Place> {
  let nextMs = fromMs;
  for (let at = tier; at >= 0; at--) {
    const bucketMs = TIERS[at]?.bucketMs ?? untilMs;
    const toMs = at === 0 ? untilMs : Math.min(untilMs, wholeTo(store.db, at));
    for (; nextMs < toMs; nextMs += bucketMs) yield [at, nextMs];
  }
}

/**
 * A bucket that may still grow; null: it is stored. Hosts tell at different moments: who told of the time just before
 * it, and is to tell of it soon, counts with that, or the newest sums would be of half the fleet.
 */
function openBucket(source: UsageSource, startMs: Millis, nowMs: Millis): Bucket | null {
  const told = source.open.get(startMs);
  if (startMs < source.open.openFrom || startMs > nowMs) return told.size > 0 ? told : null;
  const bucket = new Map(told);
  for (const [host, { at, watchers }] of source.now()) {
    if (!bucket.has(host) && at <= startMs && nowMs < at + NEXT_MS) bucket.set(host, watchers);
  }
  return bucket.size > 0 ? bucket : null;
}

/** @param watcher null: all of them */
function fleetCells(
  source: UsageSource,
  [tier, startMs]: Place,
  watcher: string | null,
  nowMs: Millis,
): Iterable<readonly [string, FleetCell]> {
  const bucket = tier === 0 ? openBucket(source, startMs, nowMs) : null;
  if (bucket === null) return source.store.fleet(tier, startMs, watcher);
  return fleetOf([...bucket].map(([host, cells]) => [host, narrowed(cells, watcher)]));
}

function hostCells(
  source: UsageSource,
  [tier, startMs]: Place,
  hosts: readonly string[] | null,
  watcher: string | null,
  nowMs: Millis,
): Iterable<readonly [host: string, cells: HostCells]> {
  const { store } = source;
  const bucket = tier === 0 ? openBucket(source, startMs, nowMs) : null;
  if (bucket !== null) return chosen(bucket, hosts).map(([host, cells]) => [host, narrowed(cells, watcher)]);
  if (hosts !== null && hosts.length <= ONE_BY_ONE_MAX) {
    return hosts.map((host) => [host, store.host(tier, startMs, host, watcher) ?? new Map<string, Cell>()]);
  }
  return chosen(store.bucket(tier, startMs, watcher), hosts);
}

function chosen<T>(of: ReadonlyMap<string, T>, hosts: readonly string[] | null): readonly (readonly [string, T])[] {
  if (hosts === null) return [...of];
  const wanted = new Set(hosts);
  return [...of].filter(([host]) => wanted.has(host));
}

function narrowed(cells: HostCells, watcher: string | null): HostCells {
  if (watcher === null) return cells;
  const cell = cells.get(watcher);
  return cell === undefined ? new Map() : new Map([[watcher, cell]]);
}

interface Now {
  readonly total: UsageNow | null;
  /** By the names of rows. */
  readonly rows: ReadonlyMap<string, UsageNow>;
  readonly hosts: UsageAnswer["hosts"];
}

function nowOf(source: UsageSource, { hosts, watcher, by }: UsageQuery, nowMs: Millis): Now {
  const rows = new Map<string, UsageNow>();
  const totals = new Map<string, UsageNow>();
  const ofHosts: (UsageNow & { host: string })[] = [];
  const sum = (a: UsageNow, b: UsageNow): UsageNow => ({
    cpu: a.cpu + b.cpu,
    rss: a.rss + b.rss,
    processes: a.processes + b.processes,
    ageMs: Math.min(a.ageMs, b.ageMs),
  });
  for (const [host, { at, watchers }] of chosen(source.now(), hosts)) {
    const ageMs = Math.max(0, nowMs - at);
    for (const [name, { cpu, rss, processes }] of narrowed(watchers, by === "watcher" ? watcher : (watcher ?? ALL))) {
      const now = { cpu, rss, processes, ageMs };
      if (by === "watcher" && name !== ALL) join(rows, name, now, sum);
      if (name !== (watcher ?? ALL)) continue;
      if (by === "host") rows.set(host, rounded(now));
      ofHosts.push({ host, ...rounded(now) });
      join(totals, name, now, sum);
    }
  }
  const [total] = totals.values();
  return {
    total: total === undefined ? null : rounded(total),
    rows: new Map([...rows].map(([name, now]) => [name, rounded(now)])),
    hosts: ofHosts,
  };
}

function rounded({ cpu, rss, processes, ageMs }: UsageNow): UsageNow {
  return { cpu: round(cpu, 2), rss: Math.round(rss), processes: round(processes, 1), ageMs };
}

function round(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

function values(steps: Steps, of: (cell: FleetCell) => number): (number | null)[] {
  return Array.from(steps, (cell) => (cell === undefined ? null : of(cell)));
}

function seriesOf(steps: Steps): UsageSeries {
  return {
    cpu: values(steps, ({ cpu }) => round(cpu, 2)),
    cpuMax: values(steps, ({ cpuMax }) => round(cpuMax, 2)),
    rss: values(steps, ({ rss }) => Math.round(rss)),
    rssMax: values(steps, ({ rssMax }) => Math.round(rssMax)),
    processes: values(steps, ({ processes }) => round(processes, 1)),
  };
}

function totalOf(steps: Steps, now: UsageNow | null): UsageAnswer["total"] {
  const [first, ...rest] = steps.filter((cell) => cell !== undefined);
  const top = first === undefined ? null : rest.reduce((a, b) => fleetOverTime(a, b), first);
  return {
    ...seriesOf(steps),
    now,
    hosts: values(steps, ({ hosts }) => hosts),
    topCpu: top === null ? null : { host: top.topCpuHost, value: round(top.topCpu, 2) },
    topRss: top === null ? null : { host: top.topRssHost, value: Math.round(top.topRss) },
    cpuOfTop: values(steps, ({ topCpu }) => round(topCpu, 2)),
    rssOfTop: values(steps, ({ topRss }) => Math.round(topRss)),
  };
}

/** Those that use most by CPU and by memory in turn, as many as there may be; by name. */
function mostUsing(rows: readonly UsageRow[], limit: number): readonly UsageRow[] {
  const byName = (a: UsageRow, b: UsageRow): number => (a.name < b.name ? -1 : 1);
  if (rows.length <= limit) return [...rows].sort(byName);
  const ranked = (of: (row: UsageRow) => readonly (number | null)[]): readonly UsageRow[] =>
    rows
      .map((row) => ({ row, mean: meanOf(of(row)) ?? 0 }))
      .sort((a, b) => b.mean - a.mean)
      .map(({ row }) => row);
  const byCpu = ranked(({ cpu }) => cpu);
  const byRss = ranked(({ rss }) => rss);
  const picked = new Set<UsageRow>();
  for (let at = 0; picked.size < limit; at++) {
    for (const row of [byCpu[at], byRss[at]]) if (row !== undefined && picked.size < limit) picked.add(row);
  }
  return [...picked].sort(byName);
}
