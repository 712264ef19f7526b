/**
 * The words of the watcher's core: what it knows (state), what it is told (input) and what it asks for
 * (effect). Plain readonly data throughout: printable, comparable, replayable. Pure.
 *
 * Invariants that the rest of the folder relies on:
 *  I1  A command changes the goal (or the configuration); `reconcile` alone asks for spawns and stops.
 *  I2  Every process that was spawned and has not exited stands in `processes`.
 *  I3  At most one slot is `spawning`: the next spawn waits for the outcome of the last.
 *  I4  `timers` are exactly the deadlines of the rest of the state (`deadlines` in reconcile.ts).
 *  I5  `processes` stand in the order in which they were spawned, the oldest first; so a slot that is
 *      `spawning` is the last.
 */
import type { ErrorCode, EventDraft, Health, Millis } from "@circus-cluster/proto";
import type { HookName } from "../config/hooks.ts";
import type { WatcherConfig } from "../config/types.ts";
import type { CircusEvent } from "../events/api.ts";
import type { Cause, ChangeInfo, CircusStatus } from "./api.ts";

export const SIGHUP = 1;
export const SIGKILL = 9;

/** Commands that wait for their turn on one watcher; more are refused. */
export const QUEUE_MAX = 64;

/** The agent's own doing, where nobody asked. */
export const NOBODY: Cause = { actor: null, command: null };

/**
 * What is wanted of the processes:
 * `down` none · `up` exactly `numprocesses` · `overlap` as many of the newest generation beside the old ones ·
 * `rollback` none of the newest generation · `sequence` the old ones replaced one by one ·
 * `held` nothing at all until the next command, because the core failed.
 */
export const GOALS = ["down", "up", "overlap", "rollback", "sequence", "held"] as const;
type Goal = (typeof GOALS)[number];

/** Named deadlines; setting one replaces it. */
export const TIMERS = ["spawn", "kill", "healthy", "age", "pace", "hook"] as const;
export type TimerName = (typeof TIMERS)[number];
/** Due times on the monotonic clock. */
export type Timers = Readonly<Partial<Record<TimerName, Millis>>>;

/** Why a process has to go. */
export const STOP_REASONS = ["stop", "surplus", "rollback", "replace", "expire", "kill", "unhealthy"] as const;
export type StopReason = (typeof STOP_REASONS)[number];

/** `asking`: waits for `before_signal`. `killing`: its whole group got SIGKILL, there is nothing stronger. */
export const STOP_PHASES = ["asking", "signalled", "killing"] as const;

interface Slot {
  readonly wid: number;
  readonly generation: number;
  /** How often in a row the processes in this place died young; see backoff.ts. */
  readonly crashes: number;
}

export interface Spawning extends Slot {
  readonly kind: "spawning";
  /** Waits for `before_spawn`: there is no process yet. */
  readonly isAsking: boolean;
}

interface Live extends Slot {
  readonly pid: number;
  /** Wall ms of the start, for showing. */
  readonly startedMs: Millis;
  /** Monotonic ms of the start, for measuring. */
  readonly sinceMs: Millis;
  readonly health: Health;
  /** Monotonic ms since which it has been healthy without a break; null: it is not. */
  readonly healthyMs: Millis | null;
  /** Why it is unhealthy, for people. */
  readonly ailment: string | null;
  /** In [0, 1), drawn once: this process' share of `max_age_variance`. */
  readonly chance: number;
  /** The event `spawn` is out; with an `after_spawn` hook that is when it has said yes (reference §2.5). */
  readonly isAnnounced: boolean;
}

export interface Running extends Live {
  readonly kind: "running";
}

export interface Stopping extends Live {
  readonly kind: "stopping";
  readonly phase: (typeof STOP_PHASES)[number];
  readonly reason: StopReason;
  /** Monotonic ms of the SIGKILL to come; while `asking` it is not counted yet. */
  readonly killAtMs: Millis;
  readonly cause: Cause;
}

export type ProcessState = Spawning | Running | Stopping;
export type LiveProcess = Running | Stopping;

/** The place of a process that died by itself and is to be replaced. */
interface Vacancy {
  readonly crashes: number;
  /** Monotonic ms before which it is not filled (back-off). */
  readonly dueMs: Millis;
}

/** How a process is asked to go. */
export interface StopManner {
  readonly reason: StopReason;
  readonly signum: number;
  readonly graceMs: Millis;
  readonly cause: Cause;
}

/** What the answer of a hook is for, where its name does not say it. */
export type HookPurpose =
  | { readonly kind: "tell" }
  | { readonly kind: "stop"; readonly manner: StopManner }
  | { readonly kind: "signal"; readonly signum: number };

export interface HookCall {
  readonly id: number;
  /** `check`: can all hooks of the watcher be called? Asked before each start. */
  readonly hook: HookName | "check";
  /** Whom it is about, also when it has gone by now; null: the watcher. */
  readonly subject: { readonly wid: number; readonly pid: number | null; readonly startedMs: Millis | null } | null;
  /** What the hook is told besides (reference §2.10). */
  readonly facts: Readonly<Record<string, string | number | null>>;
  readonly purpose: HookPurpose;
  /** Monotonic ms; null: it waits for its turn. */
  readonly deadlineMs: Millis | null;
}

