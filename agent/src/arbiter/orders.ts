/**
 * What is asked of several watchers at once: started one after another, stopped all together, each in the order
 * that priorities and dependencies ask for. Two sequences never interleave; a person may take single watchers out
 * of one, and a stop of all ends it.
 */
import { CircusError } from "@circus-cluster/proto";
import type { ByHand, Cause, ReloadOptions, WatcherControl } from "../watcher/api.ts";
import { inStartOrder, onAllInReverse, Sequence } from "./sequence.ts";
import { isToWait, type WatcherSet } from "./watcher-set.ts";

interface World {
  readonly watchers: Pick<WatcherSet, "all" | "allOwned" | "awaitConnection">;
  /** Between two watchers' turns, ms. */
  readonly warmupMs: () => number;
}

type Work = (watcher: WatcherControl) => Promise<unknown>;

export class Orders {
  readonly #world: World;
  readonly #sequences = new Set<Sequence>();
  /** Settles when the sequence asked for last has run. */
  #lastSequence: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(world: World) {
    this.#world = world;
  }

  /** From now on nothing is started in a sequence. */
  close(): void {
    this.#isClosed = true;
  }

  /** See {@link AgentView.takeOver}. */
  takeOver(watcher: WatcherControl): void {
    for (const sequence of this.#sequences) sequence.takeOut(watcher);
  }

  /** See {@link AgentView.startMany}. */
  async start(some: readonly WatcherControl[] | null, cause: Cause): Promise<void> {
    const { watchers } = this.#world;
    const autostart = (some ?? watchers.all()).filter((watcher) => watcher.config.autostart);
    // Who stopped one by hand has it back at once; else a connection starts it.
    const chosen = autostart.filter((watcher) => !isToWait(watcher) || watcher.intent !== null);
    for (const watcher of autostart) if (!chosen.includes(watcher)) watchers.awaitConnection(watcher);
    await this.inSequence(chosen, (watcher) => watcher.start(cause));
  }

  /** See {@link AgentView.stopMany}. */
  async stop(some: readonly WatcherControl[] | null, cause: Cause, byHand: ByHand | null = null): Promise<void> {
    if (some === null) for (const sequence of this.#sequences) sequence.end("overtaken by stop");
    for (const watcher of some ?? []) this.takeOver(watcher);
    await onAllInReverse(some ?? this.#world.watchers.allOwned(), (watcher) => watcher.stop(cause, byHand));
  }

  /** See {@link AgentView.restartMany}. */
  async restart(some: readonly WatcherControl[], cause: Cause): Promise<void> {
    const isBack = (w: WatcherControl): boolean => w.status !== "stopped" || (w.config.autostart && !isToWait(w));
    const back = some.filter(isBack);
    await this.stop(some, cause);
    await this.inSequence(back, (watcher) => watcher.start(cause));
  }

  /** See {@link AgentView.reloadAll}. */
  async reloadAll(cause: Cause, options: Omit<ReloadOptions, "newerThan">): Promise<void> {
    // Circus starts what is stopped (reference §5.6); but who stopped one by hand wants it to rest (design §3).
    const rests = (w: WatcherControl): boolean => isToWait(w) || (w.status === "stopped" && w.intent !== null);
    const chosen = this.#world.watchers.all().filter((watcher) => !rests(watcher));
    await this.inSequence(chosen, (watcher) => watcher.reload(cause, { ...options, newerThan: null }));
  }

  /**
   * Each in its turn, in start order, after every sequence that was asked for before.
   *
   * @throws CircusError as {@link Sequence.run}; `conflict` where the agent is about to end.
   */
  async inSequence(watchers: readonly WatcherControl[], work: Work): Promise<void> {
    if (this.#isClosed) throw new CircusError("conflict", "the agent is about to end");
    const sequence = new Sequence();
    this.#sequences.add(sequence);
    const last = this.#lastSequence;
    let run: Promise<void> = Promise.resolve();
    this.#lastSequence = new Promise((resolve) => {
      const pauseMs = this.#world.warmupMs();
      run = last.then(() => sequence.run(inStartOrder(watchers), pauseMs, work, () => resolve(undefined)));
      run.catch(() => resolve(undefined));
    });
    try {
      await run;
    } finally {
      this.#sequences.delete(sequence);
    }
  }
}
