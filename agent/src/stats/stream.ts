/**
 * The statistics stream (reference §8.2): once a second one pass over all processes, only while somebody listens, and
 * only over what they listen to. The agent publishes it itself: there is no `circusd-stats`.
 */
import { setImmediate as breathe } from "node:timers/promises";
import { type Logger, reasonOf } from "@circus-cluster/proto";
import type { SocketItem } from "../sockets/registry.ts";
import { countConnections } from "./connections.ts";
import { GONE, type ProcessRecord, StatsSampler } from "./sampler.ts";
import {
  AGENT_SERIES,
  processMessages,
  SOCKETS_TOPIC,
  type StatsMessage,
  seriesName,
  socketMessages,
} from "./series.ts";
import type { Subscriptions } from "./subscriptions.ts";

const PERIOD_MS = 1000;
/** Processes sampled in a row before others get the event loop: about 5 ms. */
const BURST = 32;

export interface StatsSource {
  watchers(): readonly { readonly name: string; readonly pids: readonly number[] }[];
  sockets(): readonly SocketItem[];
}

interface StatsStreamOptions {
  readonly subscriptions: Subscriptions;
  readonly source: StatsSource;
  readonly publish: (message: StatsMessage) => void;
  readonly log: Logger;
  /** @default 1000 */
  readonly periodMs?: number;
}

export class StatsStream implements Disposable {
  readonly #options: StatsStreamOptions;
  /** Of its own: who asks by `stats` meanwhile must not shorten the time that the next figure is about. */
  #sampler: StatsSampler | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isBusy = false;

  constructor(options: StatsStreamOptions) {
    this.#options = options;
  }

  /** The subscriptions may have changed: begins at once, or ends. */
  turned(): void {
    const isWanted = this.#options.subscriptions.wants("stat.");
    if (isWanted === (this.#timer !== null)) return;
    if (!isWanted) {
      this[Symbol.dispose]();
      return;
    }
    this.#sampler = new StatsSampler();
    this.#timer = setInterval(() => void this.#round(), this.#options.periodMs ?? PERIOD_MS);
    void this.#round();
  }

  /** Harmless twice. */
  [Symbol.dispose](): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#sampler = null;
  }

  /** Never rejects. One that takes longer than a second leaves the next one out. */
  async #round(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      await this.#processes();
      await this.#sockets();
    } catch (error) {
      this.#options.log.error("no statistics", { reason: reasonOf(error) });
    } finally {
      this.#isBusy = false;
    }
  }

  async #processes(): Promise<void> {
    const { subscriptions, source, publish } = this.#options;
    const all = source.watchers().map(({ name, pids }) => ({ series: seriesName(name), pids, name: null }));
    const own = { series: AGENT_SERIES, pids: [process.pid], name: "circusd" };
    let sampled = 0;
    for (const { series, pids, name } of [own, ...all]) {
      if (!subscriptions.wants(`stat.${series}`)) continue;
      const records: ProcessRecord[] = [];
      for (const pid of pids) {
        const record = this.#sampler?.sampleAlone(pid, null) ?? GONE;
        if (record !== GONE) records.push(record);
        if (++sampled % BURST === 0) await breathe();
      }
      if (this.#sampler === null) return; // nobody listens any more
      for (const message of processMessages(series, records, () => name)) publish(message);
    }
  }

  async #sockets(): Promise<void> {
    const { subscriptions, source, publish } = this.#options;
    const sockets = source.sockets();
    if (sockets.length === 0 || this.#sampler === null || !subscriptions.wants(SOCKETS_TOPIC)) return;
    for (const message of socketMessages(sockets, await countConnections(sockets))) publish(message);
  }
}
