/**
 * Is a host there? Pure, one host at a time: beats and the time go in, what is shown and what is to be told comes
 * out (design §5 "Presence"). Nobody is called lost by a controller that has not listened long enough itself.
 *
 * Invariants: (1) only a beat makes a host online; (2) a beat of an older life than the newest known changes
 * nothing; (3) `unknown` is never told: it says something of us, not of the host.
 */
import { HEARTBEAT_MS, type Heartbeat, type Millis, type Presence, type Step } from "@circus-cluster/proto";

export interface PresenceTimings {
  /** Beats missed before a host counts as late. */
  readonly missedBeats: number;
  /** Silence after which it counts as lost, or four of its intervals where that is longer. */
  readonly lostMs: Millis;
  /** How long after the start of our listening nobody is called lost. */
  readonly graceMs: Millis;
}

export const PRESENCE_TIMINGS: PresenceTimings = { missedBeats: 2, lostMs: 20_000, graceMs: 30_000 };

/** Agents send with ± 10 %. */
const JITTER = 1.1;
const LOST_INTERVALS = 4;
/** How many a host may miss, after our start, before we say that it is not there. */
const GRACE_INTERVALS = 3;
/** An agent that claims a longer one would never be missed. */
const INTERVAL_MAX_MS = HEARTBEAT_MS.most;

export interface HostPresence {
  /** Of the newest life heard of; 0: none. */
  readonly epoch: number;
  /** Its last event, as its last beat said. */
  readonly seq: number;
  readonly intervalMs: Millis;
  /** Monotonic, of this controller's life; null: not heard in it. */
  readonly heardMs: Millis | null;
  /** Wall; null: never. */
  readonly heardWallMs: Millis | null;
  /** The life `epoch` said goodbye. */
  readonly hasLeft: boolean;
  readonly shown: Presence;
  /** Wall ms since which `shown` holds. */
  readonly sinceWallMs: Millis;
  /** What was told last, of which life. */
  readonly told: { readonly presence: Told; readonly epoch: number } | null;
}

export type Told = Exclude<Presence, "unknown">;

export type PresenceInput =
  /** `lateMs`: it was held up so long on its way. */
  | { readonly kind: "beat"; readonly beat: Heartbeat; readonly lateMs: Millis }
  /** Time went by. */
  | { readonly kind: "look" }
  /** It could not be told after all: to be tried again at the next look. */
  | { readonly kind: "untold"; readonly told: HostPresence["told"] };

/** What the world is at an input. */
export interface PresenceContext {
  readonly timings: PresenceTimings;
  readonly wallMs: Millis;
  /** Monotonic start of our listening; null: we are cut off and hear nobody. */
  readonly listeningMs: Millis | null;
  /** Between two beats, as hosts are told, where that is slower than usual, else 0. */
  readonly paceMs: Millis;
}

/** To be told to the fleet, in this order. */
export interface Tell {
  readonly presence: Told;
  readonly epoch: number;
  readonly seq: number;
  readonly lastHeardMs: Millis | null;
  /** What was told before, for `untold`. */
  readonly before: HostPresence["told"];
}

/** A host as it is remembered, or one that was never heard of. */
export function remembered(
  wallMs: Millis,
  past: Pick<HostPresence, "epoch" | "seq" | "heardWallMs" | "told"> | null,
): HostPresence {
  return {
    epoch: past?.epoch ?? 0,
    seq: past?.seq ?? 0,
    intervalMs: 0,
    heardMs: null,
    heardWallMs: past?.heardWallMs ?? null,
    hasLeft: past?.told?.presence === "left" && past.told.epoch === past.epoch,
    shown: "unknown",
    sinceWallMs: wallMs,
    told: past?.told ?? null,
  };
}

/** @param now monotonic ms */
export function transition(
  state: HostPresence,
  input: PresenceInput,
  now: Millis,
  context: PresenceContext,
): Step<HostPresence, Tell> {
  switch (input.kind) {
    case "beat":
      return onBeat(state, input, now, context);
    case "look":
      return settle(state, now, context, []);
    case "untold":
      return { state: { ...state, told: input.told }, effects: [] };
    default:
      return input satisfies never;
  }
}

function onBeat(
  state: HostPresence,
  { beat, lateMs }: { readonly beat: Heartbeat; readonly lateMs: Millis },
  now: Millis,
  context: PresenceContext,
): Step<HostPresence, Tell> {
  const isNewLife = beat.epoch > state.epoch;
  // A beat behind the goodbye of its own life was overtaken by it.
  if (beat.epoch < state.epoch || (!isNewLife && state.hasLeft)) return { state, effects: [] };
  const effects: Tell[] = [];
  let { told } = state;
  if (
    isNewLife &&
    told !== null &&
    told.epoch === state.epoch &&
    (told.presence === "online" || told.presence === "late")
  ) {
    effects.push(tell(state, "lost"));
    told = { presence: "lost", epoch: state.epoch };
  }
  const heard: HostPresence = {
    ...state,
    told,
    epoch: beat.epoch,
    seq: isNewLife ? beat.seq : Math.max(state.seq, beat.seq),
    intervalMs: Math.min(beat.interval, INTERVAL_MAX_MS),
    heardMs: now - lateMs,
    heardWallMs: context.wallMs - lateMs,
    hasLeft: beat.leaving === true,
  };
  return settle(heard, now, context, effects);
}

/** Shows what holds now and tells what has changed. */
function settle(
  state: HostPresence,
  now: Millis,
  context: PresenceContext,
  effects: readonly Tell[],
): Step<HostPresence, Tell> {
  const shown = presenceOf(state, now, context);
  const next = shown === state.shown ? state : { ...state, shown, sinceWallMs: context.wallMs };
  const isTold = shown === "unknown" || (state.told?.presence === shown && state.told.epoch === state.epoch);
  if (isTold) return { state: next, effects };
  return {
    state: { ...next, told: { presence: shown, epoch: state.epoch } },
    effects: [...effects, tell(state, shown)],
  };
}

function tell(state: HostPresence, presence: Told): Tell {
  return { presence, epoch: state.epoch, seq: state.seq, lastHeardMs: state.heardWallMs, before: state.told };
}

function presenceOf(state: HostPresence, now: Millis, context: PresenceContext): Presence {
  const { timings, listeningMs, paceMs } = context;
  if (state.hasLeft) return "left";
  if (listeningMs === null) return "unknown";
  const graceMs = Math.max(timings.graceMs, GRACE_INTERVALS * paceMs);
  const quiet = now - listeningMs < graceMs ? "unknown" : "lost";
  if (state.heardMs === null || state.heardMs < listeningMs) return quiet;
  const silence = now - state.heardMs;
  if (silence > Math.max(timings.lostMs, LOST_INTERVALS * state.intervalMs)) return quiet;
  return silence > timings.missedBeats * state.intervalMs * JITTER ? "late" : "online";
}
