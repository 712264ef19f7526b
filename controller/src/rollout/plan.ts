/**
 * Hosts and options → the plan of a rollout: which hosts, in which waves, how many have to stay healthy. Pure. Targets
 * are fixed here; percentages are of all of them, those that are skipped included (design §5).
 */
import {
  type ErrorCode,
  formatCondition,
  fulfils,
  isOfHost,
  type LabelCondition,
  type Millis,
  type Presence,
  type RolloutCommand,
  type RolloutOptions,
  type RolloutStep,
  type Share,
  type WatcherState,
} from "@circus-cluster/proto";
import { hostsAre, noHost, noWatcher } from "../selection.ts";
import { stepCommandId } from "./command-id.ts";
import { goalOf } from "./order.ts";

/** A host as it is when the plan is made. */
export interface PlanHost {
  readonly host: string;
  readonly presence: Presence;
  /** Of the watcher; null: the host has none of that name. */
  readonly state: WatcherState | null;
  /** All its processes are there and healthy. */
  readonly isWhole: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

export interface PlanRequest {
  readonly id: string;
  readonly fleet: string;
  readonly command: RolloutCommand;
  readonly watcher: string;
  /** Null: every host that has the watcher. */
  readonly hosts: readonly string[] | null;
  readonly where: readonly LabelCondition[] | null;
  readonly options: RolloutOptions;
  readonly wallMs: Millis;
}

export type Planned =
  | {
      readonly kind: "plan";
      readonly steps: readonly RolloutStep[];
      readonly floor: number;
      /** Hosts with the watcher that are no targets, but count for the floor. */
      readonly others: readonly string[];
      /** Values of the spread label, by host. */
      readonly spread: ReadonlyMap<string, string>;
    }
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly reason: string };

/** @param known every host of the fleet */
export function plan(request: PlanRequest, known: readonly PlanHost[]): Planned {
  const { fleet, watcher, where, options } = request;
  const byName = new Map(known.map((host) => [host.host, host]));
  const wanted = request.hosts === null ? null : [...new Set(request.hosts)];
  const unknown = (wanted ?? []).filter((host) => !byName.has(host));
  if (unknown.length > 0) return refused("not-found", noHost(fleet, unknown, [...byName.keys()].sort()));
  if (wanted?.length === 0) return refused("message", "no host is named");
  const fitting = known.filter((host) => where === null || fulfils(host.labels, where));
  if (fitting.length === 0) return refused("not-found", `no host has ${(where ?? []).map(formatCondition).join(",")}`);
  const meant = fitting.filter((host) => wanted?.includes(host.host) ?? host.state !== null);
  if (meant.every((host) => host.state === null)) {
    return refused("not-found", noWatcher(watcher, wanted ?? (where === null ? null : namesOf(fitting))));
  }
  const without = meant.filter((host) => host.state === null);
  if (without.length > 0) return refused("not-found", noWatcher(watcher, namesOf(without)));
  const chosen = inOrder(meant, options, wanted).slice(0, options.limit ?? meant.length);
  const absent = absence(chosen, wanted !== null, options);
  if (absent !== null) return refused("conflict", absent);
  return planOf(request, chosen, known);
}

/** Ill hosts first: their restart takes nothing away, and may give something back. */
function inOrder(hosts: readonly PlanHost[], { order }: RolloutOptions, given: readonly string[] | null): PlanHost[] {
  const places = new Map(given?.map((host, at) => [host, at]));
  const sorted = [...hosts].sort((a, b) => {
    const byName = a.host < b.host ? -1 : 1;
    if (order === "reverse") return -byName;
    return order === "given" && given !== null ? (places.get(a.host) ?? 0) - (places.get(b.host) ?? 0) : byName;
  });
  const isIll = ({ presence, state, isWhole }: PlanHost): boolean =>
    (presence === "online" || presence === "late") && state !== "stopped" && !isWhole;
  return [...sorted.filter(isIll), ...sorted.filter((host) => !isIll(host))];
}

/** Why the chosen hosts cannot be worked on now; a host that has left is only in the way if it was named. */
function absence(chosen: readonly PlanHost[], isNamed: boolean, { onLost }: RolloutOptions): string | null {
  const those = (presence: Presence): string[] => namesOf(chosen.filter((host) => host.presence === presence)).sort();
  const lost = those("lost");
  if (lost.length > 0 && onLost === "fail") {
    return `${hostsAre(lost, "lost")}; name the hosts to leave ${pronoun(lost)} out, or give --on-lost skip`;
  }
  const left = those("left");
  if (isNamed && left.length > 0 && onLost === "fail") return hostsAre(left, "not running its agent");
  const unheard = those("unknown");
  if (unheard.length > 0) return `${hostsAre(unheard, "not heard of yet")}; try again in half a minute`;
  return null;
}

