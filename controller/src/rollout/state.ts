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
}

/** What is seen of a host at the moment; a null view: nothing yet, or it has no such watcher. */
export interface Sight {
  readonly view: HostView | null;
  readonly isLost: boolean;
}

/** One host's part, with what the record does not show. Only the countdowns are stored. */
export interface Work extends RolloutStep {
  /** Left of the time in which the host has to become healthy; runs from the first sending. */
  readonly healthLeftMs: Millis;
  readonly soakLeftMs: Millis;
  readonly trial: Trial;
}

/** Of this controller life only. */
export interface Trial {
  /** The host is asked for its picture. */
  readonly isLooking: boolean;
  /** The picture was made after the command was done. */
  readonly hasFreshView: boolean;
  readonly sends: number;
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
  quietMs: 0,
  resendInMs: null,
  sentEpoch: null,
  crashes: null,
  isResumed: false,
};

export interface RolloutCore extends Omit<RolloutRecord, "steps"> {
  readonly steps: readonly Work[];
  readonly sights: ReadonlyMap<string, Sight>;
  readonly isOnline: boolean;
  /** Run since the countdowns were stored last. */
  readonly unsavedMs: Millis;
}

export type RolloutInput =
  /** First of all, once: after the plan was stored. */
  | { readonly kind: "begin" }
  /** First of all, once: after a restart of the controller. */
  | { readonly kind: "resume" }
  | { readonly kind: "looked"; readonly host: string; readonly found: HostView | "no answer" | "no watcher" }
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
  /** So much time went by in which this controller ran. */
  | { readonly kind: "elapsed"; readonly ms: Millis }
  /** The connection to the fleet is there, or not: without it no time counts. */
  | { readonly kind: "online"; readonly isOnline: boolean };

/** To be performed in the order given: what is stored comes before what is sent. */
export type RolloutEffect =
  | { readonly kind: "save"; readonly core: RolloutCore }
  | { readonly kind: "event"; readonly draft: EventDraft }
  /** The record has changed: tell who follows it. */
  | { readonly kind: "advise"; readonly record: RolloutRecord }
  | { readonly kind: "look"; readonly host: string }
  | {
      readonly kind: "send";
      readonly host: string;
      readonly commandId: string;
      /** Every process has to be newer than this. */
      readonly newerThan: number;
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
  const { steps, sights: _sights, isOnline: _isOnline, unsavedMs: _unsavedMs, ...head } = core;
  return { ...head, steps: steps.map(stepOf) };
}

function stepOf(work: Work): RolloutStep {
  const { healthLeftMs: _health, soakLeftMs: _soak, trial: _trial, ...step } = work;
  return step;
}

/** A rollout that was just planned. */
export function newCore(record: RolloutRecord): RolloutCore {
  const { soakMs, healthTimeoutMs } = record.options;
  const steps = record.steps.map(
    (step): Work => ({ ...step, healthLeftMs: healthTimeoutMs, soakLeftMs: soakMs, trial: FIRST_TRIAL }),
  );
  return { ...record, steps, sights: new Map(), isOnline: true, unsavedMs: 0 };
}
