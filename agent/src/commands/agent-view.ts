/** What command handlers see of the agent: the arbiter implements it, tests fake it. */
import type { CircusReply, HostSnapshot, Logger } from "@circus-cluster/proto";
import type { AgentConfig, WatcherConfig } from "../config/types.ts";
import type { ConfigFile } from "../config-push/config-file.ts";
import type { EventBus } from "../events/api.ts";
import type { Outputs } from "../output/outputs.ts";
import type { SocketItem } from "../sockets/registry.ts";
import type { GONE, Known, ProcessRecord } from "../stats/sampler.ts";
import type { Look } from "../stats/usage-look.ts";
import type { ByHand, Cause, WatcherControl } from "../watcher/api.ts";

/** Sending signals and looking at process trees. */
export interface ProcessAccess {
  /** False where the process has gone. */
  send(pid: number, signum: number): boolean;
  childrenOf(pid: number): readonly number[];
  descendantsOf(pid: number): readonly number[];
}

export interface AgentView {
  readonly config: AgentConfig;
  readonly bus: EventBus;
  readonly log: Logger;
  readonly processes: ProcessAccess;
  /** Sorted by name. */
  watchers(): readonly WatcherControl[];
  sockets(): readonly SocketItem[];
  /** The record of reference §8.1. */
  sample(pid: number, known: Known | null): ProcessRecord | typeof GONE;
  snapshot(): HostSnapshot;
  /** CPU time and memory of all watchers, of this moment or just before it. */
  readonly usage: () => Promise<Look>;
  /** What processes wrote and write. */
  readonly logs: Pick<Outputs, "followers" | "fileOf" | "endOf">;
  /** The file of `config`, as it is handled from afar. */
  readonly configFile: Pick<ConfigFile, "look" | "check" | "stage" | "apply">;
  /** Why this watcher cannot have so many processes beside all others; null: it can (design §3). */
  roomProblem(watcher: WatcherControl, numprocesses: number): string | null;

  /** Why a stream of this configuration cannot be opened; null: it can. */
  streamProblem(config: WatcherConfig): string | null;
  /** Log files that were moved away are made anew. */
  reopenOutputs(): void;

  /** Starts those with `autostart` one after another, by priority; null: all. */
  startMany(watchers: readonly WatcherControl[] | null, cause: Cause): Promise<void>;
  /** Stops all of them at once, those that others depend on after those; null: all. */
  stopMany(watchers: readonly WatcherControl[] | null, cause: Cause, byHand?: ByHand | null): Promise<void>;
  /** Stops them at once, then starts those that ran or have `autostart`, one after another. */
  restartMany(watchers: readonly WatcherControl[], cause: Cause): Promise<void>;
  /** Reloads every watcher, one after another; starts those that are stopped (reference §5.6), but not by hand. */
  reloadAll(cause: Cause, options: { readonly graceful: boolean; readonly sequential: boolean }): Promise<void>;
  /** A person named this watcher: a start of all that is under way leaves it alone from now on. */
  takeOver(watcher: WatcherControl): void;
  /**
   * A new watcher, stopped.
   *
   * @throws CircusError `conflict` where its name is not free
   */
  addWatcher(config: WatcherConfig, cause: Cause): WatcherControl;
  /** @throws CircusError `conflict` where there is one of this name, in any case */
  checkNameIsFree(name: string): void;
  /** @throws CircusError `conflict` where another one depends on it */
  checkIsRemovable(watcher: WatcherControl): void;
  /** Takes it out at once; settles when it is stopped. @param isLeft its processes run on, managed by nobody */
  removeWatcher(watcher: WatcherControl, isLeft: boolean, cause: Cause): Promise<void>;
  /**
   * Reads the configuration file again and does what has changed.
   *
   * @returns the keys that take effect only when the agent is restarted
   * @throws CircusError `failed` where the file has errors or a socket cannot be opened: then nothing is touched;
   *   or where watchers did not come up.
   */
  reloadConfig(cause: Cause): Promise<readonly string[]>;
  /**
   * Ends everything and begins anew from the configuration file; settles when all is stopped.
   *
   * @throws CircusError `failed` where the file has errors: then nothing is touched.
   */
  restartAgent(cause: Cause): Promise<void>;
  /**
   * Ends the agent; settles when all watchers are stopped.
   *
   * @param leavesWorkers they run on, for the next agent to adopt. @default false
   */
  quit(cause: Cause, leavesWorkers?: boolean): Promise<void>;
  /** Why workers cannot outlive this agent; null: they can. */
  readonly leaveProblem: string | null;
}

/** A request as a door hands it on: decoded, with the asker as the door knows it. */
export interface CommandRequest {
  /** Any case. */
  readonly command: string;
  /** Must be an object; anything else is answered with an error. */
  readonly properties: unknown;
  /** NATS user; null: whoever can reach the local endpoint. */
  readonly actor: string | null;
  readonly door: "zmq" | "nats";
  /** The asker's id, for the audit; null: one is made. */
  readonly commandId: string | null;
}

/** Answers every request exactly once and never rejects; the reply lacks only `id`. */
export type Dispatch = (request: CommandRequest) => Promise<CircusReply>;
