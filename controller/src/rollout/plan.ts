/**
 * Hosts and options → the plan of a rollout: which hosts, in which waves. Pure. Targets are fixed here; percentages
 * are of all of them, those that are skipped included (design §5).
 */
import type {
  ErrorCode,
  Millis,
  Presence,
  RolloutOptions,
  RolloutStep,
  Share,
  WatcherState,
} from "@circus-cluster/proto";
import { hostsAre, noHost, noWatcher } from "../selection.ts";
import { stepCommandId } from "./command-id.ts";

/** A host as it is when the plan is made. */
export interface PlanHost {
  readonly host: string;
  readonly presence: Presence;
  /** Of the watcher; null: the host has none of that name. */
  readonly state: WatcherState | null;
}

export interface PlanRequest {
  readonly id: string;
  readonly fleet: string;
  readonly watcher: string;
  /** Null: every host that has the watcher. */
  readonly hosts: readonly string[] | null;
  readonly options: RolloutOptions;
  readonly wallMs: Millis;
}

export type Planned =
  | { readonly kind: "plan"; readonly steps: readonly RolloutStep[] }
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly reason: string };

/** @param known every host of the fleet */
export function plan(request: PlanRequest, known: readonly PlanHost[]): Planned {
  const { fleet, watcher } = request;
  const byName = new Map(known.map((host) => [host.host, host]));
  const wanted = request.hosts === null ? null : [...new Set(request.hosts)];
  const unknown = (wanted ?? []).filter((host) => !byName.has(host));
  if (unknown.length > 0) return refused("not-found", noHost(fleet, unknown, [...byName.keys()].sort()));
  const chosen = known.filter((host) => wanted?.includes(host.host) ?? host.state !== null);
  chosen.sort((a, b) => (a.host < b.host ? -1 : 1));
  if (wanted?.length === 0) return refused("message", "no host is named");
  if (chosen.every((host) => host.state === null)) return refused("not-found", noWatcher(watcher, wanted));
  const without = chosen.filter((host) => host.state === null);
  if (without.length > 0) return refused("not-found", noWatcher(watcher, namesOf(without)));
  const absent = absence(chosen, wanted !== null);
  if (absent !== null) return refused("conflict", absent);
  return { kind: "plan", steps: stepsOf(request, chosen) };
}

/** Why the chosen hosts cannot be worked on now; a host that has left is only in the way if it was named. */
function absence(chosen: readonly PlanHost[], isNamed: boolean): string | null {
  const those = (presence: Presence): string[] => namesOf(chosen.filter((host) => host.presence === presence));
  const lost = those("lost");
  if (lost.length > 0) return `${hostsAre(lost, "lost")}; name the hosts to leave ${pronoun(lost)} out`;
  const left = those("left");
  if (isNamed && left.length > 0) return hostsAre(left, "not running its agent");
  const unheard = those("unknown");
  if (unheard.length > 0) return `${hostsAre(unheard, "not heard of yet")}; try again in half a minute`;
  return null;
}

function pronoun(hosts: readonly string[]): string {
  return hosts.length === 1 ? "it" : "them";
}

function stepsOf({ id, options, wallMs }: PlanRequest, chosen: readonly PlanHost[]): readonly RolloutStep[] {
  const touched = chosen.filter((host) => skipReason(host) === null);
  const waveOf = new Map<string, number>();
  const sizes = waveSizes(touched.length, options.batch, chosen.length);
  let next = 0;
  for (const [wave, size] of sizes.entries()) {
    for (const { host } of touched.slice(next, next + size)) waveOf.set(host, wave);
    next += size;
  }
  return chosen.map((target): RolloutStep => {
    const reason = skipReason(target);
    return {
      host: target.host,
      wave: waveOf.get(target.host) ?? 0,
      state: reason === null ? "pending" : "skipped",
      commandId: stepCommandId(id, target.host, 1),
      generationBefore: null,
      pidsBefore: [],
      pidsAfter: [],
      reason,
      updated: wallMs,
    };
  });
}

export const STOPPED_ON_PURPOSE = "stopped on purpose";

function skipReason({ presence, state }: PlanHost): string | null {
  if (presence === "left") return "its agent was stopped";
  return state === "stopped" ? STOPPED_ON_PURPOSE : null;
}

/**
 * How many hosts each wave has; the last share repeats. Rounded up, at least one.
 *
 * @param hosts to be cut into waves
 * @param targets that percentages are of; more than `hosts` where some are skipped
 */
export function waveSizes(hosts: number, batch: readonly Share[], targets = hosts): readonly number[] {
  const sizes: number[] = [];
  for (let left = hosts; left > 0; ) {
    const share = batch[Math.min(sizes.length, batch.length - 1)];
    const wanted =
      share === undefined ? hosts : share.kind === "count" ? share.n : Math.ceil((targets * share.p) / 100);
    const size = Math.min(left, Math.max(1, wanted));
    sizes.push(size);
    left -= size;
  }
  return sizes;
}

/** Failed hosts that are put up with; rounded down. */
export function tolerated(share: Share, hosts: number): number {
  return share.kind === "count" ? share.n : Math.floor((hosts * share.p) / 100);
}

function namesOf(hosts: readonly PlanHost[]): string[] {
  return hosts.map((host) => host.host);
}

function refused(code: ErrorCode, reason: string): Planned {
  return { kind: "refused", code, reason };
}
