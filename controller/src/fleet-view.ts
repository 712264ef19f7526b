/**
 * What is known of the fleet now, from three sources: presence, the live pictures, and the projection of the
 * stream for hosts that cannot be asked. Every host says how old what is shown of it is.
 */

import {
  ALL_WATCHERS,
  CircusError,
  type EventsQuery,
  type FleetAnswers,
  HEALTH,
  type Health,
  type HistoryAtQuery,
  type HistoryQuery,
  type HostFilter,
  type HostInfo,
  type HostName,
  type HostStatus,
  PRESENCES,
  type Presence,
  parseHostName,
  type StatusQuery,
  type UptimeQuery,
  WATCHER_STATES,
  type WatcherState,
} from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { FLEET } from "./ingest/decode.ts";
import type { LiveHost, LiveWatcher } from "./live/model.ts";
import type { PresenceView } from "./presence/runner.ts";
import { isWhole as isWholeView } from "./rollout/gate.ts";
import type { PlanHost } from "./rollout/plan.ts";
import { viewOf } from "./rollout/runner.ts";
import { noHost, noWatcher } from "./selection.ts";
import { prepared } from "./store/prepared.ts";
import { events } from "./store/queries/events.ts";
import { gaps } from "./store/queries/gaps.ts";
import { history } from "./store/queries/history.ts";
import { historyAt } from "./store/queries/history-at.ts";
import { type HostRow, hostRows } from "./store/queries/hosts.ts";
import { type CurrentRow, currentRows } from "./store/queries/status.ts";
import { uptime } from "./store/queries/uptime.ts";
import { isWatcherKnown } from "./store/queries/watchers.ts";

export interface FleetViewParts {
  readonly db: Database;
  readonly fleet: string;
  readonly presence: {
    readonly hosts: readonly string[];
    view(host: string): PresenceView | null;
    clockDelayMs(host: string): number;
  };
  readonly live: { get(host: string): LiveHost | null };
}

/** How many there are of each kind. */
export interface FleetTotals {
  readonly presences: Readonly<Record<Presence, number>>;
  /** Of watchers. */
  readonly states: Readonly<Record<WatcherState, number>>;
  /** Of processes that run. */
  readonly health: Readonly<Record<Health, number>>;
}

/** With more hosts than this to be looked up, one question for all is cheaper. */
const ASKED_ONE_BY_ONE_MAX = 50;

/** What all questions about the past name; of those with a window, that. */
type PastQuery = HostFilter & { readonly watcher: string | null } & (
    | { readonly since: number; readonly until: number }
    | { readonly at: number }
  );

type WatcherStatus = HostStatus["watchers"][number];

const NEVER: PresenceView = {
  presence: "unknown",
  sinceWallMs: 0,
  heardWallMs: null,
  load: null,
  backlog: null,
  version: null,
};

export class FleetView {
  readonly #parts: FleetViewParts;

  constructor(parts: FleetViewParts) {
    this.#parts = parts;
  }

