/**
 * What the page knows of the fleet, and how the live stream changes it. Pure: objects are replaced, never changed, so
 * that a row whose host did not change is not drawn again.
 */
import type { HostInfo, HostStatus, RolloutRecord } from "@circus-cluster/proto";

type Presence = HostStatus["presence"];
export type WatcherView = HostStatus["watchers"][number];

export interface HostView {
  readonly host: string;
  readonly presence: Presence;
  /** Page ms at which it was heard last; null: never. */
  readonly heard: number | null;
  /** What only `hosts` tells; null until it did. */
  readonly info: HostInfo | null;
  readonly watchers: ReadonlyMap<string, WatcherView>;
}

/** A rollout as the stream tells it: its head, and how many hosts are in which state. */
export type RolloutHead = Omit<RolloutRecord, "steps" | "options"> & {
  readonly steps: Readonly<Partial<Record<RolloutRecord["steps"][number]["state"], number>>>;
};

export interface Picture {
  readonly hosts: ReadonlyMap<string, HostView>;
  readonly rollouts: ReadonlyMap<string, RolloutHead>;
}

/** One entry of the live stream. */
export interface Entry {
  readonly event: string;
  readonly data: unknown;
}

export const EMPTY: Picture = { hosts: new Map(), rollouts: new Map() };

/** The picture by the answers of `status`, `hosts` and `rollout-list`; nothing of before stays. */
export function pictureOf(
  statuses: readonly HostStatus[],
  infos: readonly HostInfo[],
  rollouts: readonly RolloutRecord[],
  now: number,
): Picture {
  const byHost = new Map(infos.map((info) => [info.host, info]));
  return {
    hosts: new Map(statuses.map((status) => [status.host, hostOf(status, byHost.get(status.host) ?? null, now)])),
    rollouts: new Map(rollouts.map((record) => [record.id, headOf(record)])),
  };
}

/** Takes what `hosts` says now: presence, age, load, labels. */
export function withInfos(picture: Picture, infos: readonly HostInfo[], now: number): Picture {
  const hosts = new Map(picture.hosts);
  for (const info of infos) {
    const before = hosts.get(info.host);
    const heard = info.ageMs === null ? null : now - info.ageMs;
    hosts.set(info.host, {
      host: info.host,
      presence: info.presence,
      heard,
      info,
      watchers: before?.watchers ?? new Map(),
    });
  }
  return { ...picture, hosts };
}

/** Takes entries in their order; those that it does not know are left out. */
export function withEntries(picture: Picture, entries: readonly Entry[], now: number): Picture {
  const hosts = new Map(picture.hosts);
  const rollouts = new Map(picture.rollouts);
  for (const { event, data } of entries) {
    const value = data as { host: string; name: string };
    const before = hosts.get(value.host) ?? {
      host: value.host,
      presence: "unknown" as const,
      heard: null,
      info: null,
      watchers: new Map<string, WatcherView>(),
    };
    if (event === "host") {
      const { presence } = data as { presence: Presence };
      hosts.set(value.host, { ...before, presence, heard: presence === "online" ? now : before.heard });
    } else if (event === "watcher") {
      const { host: _, ...watcher } = data as WatcherView & { host: string };
      const watchers = new Map(before.watchers).set(watcher.name, watcher);
      hosts.set(value.host, { ...before, watchers, heard: now });
    } else if (event === "watcher_removed") {
      const watchers = new Map(before.watchers);
      watchers.delete(value.name);
      hosts.set(value.host, { ...before, watchers });
    } else if (event === "rollout") {
      const head = data as RolloutHead;
      rollouts.set(head.id, head);
    }
  }
  return { hosts, rollouts };
}

export function headOf({ steps, options: _, ...head }: RolloutRecord): RolloutHead {
  const counts: Partial<Record<RolloutRecord["steps"][number]["state"], number>> = {};
  for (const { state } of steps) counts[state] = (counts[state] ?? 0) + 1;
  return { ...head, steps: counts };
}

function hostOf({ host, presence, ageMs, watchers }: HostStatus, info: HostInfo | null, now: number): HostView {
  const heard = ageMs === null ? null : now - ageMs;
  return { host, presence, heard, info, watchers: new Map(watchers.map((watcher) => [watcher.name, watcher])) };
}