export type HookOutcome =
  /** @property env the watcher's environment as the hook left it; null: unchanged */
  | { readonly kind: "returned"; readonly value: boolean; readonly env: Readonly<Record<string, string>> | null }
  /** It threw, could not be called, or its time was up. */
  | { readonly kind: "failed"; readonly error: string };

/** A person's wish that the watcher rest, over any life of the agent, until somebody starts it. */
export interface Intent {
  readonly actor: string;
  /** Id of the command. */
  readonly command: string | null;
  /** Wall ms. */
  readonly at: Millis;
  /** In the person's words. */
  readonly why: string | null;
}

/** How a process ended. Both null where the status cannot be known. */
export interface ProcessEnd {
  readonly code: number | null;
  /** Signal number. */
  readonly signal: number | null;
}
export const UNKNOWN_END: ProcessEnd = { code: null, signal: null };

export type Command =
  | { readonly kind: "start" }
  /** @property intent null: it rests for now, and nobody has to remember it */
  | { readonly kind: "stop"; readonly intent: Intent | null }
  | { readonly kind: "restart"; readonly newerThan: number | null }
  | {
      readonly kind: "reload";
      readonly graceful: boolean;
      readonly sequential: boolean;
      readonly newerThan: number | null;
    }
  | { readonly kind: "resize"; readonly to: number }
  | { readonly kind: "resize_by"; readonly delta: number }
  | { readonly kind: "set"; readonly options: Readonly<Record<string, unknown>> }
  /** The file has changed. */
  | {
      readonly kind: "configure";
      readonly changes: Partial<WatcherConfig>;
      readonly keys: readonly string[];
      readonly renewal: "none" | "reload" | "restart";
    }
  | {
      readonly kind: "kill";
      readonly pid: number | null;
      readonly signum: number | null;
      readonly gracefulTimeoutS: number | null;
    }
  /** One signal to its processes, as the hooks permit; nobody waits for what becomes of it. */
  | { readonly kind: "signal"; readonly pids: readonly number[]; readonly signum: number };

/** A command with the ticket under which its one {@link Reply} comes back. */
export interface Request {
  readonly ticket: number;
  readonly cause: Cause;
  /** Wall ms when it was asked, from which generations are made. */
  readonly wallMs: Millis;
  readonly command: Command;
}

/** `start` fills up; `restart` goes down, then becomes a `start`; `reload` is overlap or sequence; `resize` fits the number. */
export const JOB_KINDS = ["start", "stop", "restart", "reload", "resize"] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/** The one queued command that is being carried out. */
export interface Job {
  readonly kind: JobKind;
  readonly request: Request;
  /** Pids that ran when it began. */
  readonly before: readonly number[];
  /** Spawns that are still its business; later ones are ordinary replacements. */
  readonly left: number;
  /** Why it cannot succeed any more; it only cleans up. */
  readonly failure: string | null;
}

/** A `kill`, which does not queue, waiting for its processes to be gone. */
interface KillWait {
  readonly request: Request;
  readonly pids: readonly number[];
}

export interface WatcherState {
  /** With the values of `set` and `numprocesses` on top of the file's. */
  readonly config: WatcherConfig;
  readonly goal: Goal;
  readonly status: CircusStatus;
  /** Of the newest start, restart or reload; see `Request.wallMs`. */
  readonly generation: number;
  readonly processes: readonly ProcessState[];
  readonly vacancies: readonly Vacancy[];
  /** Places that stay empty because `respawn` is off and their process is gone. */
  readonly spent: number;
  /** Of these, those whose process ended with status 0. */
  readonly succeeded: number;
  /** Failed attempts since the last spawn that worked. */
  readonly spawnFailures: number;
  readonly spawnCount: number;
  /** Processes that ended unasked, or were ill, and whose place is filled again. */
  readonly restarts: number;
  /** No spawn before: after a failed one, or to let others have the event loop. */
  readonly spawnNotBeforeMs: Millis;
  /** No spawn before, by `warmup_delay`. */
  readonly warmNotBeforeMs: Millis;
  /** What somebody who stopped it by hand wanted; null: nobody did. */
  readonly intent: Intent | null;
  /** Watchers that it depends on and that are not healthy. While there are any, it does not begin to start. */
  readonly unmet: readonly string[];
  /** Once that is healthy, its hooks have still to be asked whether it may start. */
  readonly isUnasked: boolean;
  /** Last trouble, for people; null where all is well. */
  readonly reason: string | null;
  /** Stopped because it could not run, not because it was told. */
  readonly isFailed: boolean;
  readonly job: Job | null;
  readonly queue: readonly Request[];
  readonly kills: readonly KillWait[];
  /** Calls of hooks in their order; the first is under way (see hooks.ts). */
  readonly calls: readonly HookCall[];
  /** Id of the newest call. */
  readonly lastCall: number;
  /** Monotonic ms at which a stopped watcher gives up the hooks that have not returned. */
  readonly hooksByMs: Millis | null;
  readonly timers: Timers;
}

