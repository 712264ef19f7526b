/** Reloads of the configuration, one after another: each finds what the last has left. */
import { CircusError, type Logger, reasonOf } from "@circus-cluster/proto";
import { formatDiagnostics } from "../config/check.ts";
import type { ConfigPlan } from "../config/diff.ts";
import type { AgentConfig, LoadResult } from "../config/types.ts";
import type { EventBus } from "../events/api.ts";
import type { WorkerJournal } from "../journal/worker-journal.ts";
import type { SocketRegistry } from "../sockets/registry.ts";
import type { Cause } from "../watcher/api.ts";
import { NOBODY } from "../watcher/state.ts";
import type { Orders } from "./orders.ts";
import { reconfigure } from "./reconfigure.ts";
import type { WatcherSet } from "./watcher-set.ts";

interface World {
  readonly watchers: WatcherSet;
  readonly orders: Orders;
  readonly sockets: SocketRegistry;
  readonly journal: WorkerJournal;
  readonly bus: EventBus;
  readonly log: Logger;
  /** Null: the agent was not made from a file. */
  readonly read: (() => LoadResult) | null;
  readonly config: () => AgentConfig;
  readonly apply: (config: AgentConfig, changed: readonly string[]) => void;
  readonly problemOf: (next: AgentConfig, plan: ConfigPlan) => string | null;
  /** @throws CircusError where the agent is about to end. */
  readonly checkAlive: () => void;
}

export class Reloads {
  readonly #world: World;
  /** Settles when the last one is done. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(world: World) {
    this.#world = world;
  }

  /** See {@link AgentView.reloadConfig}. */
  reload(cause: Cause): Promise<readonly string[]> {
    return this.#next(() => this.#change(this.read(), cause));
  }

  /** What was adopted runs as the file was before: brings it to what the file is now. Failures are logged. */
  catchUp(wanted: AgentConfig): void {
    const { log } = this.#world;
    log.info("the configuration is another one than before: what was adopted is brought to it");
    this.#next(() => this.#change(wanted, NOBODY)).catch((error: unknown) => {
      log.error("what was adopted could not be brought to the configuration", { reason: reasonOf(error) });
    });
  }

  /** @throws CircusError `failed` with all mistakes in one line */
  read(): AgentConfig {
    const { read } = this.#world;
    if (read === null) throw new CircusError("failed", "this agent was not made from a file");
    const { config, diagnostics } = read();
    if (config !== null) return config;
    const errors = diagnostics.filter(({ severity }) => severity === "error");
    throw new CircusError("failed", formatDiagnostics(errors, process.cwd()).join("; "));
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(() => {
      this.#world.checkAlive();
      return work();
    });
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #change(next: AgentConfig, cause: Cause): Promise<readonly string[]> {
    const { sockets, journal, log, config, ...world } = this.#world;
    const remember = (): void => journal.sockets(sockets.memories());
    const deferred = await reconfigure(
      {
        ...{ ...world, sockets, log },
        apply: (applied, changed) => {
          remember(); // before a process can have one of the new ones
          world.apply(applied, changed);
        },
        problemOf: (plan) => world.problemOf(next, plan),
      },
      config(),
      next,
      cause,
    ).finally(remember);
    if (deferred.length > 0) log.warning("in effect only after a restart of circusd", { keys: deferred.join() });
    return deferred;
  }
}