  /** @throws CircusError `not-found` where none of the hosts, or the watcher nowhere, is known */
  status(query: StatusQuery): FleetAnswers["status"] {
    const { hosts, unknownHosts } = this.#chosen(query);
    const past = this.#past(hosts);
    const all = hosts.map((host) => this.#statusOf(host, past.get(host) ?? []));
    if (query.watcher === null) return { hosts: all, unknownHosts };
    const wanted = query.watcher.toLowerCase(); // as agents find them (reference §5)
    const only = all
      .map((host) => ({ ...host, watchers: host.watchers.filter(({ name }) => name.toLowerCase() === wanted) }))
      .filter((host) => host.watchers.length > 0);
    if (only.length === 0) throw new CircusError("not-found", noWatcher(query.watcher, query.hosts));
    return { hosts: only, unknownHosts };
  }

  /** Those of them that have it, and may answer. @throws CircusError `not-found` as `status` does */
  hostsWith(query: StatusQuery): readonly HostName[] {
    const { hosts } = this.status(query);
    return hosts
      .filter(({ presence }) => presence !== "left")
      .map(({ host }) => parseHostName(host))
      .filter((host) => host !== null);
  }

  /** @throws CircusError `not-found` where none of the hosts is known */
  hosts(query: HostFilter): FleetAnswers["hosts"] {
    const { hosts, unknownHosts } = this.#chosen(query);
    const rows = new Map(hostRows(this.#parts.db).map((row) => [row.name, row]));
    const past = this.#past(hosts);
    return { hosts: hosts.map((host) => this.#infoOf(host, rows.get(host), past.get(host) ?? [])), unknownHosts };
  }

  /** @throws CircusError where a host or the watcher is not known, or the window is empty */
  history(query: HistoryQuery): FleetAnswers["history"] {
    this.check(query);
    const { rows, isTruncated: truncated } = history(this.#parts.db, query);
    return { rows, gaps: gaps(this.#parts.db, query.hosts), truncated };
  }

  /** @throws CircusError where a host or the watcher is not known */
  historyAt(query: HistoryAtQuery): FleetAnswers["history-at"] {
    this.check(query);
    return { at: query.at, rows: historyAt(this.#parts.db, query), gaps: gaps(this.#parts.db, query.hosts) };
  }

  /** @throws CircusError where a host or the watcher is not known, or the window is empty */
  events(query: EventsQuery): FleetAnswers["events"] {
    this.check({ ...query, hosts: query.hosts?.filter((host) => host !== FLEET) ?? null });
    const { rows, isTruncated: truncated } = events(this.#parts.db, query);
    return { rows, gaps: gaps(this.#parts.db, query.hosts), truncated };
  }

  /** @throws CircusError where a host or the watcher is not known, or the window is empty */
  uptime(query: UptimeQuery): FleetAnswers["uptime"] {
    this.check(query);
    const { since, until } = query;
    return { since, until, rows: uptime(this.#parts.db, query, Date.now()), gaps: gaps(this.#parts.db, query.hosts) };
  }

  /** @throws CircusError where a host or the watcher is not known, or the window is empty */
  check({ hosts, watcher, ...window }: PastQuery): void {
    const { unknownHosts } = this.#chosen({ hosts });
    if (unknownHosts.length > 0) {
      throw new CircusError("not-found", noHost(this.#parts.fleet, unknownHosts, this.#known()));
    }
    if (watcher !== null && !isWatcherKnown(this.#parts.db, watcher, hosts)) {
      throw new CircusError("not-found", noWatcher(watcher, hosts));
    }
    if ("since" in window && window.since >= window.until) {
      throw new CircusError("message", "the window ends before it begins");
    }
  }

  /** For a plan: every host, with the state of one watcher, or of all as one. */
  plannable(watcher: string): readonly PlanHost[] {
    const hosts = this.#known();
    const past = this.#past(hosts);
    const stored = new Map(hostRows(this.#parts.db).map(({ name, labels }) => [name, labels]));
    return hosts.map((host) => {
      const live = viewOf(this.#shownLive(host), watcher);
      const state = live?.state ?? pastState(watcher, past.get(host) ?? []);
      const isWhole = live !== null && isWholeView(live);
      const labels = this.#parts.live.get(host)?.labels ?? labelsOf(stored.get(host) ?? null);
      return { host, presence: this.#presenceOf(host).presence, state, isWhole, labels };
    });
  }

  /** Of a host that is not known: none. */
  labelsOf(host: string): Readonly<Record<string, string>> {
    const sql = "SELECT labels FROM host WHERE name = @host";
    const stored = (): string | null =>
      prepared<{ labels: string | null }>(this.#parts.db, sql).get({ host })?.labels ?? null;
    return this.#parts.live.get(host)?.labels ?? labelsOf(stored());
  }

  /** What `status` says of one host. */
  hostStatus(host: string): HostStatus {
    return this.#statusOf(host, this.#shownLive(host) === null ? currentRows(this.#parts.db, host) : []);
  }

  /** Numbers of all hosts, watchers and processes. */
  totals(): FleetTotals {
    const totals = { presences: zeros(PRESENCES), states: zeros(WATCHER_STATES), health: zeros(HEALTH) };
    const hosts = this.#known();
    const past = this.#past(hosts);
    for (const host of hosts) {
      totals.presences[this.#presenceOf(host).presence]++;
      const watchers = this.#shownLive(host)?.watchers.values() ?? past.get(host) ?? [];
      for (const watcher of watchers) {
        totals.states[watcher.state]++;
        if ("processes" in watcher) for (const { health } of watcher.processes) totals.health[health]++;
      }
    }
    return totals;
  }

  /** What is stored of those hosts of which no picture can be shown. */
  #past(hosts: readonly string[]): ReadonlyMap<string, readonly CurrentRow[]> {
    const { db } = this.#parts;
    const unseen = hosts.filter((host) => this.#shownLive(host) === null);
    if (unseen.length > ASKED_ONE_BY_ONE_MAX) return groupByHost(currentRows(db));
    return new Map(unseen.map((host) => [host, currentRows(db, host)]));
  }

  #known(): readonly string[] {
    const names = new Set([...hostRows(this.#parts.db).map((row) => row.name), ...this.#parts.presence.hosts]);
    return [...names].sort();
  }

  #chosen({ hosts }: HostFilter): { hosts: readonly string[]; unknownHosts: readonly string[] } {
    const known = this.#known();
    if (hosts === null) return { hosts: known, unknownHosts: [] };
    const wanted = new Set(hosts);
    const unknownHosts = [...wanted].filter((host) => !known.includes(host)).sort();
    const chosen = known.filter((host) => wanted.has(host));
    if (chosen.length === 0) throw new CircusError("not-found", noHost(this.#parts.fleet, unknownHosts, known));
    return { hosts: chosen, unknownHosts };
  }

  #statusOf(host: string, current: readonly CurrentRow[]): HostStatus {
    const { presence, heardWallMs } = this.#presenceOf(host);
    const live = this.#shownLive(host);
    const watchers = live === null ? current.map(pastStatus) : [...live.watchers.values()].map(liveStatus);
    return {
      host,
      presence,
      ageMs: age(heardWallMs),
      watchers: watchers.sort((a, b) => (a.name < b.name ? -1 : 1)),
    };
  }

  /** Of a host that is not there nothing runs that anybody could vouch for: null. */
  #shownLive(host: string): LiveHost | null {
    const { presence } = this.#presenceOf(host);
    return presence === "lost" || presence === "left" ? null : this.#parts.live.get(host);
  }

  #infoOf(host: string, row: HostRow | undefined, current: readonly CurrentRow[]): HostInfo {
    const { presence, sinceWallMs, heardWallMs, load, backlog, version } = this.#presenceOf(host);
    const live = this.#parts.live.get(host);
    const delay = row?.delay ?? (heardWallMs === null ? null : this.#parts.presence.clockDelayMs(host));
    return {
      host,
      presence,
      // As it was told, which all controllers have, and not as this one saw it.
      since: row?.presence === presence ? (row.presenceSince ?? sinceWallMs) : sinceWallMs,
      ageMs: age(heardWallMs),
      skewMs: delay === null ? null : -delay,
      version: version ?? live?.version ?? row?.version ?? null,
      load,
      backlog,
      watchers: live?.watchers.size ?? current.length,
      labels: live?.labels ?? labelsOf(row?.labels ?? null),
    };
  }

  #presenceOf(host: string): PresenceView {
    return this.#parts.presence.view(host) ?? NEVER;
  }
}

function pastState(watcher: string, rows: readonly CurrentRow[]): PlanHost["state"] {
  return watcher === ALL_WATCHERS ? "active" : (rows.find((row) => row.watcher === watcher)?.state ?? null);
}

function zeros<K extends string>(keys: readonly K[]): Record<K, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<K, number>;
}

function age(heardWallMs: number | null): number | null {
  return heardWallMs === null ? null : Math.max(0, Date.now() - heardWallMs);
}

function liveStatus(watcher: LiveWatcher): WatcherStatus {
  const { name, state, since, numprocesses, processes, reason } = watcher;
  return {
    name,
    state,
    since,
    numprocesses,
    running: processes.length,
    healthy: healthyCount(watcher),
    pids: processes.map((process) => process.pid),
    reason,
  };
}

function healthyCount({ processes }: LiveWatcher): number {
  return processes.filter(({ health }) => health === "healthy").length;
}

function pastStatus({ watcher, state, since, numprocesses, reason }: CurrentRow): WatcherStatus {
  return { name: watcher, state, since, numprocesses, running: 0, healthy: 0, pids: [], reason };
}

function labelsOf(text: string | null): Readonly<Record<string, string>> {
  return text === null ? {} : (JSON.parse(text) as Record<string, string>);
}

function groupByHost(rows: readonly CurrentRow[]): ReadonlyMap<string, readonly CurrentRow[]> {
  const groups = new Map<string, CurrentRow[]>();
  for (const row of rows) {
    const group = groups.get(row.host);
    if (group === undefined) groups.set(row.host, [row]);
    else group.push(row);
  }
  return groups;
}