/** What another agent, which is no more, left of the watcher. */
export interface Legacy
  extends Pick<
      WatcherState,
      "goal" | "status" | "generation" | "spent" | "succeeded" | "restarts" | "spawnFailures" | "reason" | "isFailed"
    >,
    Pick<WatcherState, "spawnNotBeforeMs" | "vacancies"> {
  /** The command that was under way; nobody waits for its reply. */
  readonly job: (Pick<Job, "kind" | "failure"> & { readonly isSequential: boolean }) | null;
  /** In the order of spawning, also those that are gone. */
  readonly processes: readonly LiveProcess[];
  /** Of these, those that ended while nobody was there to see it. */
  readonly gone: readonly (ProcessEnd & { readonly pid: number })[];
  /** Wall ms of now. */
  readonly wallMs: Millis;
}

/** Facts are in the past tense and name wid and pid. */
export type WatcherInput =
  /** The first input, if at all. */
  | { readonly kind: "adopted"; readonly legacy: Legacy }
  | { readonly kind: "command"; readonly request: Request }
  | {
      readonly kind: "spawned";
      readonly wid: number;
      readonly pid: number;
      readonly startedMs: Millis;
      readonly chance: number;
    }
  | { readonly kind: "spawn_failed"; readonly wid: number; readonly reason: string }
  | ({ readonly kind: "exited"; readonly wid: number; readonly pid: number } & ProcessEnd)
  | {
      readonly kind: "children_signalled";
      readonly wid: number;
      readonly pid: number;
      readonly children: readonly number[];
    }
  /** What its health check says; `ailment` says why where it is unhealthy. */
  | {
      readonly kind: "health_changed";
      readonly wid: number;
      readonly pid: number;
      readonly ailment: string | null;
    }
  | { readonly kind: "hook_returned"; readonly id: number; readonly outcome: HookOutcome }
  | { readonly kind: "dependencies_changed"; readonly unmet: readonly string[] }
  | { readonly kind: "timer_fired"; readonly timer: TimerName };

export type ReplyResult =
  | { readonly kind: "done"; readonly info: ChangeInfo; readonly numprocesses: number }
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly reason: string };

interface Reply {
  readonly kind: "reply";
  readonly ticket: number;
  readonly result: ReplyResult;
}

/** Performed in the order of a step: first what is done, then what is told, then the replies. */
export type WatcherEffect =
  | { readonly kind: "spawn"; readonly wid: number; readonly config: WatcherConfig }
  | {
      readonly kind: "signal";
      readonly to: "process" | "group" | "children";
      readonly wid: number;
      readonly pid: number;
      readonly signum: number;
    }
  /** Its outcome comes as `hook_returned`, unless it is cancelled. */
  | { readonly kind: "call_hook"; readonly call: HookCall; readonly config: WatcherConfig }
  | { readonly kind: "cancel_hook"; readonly id: number }
  | { readonly kind: "set_timer"; readonly timer: TimerName; readonly delayMs: Millis }
  | { readonly kind: "clear_timer"; readonly timer: TimerName }
  | { readonly kind: "publish"; readonly event: CircusEvent }
  | { readonly kind: "emit"; readonly event: EventDraft }
  /** To be kept over the agent's lives; null: no more. */
  | { readonly kind: "intend"; readonly intent: Intent | null }
  /** `on_failed = quit`: the agent is to end. */
  | { readonly kind: "escalate"; readonly reason: string }
  | Reply;

/** A watcher that was never started. */
export function initialState(config: WatcherConfig, intent: Intent | null = null): WatcherState {
  return {
    config,
    goal: "down",
    status: "stopped",
    generation: 0,
    processes: [],
    vacancies: [],
    spent: 0,
    succeeded: 0,
    spawnFailures: 0,
    spawnCount: 0,
    restarts: 0,
    spawnNotBeforeMs: 0,
    warmNotBeforeMs: 0,
    intent,
    unmet: config.lifecycle.dependsOn,
    isUnasked: false,
    reason: null,
    isFailed: false,
    job: null,
    queue: [],
    kills: [],
    calls: [],
    lastCall: 0,
    hooksByMs: null,
    timers: {},
  };
}

/** The slot whose spawn is under way (I3, I5). */
export function spawningSlot(state: WatcherState): Spawning | null {
  const last = state.processes.at(-1);
  return last?.kind === "spawning" ? last : null;
}

/** Has a pid: running, or on its way out. */
export function isLive(process: ProcessState): process is LiveProcess {
  return process.kind !== "spawning";
}

export function isRunning(process: ProcessState): process is Running {
  return process.kind === "running";
}

/** Pids that run and are to go on running. */
export function runningPids(state: WatcherState): readonly number[] {
  return state.processes.filter(isRunning).map((process) => process.pid);
}
