/** What a watcher needs of the world; the arbiter gives the real things, tests a simulated one. */
import type { Health, Logger, Millis } from "@circus-cluster/proto";
import type { WatcherConfig } from "../config/types.ts";
import type { EventBus } from "../events/api.ts";
import type { CircusStatus, ProcessView } from "./api.ts";
import type { HookCall, HookOutcome, Intent, ProcessEnd, WatcherState } from "./state.ts";

/** A living process that another agent started. */
export interface Inherited {
  readonly wid: number;
  readonly pid: number;
  /** Path of its notify socket; null: it has none. */
  readonly notify: string | null;
  /** Paths of the FIFOs that it writes to; null: none. */
  readonly stdout: string | null;
  readonly stderr: string | null;
}

interface SpawnRequest {
  /** As it holds at this moment, with the values of `set`. */
  readonly config: WatcherConfig;
  readonly wid: number;
}

export type ProcessExit = ProcessEnd;

export type SpawnResult =
  | { readonly ok: true; readonly pid: number /** Wall ms. */; readonly startedMs: Millis }
  /** One line for people: what, and why not. */
  | { readonly ok: false; readonly reason: string };

export interface HealthSoFar {
  readonly health: Health;
  readonly ailment: string | null;
  readonly uptimeMs: Millis;
}

/** The health check of one process, from before its spawn to its end. */
export interface HealthWatch {
  /** What the process needs in its environment. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * @param tell called with what ails it where it is unhealthy, null where it is healthy; at each change
   * @param sofar of a process that runs already. @default nothing: it is new
   */
  begin(pid: number, tell: (ailment: string | null) => void, sofar?: HealthSoFar): void;
  /** Harmless twice; nothing is told afterwards. */
  close(): void;
}

export type Stats = Readonly<Record<string, unknown>>;

/** A call of a hook, and the watcher as the hook is to see it. */
export interface HookRequest {
  readonly call: Pick<HookCall, "hook" | "subject" | "facts">;
  readonly config: WatcherConfig;
  readonly status: CircusStatus;
  readonly processes: readonly ProcessView[];
  /** Of `extended_stats`, which may change them; null for all others. */
  readonly stats: Stats | null;
  /** Sends a signal to one of the watcher's own processes; false where there is none such. */
  send(pid: number, signum: number): boolean;
}

/** @param stats as `extended_stats` left them */
export type TellHook = (outcome: HookOutcome, stats?: Stats) => void;

export type TimerHandle = object | number;

/** Functions that signal do not throw for a process that is gone: its exit is on its way. */
export interface WatcherDeps {
  /** Synchronous; `onExit` is called once, later, and never where the result is not `ok`. */
  spawn(request: SpawnRequest, onExit: (exit: ProcessExit) => void): SpawnResult;
  signal(pid: number, signum: number): void;
  /** To the process group that `pid` leads, and to its descendants that left it. */
  killGroup(pid: number, signum: number): void;
  /** To the direct children of `pid`; returns their pids. */
  signalChildren(pid: number, signum: number): readonly number[];
  /**
   * Goes on with the output of such a process and calls `onExit` once, later, when it has ended. What it was given by
   * `signal` and so on meets no other process, whoever gets its number.
   */
  attend(process: Inherited, config: WatcherConfig, onExit: (exit: ProcessExit) => void): void;
  /**
   * Null where the watcher has no health check.
   *
   * @param notify path that the process writes to already. @default a new one, where it is to have one
   */
  watchHealth(config: WatcherConfig, wid: number, notify?: string): HealthWatch | null;
  /**
   * Calls a hook, or checks that all of them can be called. Never blocks and never throws; `tell` is called once at
   * most. The result breaks the call off: nothing is told afterwards.
   */
  callHook(request: HookRequest, tell: TellHook): () => void;
  /** All its processes are healthy from now on, or no longer; see `depends_on`. */
  healthTurned(isHealthy: boolean): void;
  /** Its state is another one as soon as this returns; nothing of what follows from that is done yet. */
  stateTurned(before: WatcherState, after: WatcherState): void;
  /** Its status is another one as soon as this returns. */
  statusTurned(status: CircusStatus): void;
  /** Its configuration is another one as soon as this returns. */
  configTurned(config: WatcherConfig): void;
  /** Settles when, of a watcher that is stopped, all output is written. */
  outputAtRest(): Promise<void>;
  /** To be kept over the agent's lives; null: no more. */
  intend(intent: Intent | null): void;
  /** `on_failed = quit`: the agent is to end. */
  escalate(reason: string): void;
  setTimer(delayMs: Millis, fire: () => void): TimerHandle;
  clearTimer(handle: TimerHandle): void;
  /** Monotonic ms. */
  now(): Millis;
  /** Wall ms. */
  wall(): Millis;
  /** In [0, 1). */
  random(): number;
  readonly bus: EventBus;
  readonly log: Logger;
}
