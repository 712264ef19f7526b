/** Types of the rollout core: what it knows, what it is told, what it asks for. Plain data. */
import type {
  EventDraft,
  Millis,
  ProcessSnapshot,
  RolloutRecord,
  RolloutStep,
  WatcherState,
} from "@circus-cluster/proto";

/** The watcher on one host, as the live picture has it. */
export interface HostView {
  readonly epoch: number;
  readonly state: WatcherState;
  /** Wanted. */
  readonly numprocesses: number;
  readonly processes: readonly ProcessSnapshot[];
  readonly generation: number;
  /** Unasked deaths that were seen in this agent life. */
  readonly crashes: number;
  readonly reason: string | null;
  /** Where it stands for all watchers of the host: each of them, by name. */
  readonly parts?: ReadonlyMap<string, HostView> | undefined;
}

/** What is seen of a host at the moment; a null view: nothing yet, or it has no such watcher. */
export interface Sight {
  readonly view: HostView | null;
  readonly isLost: boolean;
}

export type Values = Readonly<Record<string, unknown>>;

/** How far a host is out of its balancer. */
export interface Drain {
  /** From 1: see `drainCommandId`. */
  readonly round: number;
  /** Left of the present state: for the answer of the hook, or until the command is sent. */
  readonly leftMs: Millis;
  /** It may be out: from the first sending of `drain` until `undrain` is done. */
  readonly isOut: boolean;
  /** What becomes of it once it is put back; null: it goes on, and soaks. */
  readonly end: { readonly state: "failed" | "skipped" | "untouched"; readonly reason: string | null } | null;
}

/** One host's part, with what the record does not show. All but `trial` is stored. */
export interface Work extends RolloutStep {
  /** Left of the time in which the host has to become healthy; runs from the first sending. */
  readonly healthLeftMs: Millis;
  readonly soakLeftMs: Millis;
  /** Absolute values that this host is set to, fixed before the first sending; null: the command takes none. */
  readonly wanted: Values | null;
  /** Values before, for a rollback; null: not known or not needed. */
  readonly before: Values | null;
  /** Value of the label that hosts of a wave must not share; null: none. */
  readonly spreadValue: string | null;
  /** Null: it was not drained so far. */
  readonly drain: Drain | null;
  readonly trial: Trial;
}

/** Of this controller life only. */
export interface Trial {
  /** The host is asked for its picture. */
  readonly isLooking: boolean;
  /** The picture was made after the command was done. */
  readonly hasFreshView: boolean;
  readonly sends: number;
  /** The agent has said that it calls the hook. */
  readonly isHeard: boolean;
  /** Since the last sending or question. */
  readonly quietMs: Millis;
  /** The command goes out again after this; null: not planned. */
  readonly resendInMs: Millis | null;
  /** Agent life that the command was sent to; null: not known. */
  readonly sentEpoch: number | null;
  /** Unasked deaths at the time from which on one more is a failure, and the life they were counted in. */
  readonly crashes: { readonly epoch: number; readonly count: number } | null;
  /** Open when the controller started; others wait until its command is answered. */
  readonly isResumed: boolean;
}

export const FIRST_TRIAL: Trial = {
  isLooking: false,
  hasFreshView: false,
  sends: 0,
  isHeard: false,
  quietMs: 0,
  resendInMs: null,
  sentEpoch: null,
  crashes: null,
  isResumed: false,
};

/** Nothing new begins; what is open is followed to its end, and then it ends like this. */
interface Ending {
  readonly state: "aborted" | "superseded" | "failed";
  readonly reason: string;
}

/** What is stored of a rollout beside its record. */
export interface Progress {
  /** Hosts that have the watcher too: not touched, but they count for the floor. */
  readonly others: readonly string[];
  readonly phase: "forward" | "rollback";
  readonly ending: Ending | null;
  /** The last wave that was let begin; -1: none. */
  readonly openWave: number;
  /** Left of the pause before the next wave; null: there is none under way. */
  readonly pauseLeftMs: Millis | null;
  /** Null: no deadline. */
  readonly deadlineLeftMs: Millis | null;
}

export interface RolloutCore extends Omit<RolloutRecord, "steps" | "late">, Progress {
  readonly steps: readonly Work[];
  /** Of the hosts of `steps`, then of `others`. */
  readonly sights: readonly (Sight | null)[];
  /** Where a host stands in `sights`. */
  readonly index: ReadonlyMap<string, number>;
  /** Hosts at which another rollout of this watcher is at work. */
  readonly busy: ReadonlySet<string>;
  readonly isOnline: boolean;
  /** Run since the countdowns were stored last. */
  readonly unsavedMs: Millis;
}

