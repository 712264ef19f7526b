/**
 * What a built-in plugin stands on: the agent's commands and events, a log, a loop, and the sign to end. Each plugin is
 * a process of its own, so that one that hangs or fails touches nothing but itself.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Logger, reasonOf, resourceName } from "@circus-cluster/proto";
import { CircusClient, CircusEvents } from "../client.ts";
import { globMatch } from "../config/text.ts";

export interface HostOptions {
  readonly endpoint: string;
  readonly pubsub: string;
  /** As its section calls it: `plugin:flapping`. */
  readonly name: string;
  readonly log: Logger;
  /** The plugin is to end. */
  readonly signal: AbortSignal;
}

export class PluginHost implements AsyncDisposable {
  readonly client: CircusClient;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Its own watcher, as events call it. */
  readonly ownName: string;
  readonly #pubsub: string;

  /** @throws CircusError where an endpoint is none. */
  constructor({ endpoint, pubsub, name, log, signal }: HostOptions) {
    this.client = new CircusClient({ endpoint });
    this.log = log;
    this.signal = signal;
    this.ownName = resourceName(name);
    this.#pubsub = pubsub;
  }

  /** Events from now on; they end with the plugin. Settles when nothing is missed any more. */
  async listen(): Promise<CircusEvents> {
    const events = new CircusEvents({ endpoint: this.#pubsub });
    const aborted = new Promise<void>((resolve) => {
      const end = (): void => {
        events.close();
        resolve();
      };
      if (this.signal.aborted) end();
      else this.signal.addEventListener("abort", end, { once: true });
    });
    await Promise.race([events.connected(), aborted]);
    return events;
  }

  /** Does `look` every so often until the plugin ends, each after the last is over; one that fails is only logged. */
  async every(periodS: number, look: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await sleep(periodS * 1000, undefined, { signal: this.signal });
      } catch {
        return;
      }
      await this.attempt("look failed", look);
    }
  }

  /** An agent that does not answer now may do so later. */
  async attempt(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!this.signal.aborted) this.log.warning(what, { reason: reasonOf(error) });
    }
  }

  /**
   * Restarts those watchers of a name or glob that run: what somebody stopped is not brought back.
   *
   * @returns whether there was any
   */
  async restartRunning(pattern: string, why: string): Promise<boolean> {
    const lower = pattern.toLowerCase();
    const running = Object.entries(await this.client.statuses())
      .filter(([name, status]) => status === "active" && globMatch(name.toLowerCase(), lower))
      .map(([name]) => name);
    for (const name of running) {
      this.log.warning("restarting", { watcher: name, why });
      await this.client.ask("restart", { name, match: "simple" });
    }
    if (running.length === 0) this.log.warning("nothing to restart: none runs", { watcher: pattern, why });
    return running.length > 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }
}
