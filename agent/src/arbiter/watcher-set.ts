/**
 * All watchers of an arbiter: made from their configurations, found by name, taken out again; and what is
 * between them: who depends on whom, who waits for a connection, who was stopped by hand.
 */
import { type Logger, reasonOf } from "@circus-cluster/proto";
import type { WatcherConfig } from "../config/types.ts";
import type { WorkerJournal } from "../journal/worker-journal.ts";
import type { Outputs } from "../output/outputs.ts";
import type { ReadableSockets } from "../sockets/readable.ts";
import type { SocketRegistry } from "../sockets/registry.ts";
import type { WatcherControl } from "../watcher/api.ts";
import type { WatcherDeps } from "../watcher/deps.ts";
import { NOBODY } from "../watcher/state.ts";
import { createWatcher } from "../watcher/watcher.ts";
import { Demand } from "./demand.ts";
import { Dependencies } from "./dependencies.ts";
import type { Intents } from "./intents.ts";
import type { OwnDeps } from "./watcher-deps.ts";

interface World {
  /** What one watcher needs of the world outside the set. */
  readonly depsOf: (log: Logger) => OwnDeps;
  readonly sockets: SocketRegistry;
  readonly outputs: Outputs;
  readonly log: Logger;
  readonly intents: Intents;
  readonly journal: WorkerJournal;
  readonly readable: ReadableSockets;
  /** Monotonic ms. */
  readonly now: () => number;
  /** Between two starts of one watcher by connections, ms. */
  readonly demandPauseMs: () => number;
  /** A watcher with `on_failed = quit` failed. */
  readonly giveUp: (watcher: string, reason: string) => void;
}

export class WatcherSet {
  readonly #world: World;
  readonly #demand: Demand;
  readonly #dependencies = new Dependencies(() => this.#watchers);
  /** Sorted by name. */
  #watchers: readonly WatcherControl[] = [];
  /** Taken out already, but not done yet. */
  readonly #leaving = new Set<WatcherControl>();
  /** As each was read from the file last, or added. */
  readonly #written = new Map<WatcherControl, WatcherConfig>();

  constructor(world: World) {
    const { sockets, log } = world;
    this.#world = world;
    this.#demand = new Demand({
      fdOf: (name) => sockets.get(name)?.fd,
      socketNames: () => sockets.all().map((socket) => socket.config.name),
      start: (watcher) => {
        watcher.start(NOBODY).catch((error: unknown) => log.debug("start", { reason: reasonOf(error) }));
      },
      now: world.now,
      readable: world.readable,
      log,
      pauseMs: world.demandPauseMs,
    });
  }

  /** Sorted by name. */
  all(): readonly WatcherControl[] {
    return this.#watchers;
  }

  /** The watcher as it was read or added, without what `set` and `incr` changed since. */
  writtenOf(watcher: WatcherControl): WatcherConfig {
    return this.#written.get(watcher) ?? watcher.config;
  }

  /** Of that name, in any case. */
  find(name: string): WatcherControl | undefined {
    return this.#watchers.find((watcher) => isCalled(watcher, name));
  }

  /** On its way out, of that name, in any case. */
  findLeaving(name: string): WatcherControl | undefined {
    return [...this.#leaving].find((watcher) => isCalled(watcher, name));
  }

  /** Those that are there, and those on their way out. */
  allOwned(): readonly WatcherControl[] {
    return [...this.#watchers, ...this.#leaving];
  }

  /**
   * Makes one, stopped.
   *
   * @param isAdded by a command, not by the file
   * @param current what `set` and so on made of it in the life of another agent. @default the same
   */
  add(config: WatcherConfig, isAdded: boolean, current: WatcherConfig = config): WatcherControl {
    const { depsOf, outputs, intents, giveUp, journal } = this.#world;
    const log = this.#world.log.child({ watcher: config.name });
    const deps: WatcherDeps = {
      ...depsOf(log),
      stateTurned: (before, after) => journal.turned(before, after),
      healthTurned: (isHealthy) => this.#dependencies.turned(config.name, isHealthy),
      statusTurned: (status) => {
        if (status === "stopped") outputs.rest(config.name);
        this.#demand.turned(watcher);
      },
      configTurned: (changed) => {
        journal.configured(this.writtenOf(watcher), changed, isAdded);
        outputs.configure(changed);
        // At once: a restart that is a part of the change would wait for what it no longer depends on.
        watcher.dependenciesChanged(this.#dependencies.unmet(changed));
      },
      outputAtRest: () => outputs.atRest(config.name),
      intend: (intent) => intents.set(config.name, intent),
      escalate: (reason) => giveUp(config.name, reason),
    };
    const watcher = createWatcher(current, deps, intents.get(config.name));
    journal.configured(config, current, isAdded);
    this.#watchers = [...this.#watchers, watcher].sort((a, b) => (a.config.name < b.config.name ? -1 : 1));
    this.#written.set(watcher, config);
    watcher.dependenciesChanged(this.#dependencies.unmet(current));
    return watcher;
  }

  /** It was read anew: after this its configuration is what `configure` makes of that. */
  rewrite(watcher: WatcherControl, config: WatcherConfig): void {
    this.#written.set(watcher, config);
  }

  /** Its configuration, or a socket of its own, is another one now. */
  changed(watcher: WatcherControl): void {
    this.#demand.changed(watcher);
  }

  /**
   * Nobody finds it any more; until it is forgotten it is stopped with all others, and its name is not free.
   */
  takeOut(watcher: WatcherControl): void {
    this.#watchers = this.#watchers.filter((other) => other !== watcher);
    this.#leaving.add(watcher);
  }

  /** Knows it no more; whatever it runs is for the caller to have stopped, or runs on unmanaged. */
  forget(watcher: WatcherControl): void {
    const { name } = watcher.config;
    watcher.abandon();
    this.#world.outputs.leave(name);
    this.#watchers = this.#watchers.filter((other) => other !== watcher);
    this.#written.delete(watcher);
    this.#leaving.delete(watcher);
    this.#world.journal.forget(name);
    this.#demand.forget(watcher);
    this.#dependencies.forget(name);
    if (watcher.intent !== null) this.#world.intents.set(name, null);
  }

  /** Something it depends on is not healthy: it would not start now. */
  isWaiting(watcher: WatcherControl): boolean {
    return this.#dependencies.unmet(watcher.config).length > 0;
  }

  /** In place of a start: from now on a connection starts it. */
  awaitConnection(watcher: WatcherControl): void {
    this.#demand.await(watcher);
  }

  /** Their processes live on without us; nothing of them is told any more. */
  abandonAll(): void {
    for (const watcher of this.allOwned()) watcher.abandon();
  }

  /** Nobody is started by a connection any more. */
  closeDemand(): void {
    this.#demand.close();
  }
}

/** It rests until a connection comes. */
export function isToWait(watcher: WatcherControl): boolean {
  return watcher.config.onDemand && watcher.status === "stopped";
}

function isCalled(watcher: WatcherControl, name: string): boolean {
  return watcher.config.name.toLowerCase() === name.toLowerCase();
}
