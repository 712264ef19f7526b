/** What the fleet is at one moment, of a controller's answer and of what agents say of themselves. Pure. */
import type { HostStatus, HostUsage, Presence, WatcherState, WatcherUsage } from "@circus-cluster/proto";

/** One watcher on one host; a host that is not there, or has none, has one row without. */
export interface FleetRow {
  readonly host: string;
  readonly presence: Presence;
  /** How old this is; null: never heard. */
  readonly ageMs: number | null;
  readonly watcher: string | null;
  readonly state: WatcherState | null;
  readonly running: number;
  readonly numprocesses: number | null;
  readonly healthy: number;
  /** Per cent of one processor; null: not known (yet). */
  readonly cpu: number | null;
  readonly rssBytes: number | null;
  readonly restarts: number | null;
  readonly reason: string | null;
}

export interface FleetPicture {
  /** Null: no controller answered, whoever heard did. */
  readonly controller: string | null;
  readonly hosts: Readonly<Record<Presence, number>>;
  readonly rows: readonly FleetRow[];
}

/** By host, of one look. */
export type Usages = ReadonlyMap<string, HostUsage>;

/** @param before of the look before, for rates */
export function fleetPicture(
  controller: string | null,
  statuses: readonly HostStatus[],
  usages: Usages,
  before: Usages,
): FleetPicture {
  const hosts = { online: 0, late: 0, lost: 0, left: 0, unknown: 0 };
  const rows: FleetRow[] = [];
  for (const status of statuses) {
    hosts[status.presence]++;
    const usage = usages.get(status.host);
    if (usage !== undefined) rows.push(...rowsOf(status, usage, before.get(status.host)));
    else rows.push(...silentRows(status));
  }
  return { controller, hosts, rows };
}

const NOTHING = { cpu: null, rssBytes: null, restarts: null } as const;

function rowsOf({ host, presence }: HostStatus, usage: HostUsage, before: HostUsage | undefined): FleetRow[] {
  const head = { host, presence, ageMs: 0 };
  if (usage.watchers.length === 0) return [emptyRow({ host, presence, ageMs: 0, watchers: [] })];
  const earlier = new Map(before?.watchers.map((watcher) => [watcher.name, watcher]));
  return usage.watchers.map((watcher) => ({
    ...head,
    ...{ watcher: watcher.name, state: watcher.state, reason: watcher.reason, restarts: watcher.restarts },
    ...{ running: watcher.running, numprocesses: watcher.numprocesses, healthy: watcher.healthy },
    cpu: rate(watcher, earlier.get(watcher.name), usage.at - (before?.at ?? usage.at)),
    rssBytes: watcher.rss_bytes,
  }));
}

/** Null where another agent has begun to count, or nothing lies between the two. */
function rate(now: WatcherUsage, before: WatcherUsage | undefined, ms: number): number | null {
  if (before === undefined || ms <= 0 || now.cpu_s < before.cpu_s) return null;
  return ((now.cpu_s - before.cpu_s) / ms) * 100_000;
}

/** As the controller knows it; of one that is not there nothing else is worth a row. */
function silentRows(status: HostStatus): FleetRow[] {
  const { host, presence, ageMs, watchers } = status;
  const isAway = presence === "lost" || presence === "left";
  if (isAway || watchers.length === 0) return [emptyRow(status)];
  return watchers.map(({ name, state, running, numprocesses, healthy, reason }) => ({
    ...{ host, presence, ageMs, watcher: name, state, running, numprocesses, healthy, reason },
    ...NOTHING,
  }));
}

function emptyRow({ host, presence, ageMs }: HostStatus): FleetRow {
  return {
    ...{ host, presence, ageMs, watcher: null, state: null, reason: null },
    ...{ running: 0, numprocesses: null, healthy: 0 },
    ...NOTHING,
  };
}

/** 0: nothing is wrong; the higher, the worse. */
export function trouble({ presence, state, running, numprocesses, healthy }: FleetRow): number {
  if (presence === "lost") return 6;
  if (state === "failed") return 5;
  if (state === "active" && (healthy < running || running < (numprocesses ?? running))) return 4;
  if (state === "unknown" || presence === "unknown") return 3;
  if (presence === "late" || state === "starting" || state === "stopping") return 2;
  return 0;
}