function pronoun(hosts: readonly string[]): string {
  return hosts.length === 1 ? "it" : "them";
}

function planOf(request: PlanRequest, chosen: readonly PlanHost[], known: readonly PlanHost[]): Planned {
  const { id, command, options, wallMs } = request;
  const goal = goalOf({ command, phase: "forward" });
  const reasons = new Map(chosen.map((host) => [host.host, skipReason(host, command)]));
  const touched = chosen.filter(({ host }) => reasons.get(host) === null);
  const spread = new Map<string, string>();
  for (const { host, labels } of chosen) {
    const value = options.spread === null ? undefined : labels[options.spread];
    if (value !== undefined) spread.set(host, value);
  }
  const waves = cut(namesOf(touched), (host) => spread.get(host) ?? null, options, chosen.length, options.canary);
  const waveOf = new Map(waves.flatMap((wave, at) => wave.map((host) => [host, at] as const)));
  const steps = chosen.map(({ host }): RolloutStep => {
    const reason = reasons.get(host) ?? null;
    return {
      host,
      wave: waveOf.get(host) ?? 0,
      state: reason === null ? "pending" : "skipped",
      commandId: stepCommandId(id, host, 1),
      generationBefore: null,
      pidsBefore: [],
      pidsAfter: [],
      outcome: null,
      reason,
      updated: wallMs,
    };
  });
  const targets = new Set(namesOf(chosen));
  const others = known.filter(
    ({ host, state, presence }) =>
      !targets.has(host) && state !== null && state !== "stopped" && (presence === "online" || presence === "late"),
  );
  const largest = Math.max(0, ...waves.map((wave) => wave.length));
  const spared = touched.length + others.length - largest - tolerated(options.maxFail, chosen.length);
  const floor =
    goal === "stopped" || command === "start"
      ? least(options.minHealthy, chosen.length, 0)
      : least(options.minHealthy, chosen.length, Math.max(0, spared));
  const total = touched.length + others.length;
  if (floor > total - 1 && touched.some((host) => host.isWhole)) {
    return refused(
      "message",
      `--min-healthy: ${floor} of ${total} hosts have to stay healthy, so none could ever be worked on`,
    );
  }
  return { kind: "plan", steps, floor, others: namesOf(others).sort(), spread };
}

/** Rounded up: what has to stay is never less than was asked for. */
function least(share: Share | null, targets: number, otherwise: number): number {
  if (share === null) return otherwise;
  return share.kind === "count" ? share.n : Math.ceil((targets * share.p) / 100);
}

const STOPPED_ON_PURPOSE = "stopped on purpose";

function skipReason({ presence, state }: PlanHost, command: RolloutCommand): string | null {
  if (presence === "left") return "its agent was stopped";
  if (presence === "lost") return "the host is lost";
  return idleReason(state, command);
}

/** Why there is nothing to do for a watcher in this state; null: there is. */
export function idleReason(state: WatcherState | null, command: RolloutCommand): string | null {
  if (isOfHost(command)) return null;
  if (command === "start") return state === "active" ? "it runs already" : null;
  if (state !== "stopped") return null;
  return command === "stop" ? "it is stopped already" : STOPPED_ON_PURPOSE;
}

/**
 * Cuts hosts into waves, in their order; a wave that must not hold two of one kind is filled with later ones.
 *
 * @param spreadOf two hosts with one value never share a wave; null shares with all
 * @param targets that percentages are of
 * @param canary size of a first wave of its own; 0: none
 */
export function cut(
  hosts: readonly string[],
  spreadOf: (host: string) => string | null,
  { batch }: Pick<RolloutOptions, "batch">,
  targets: number,
  canary = 0,
): readonly (readonly string[])[] {
  const waves: string[][] = [];
  let left: readonly string[] = hosts;
  while (left.length > 0) {
    const isCanary = canary > 0 && waves.length === 0;
    const size = isCanary ? canary : waveSize(batch, waves.length - (canary > 0 ? 1 : 0), targets);
    const wave: string[] = [];
    const kinds = new Set<string>();
    const rest: string[] = [];
    for (const host of left) {
      const kind = spreadOf(host);
      if (wave.length >= size || (kind !== null && kinds.has(kind))) {
        rest.push(host);
        continue;
      }
      wave.push(host);
      if (kind !== null) kinds.add(kind);
    }
    waves.push(wave);
    left = rest;
  }
  return waves;
}

/** Of the wave with this number; the last share repeats. Rounded up, at least one. */
function waveSize(batch: readonly Share[], at: number, targets: number): number {
  const share = batch[Math.min(at, batch.length - 1)];
  if (share === undefined) return targets;
  return Math.max(1, share.kind === "count" ? share.n : Math.ceil((targets * share.p) / 100));
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
