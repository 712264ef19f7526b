/**
 * What the rest of the agent sees of a watcher: the contract between the watcher's runner and the command
 * handlers. Changes on one watcher queue behind each other; changes on different watchers do not wait.
 */
import type { Health, WatcherSnapshot } from "@circus-cluster/proto";
import type { WatcherChange } from "../config/diff.ts";
import type { DrainHook } from "../config/hooks.ts";
import type { WatcherConfig } from "../config/types.ts";
import type { Inherited, Stats } from "./deps.ts";
import type { Intent, Legacy } from "./state.ts";

/** Circus's four words (reference §2.1). */
export const CIRCUS_STATUSES = ["stopped", "starting", "active", "stopping"] as const;
export type CircusStatus = (typeof CIRCUS_STATUSES)[number];

export interface ProcessView {
  readonly wid: number;
  readonly pid: number;
  /** Wall ms. */
  readonly startedMs: number;
  readonly health: Health;
  readonly generation: number;
}

/** `info` of a waited command (reference §5.10): pids. */
export interface ChangeInfo {
  readonly stopped: readonly number[];
  readonly started: readonly number[];
  readonly kept: readonly number[];
}

/** Who asked for a change and by which command; null fields where it was the agent itself. */
export interface Cause {
  readonly actor: string | null;
  readonly command: string | null;
}

export interface ByHand {
  /** In the person's words. */
  readonly why: string | null;
}

export interface ReloadOptions {
  readonly graceful: boolean;
  readonly sequential: boolean;
  /** Nothing to do where every process is newer already (design §5). */
  readonly newerThan: number | null;
}

/** All promises reject with a CircusError (`failed`, with the reason) where the work fails. */
export interface WatcherControl {
  /** As written in the configuration, with the values of `set` on top. */
  readonly config: WatcherConfig;
  readonly status: CircusStatus;
  /** Who stopped it by hand, so that it is not started with the agent; null: nobody did. */
  readonly intent: Intent | null;
  processes(): readonly ProcessView[];
  /** Goes on with what another agent left; once, before anything else. @param living of its processes */
  adopt(legacy: Legacy, living: readonly Inherited[]): void;
  /** What it depends on and is not healthy now; while there is any, a start waits. */
  dependenciesChanged(unmet: readonly string[]): void;
  snapshot(): WatcherSnapshot;
  /**
   * Calls `onFailure` once, at the next spawn that fails: from then on a start may take long.
   *
   * @returns ends the waiting; harmless twice and afterwards
   */
  onceSpawnFails(onFailure: () => void): () => void;
  /** Spawns what is missing; on a stopped watcher starts it. */
  start(cause: Cause): Promise<ChangeInfo>;
  /** @param byHand a person wants it to rest: kept over the agent's lives until a start, restart or reload */
  stop(cause: Cause, byHand?: ByHand | null): Promise<ChangeInfo>;
  restart(cause: Cause, newerThan: number | null): Promise<ChangeInfo>;
  reload(cause: Cause, options: ReloadOptions): Promise<ChangeInfo>;
  /** Resolves with the number that holds now; a stopped watcher only remembers it. */
  setNumprocesses(cause: Cause, n: number): Promise<number>;
  /** `incr`/`decr`: relative to what holds when its turn comes; never below 0. */
  addProcesses(cause: Cause, delta: number): Promise<number>;
  /** Options as `checkOptions` of proto accepts them; applies what can be applied live, reloads where it must. */
  set(cause: Cause, options: Readonly<Record<string, unknown>>): Promise<void>;
  /** What the configuration file changed; a watcher that is stopped stays so. */
  configure(cause: Cause, change: WatcherChange): Promise<ChangeInfo>;
  /** Its processes live on and are nobody's business any more; nothing of it is told from now on. */
  abandon(): void;
  /** Signal, then SIGKILL to the group after the timeout; replaced if `respawn`. Null: defaults of the watcher; all pids. */
  kill(cause: Cause, pid: number | null, signum: number | null, gracefulTimeoutS: number | null): Promise<void>;
  /** One signal to each of these that is its own, as the hooks permit; resolves before their answers. */
  signal(cause: Cause, pids: readonly number[], signum: number): Promise<void>;
  /** The statistics of a process as the hook `extended_stats` completes them; the same where there is none. */
  extendStats(pid: number, stats: Stats): Promise<Stats>;
  /**
   * Calls the hook that takes it out of its balancer or puts it back; harmless twice as far as the hook is. Rejects where
   * that says no or fails, unless its failures are ignored.
   *
   * @returns false where it has no such hook
   */
  callDrainHook(hook: DrainHook): Promise<boolean>;
}