/** What people decide; who did is told. */
export type Decision =
  | { readonly kind: "pause"; readonly actor: string }
  | { readonly kind: "resume"; readonly actor: string; readonly skipFailed: boolean }
  | { readonly kind: "abort"; readonly actor: string }
  | { readonly kind: "supersede"; readonly actor: string; readonly by: string }
  | { readonly kind: "retry"; readonly actor: string };

export type Found = HostView | "no answer" | "no watcher";

export type RolloutInput =
  /** First of all, once: after the plan was stored. */
  | { readonly kind: "begin" }
  /** First of all, once: after a restart of the controller. */
  | { readonly kind: "take-up" }
  | Decision
  /** `values`: of the options that were asked for. */
  | { readonly kind: "looked"; readonly host: string; readonly found: Found; readonly values?: Values | null }
  | { readonly kind: "accepted"; readonly commandId: string }
  | {
      readonly kind: "answered";
      readonly commandId: string;
      readonly outcome: "done" | "refused";
      readonly reason: string | null;
    }
  /** Nobody listens there: it was certainly not delivered. */
  | { readonly kind: "absent"; readonly commandId: string }
  | { readonly kind: "seen"; readonly host: string; readonly sight: Sight }
  /** Where other rollouts of this watcher are at work now. */
  | { readonly kind: "busy"; readonly hosts: ReadonlySet<string> }
  /** So much time went by in which this controller ran. */
  | { readonly kind: "elapsed"; readonly ms: Millis }
  /** The connection to the fleet is there, or not: without it no time counts. */
  | { readonly kind: "online"; readonly isOnline: boolean };

/** To be performed in the order given: what is stored comes before what is sent. */
export type RolloutEffect =
  | { readonly kind: "save"; readonly core: RolloutCore }
  | { readonly kind: "event"; readonly draft: EventDraft }
  /** The record has changed: tell who follows it. */
  | { readonly kind: "advise"; readonly core: RolloutCore }
  /** `options`: names of those whose values are wanted too; null: none. */
  | { readonly kind: "look"; readonly host: string; readonly options: readonly string[] | null }
  | {
      readonly kind: "send";
      readonly host: string;
      readonly commandId: string;
      readonly command: string;
      readonly properties: Values;
      readonly timeoutMs: Millis;
    }
  | { readonly kind: "end" };

export interface RolloutTimings {
  /** An agent says "accepted" within this, or the command is sent again. */
  readonly answerMs: Millis;
  /** Pause before a command goes again to a host that is not connected. */
  readonly resendMs: Millis;
  /** Sendings without any answer before a host counts as not reached. */
  readonly sendsMax: number;
  /** How often running countdowns are stored. */
  readonly checkpointMs: Millis;
}

export const ROLLOUT_TIMINGS: RolloutTimings = { answerMs: 5000, resendMs: 1000, sendsMax: 3, checkpointMs: 5000 };

/** The part that is shown and sent. */
export function recordOf(core: RolloutCore): RolloutRecord {
  const { steps, others: _o, phase: _p, ending: _e, openWave: _w, pauseLeftMs: _l, deadlineLeftMs: _d, ...rest } = core;
  const { sights: _s, index: _i, busy: _b, isOnline: _on, unsavedMs: _u, ...head } = rest;
  return { ...head, steps: steps.map(stepOf) };
}

function stepOf(work: Work): RolloutStep {
  const { healthLeftMs: _h, soakLeftMs: _s, wanted: _w, before: _b, spreadValue: _v, ...rest } = work;
  const { drain: _d, trial: _t, ...step } = rest;
  return step;
}

/** A rollout that was just planned. */
export function newCore(
  record: RolloutRecord,
  others: readonly string[] = [],
  spread: ReadonlyMap<string, string> = new Map(),
): RolloutCore {
  const { soakMs, healthTimeoutMs, deadlineMs } = record.options;
  const { late: _, ...head } = record;
  const steps = record.steps.map(
    (step): Work => ({
      ...step,
      healthLeftMs: healthTimeoutMs,
      soakLeftMs: soakMs,
      wanted: null,
      before: null,
      spreadValue: spread.get(step.host) ?? null,
      drain: null,
      trial: FIRST_TRIAL,
    }),
  );
  const progress: Progress = {
    others,
    phase: "forward",
    ending: null,
    openWave: -1,
    pauseLeftMs: null,
    deadlineLeftMs: deadlineMs,
  };
  return livingCore({ ...head, ...progress, steps });
}

/** With nothing seen yet. */
export function livingCore(
  stored: Omit<RolloutCore, "sights" | "index" | "busy" | "isOnline" | "unsavedMs">,
): RolloutCore {
  const population = [...stored.steps.map(({ host }) => host), ...stored.others];
  return {
    ...stored,
    sights: population.map(() => null),
    index: new Map(population.map((host, at) => [host, at])),
    busy: new Set(),
    isOnline: true,
    unsavedMs: 0,
  };
}
