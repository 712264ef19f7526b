/**
 * Work on many watchers, one after another, from which a person may take single watchers out, or which a later
 * wish ends altogether.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { CircusError, reasonOf } from "@circus-cluster/proto";
import type { WatcherControl } from "../watcher/api.ts";
import { dependenciesFirst, dependentsOf } from "./dependencies.ts";

export class Sequence {
  readonly #taken = new Set<WatcherControl>();
  readonly #end = new AbortController();
  #reason = "";

  /** Leaves this one alone if its turn has not come yet. */
  takeOut(watcher: WatcherControl): void {
    this.#taken.add(watcher);
  }

  /** No further watcher's turn comes. */
  end(reason: string): void {
    this.#reason = reason;
    this.#end.abort();
  }

  /**
   * Settles when all had their turn; what fails does not stop the rest.
   *
   * @param pauseMs between two of them
   * @param onTurns called when all had their turn, though some may still wait for what they depend on
   * @throws CircusError `failed` that names each watcher that failed and why, or `conflict` where it was ended.
   */
  async run(
    watchers: readonly WatcherControl[],
    pauseMs: number,
    work: (watcher: WatcherControl) => Promise<unknown>,
    onTurns: () => void = () => undefined,
  ): Promise<void> {
    const failures: string[] = [];
    const failed = (watcher: WatcherControl, error: unknown) =>
      void failures.push(`${watcher.config.name}: ${reasonOf(error)}`);
    const waiting: Promise<void>[] = [];
    for (const [i, watcher] of watchers.entries()) {
      if (i > 0 && pauseMs > 0) await sleep(pauseMs, undefined, { signal: this.#end.signal }).catch(() => undefined);
      if (this.#end.signal.aborted) throw new CircusError("conflict", this.#reason);
      if (this.#taken.has(watcher)) continue;
      const trouble = spawnTrouble(watcher);
      const done = work(watcher).then(
        () => undefined,
        (error: unknown) => failed(watcher, error),
      );
      waiting.push(done);
      // It may have to wait for what it depends on, or be spawned in vain for a while: nobody has to wait with it.
      if (watcher.config.lifecycle.dependsOn.length === 0) await Promise.race([done, trouble.came]);
      trouble.forget();
    }
    onTurns();
    await Promise.all(waiting);
    if (failures.length > 0) throw new CircusError("failed", failures.join("; "));
  }
}

/** Settles when a spawn of the watcher fails. */
function spawnTrouble(watcher: WatcherControl): { readonly came: Promise<void>; readonly forget: () => void } {
  let forget: () => void = () => undefined;
  const came = new Promise<void>((resolve) => {
    forget = watcher.onceSpawnFails(resolve);
  });
  return { came, forget };
}

/**
 * In the order in which watchers start: by priority, the highest first, then by name (reference §2.2); but
 * whatever one depends on comes before it.
 */
export function inStartOrder(watchers: readonly WatcherControl[]): readonly WatcherControl[] {
  return dependenciesFirst(
    [...watchers].sort(({ config: a }, { config: b }) => b.priority - a.priority || compareNames(a, b)),
  );
}

/** In the order in which watchers are told to stop: the lowest priority first, then by name; dependents come first. */
function inStopOrder(watchers: readonly WatcherControl[]): readonly WatcherControl[] {
  const lastFirst = [...watchers].sort(({ config: a }, { config: b }) => b.priority - a.priority || compareNames(b, a));
  return [...dependenciesFirst(lastFirst)].reverse();
}

function compareNames(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/**
 * Stops all at once and waits for all; only one that others depend on waits until those are done (well or not).
 *
 * @throws CircusError `failed` that names each watcher that failed and why
 */
export async function onAllInReverse(
  watchers: readonly WatcherControl[],
  work: (watcher: WatcherControl) => Promise<unknown>,
): Promise<void> {
  const works = new Map<WatcherControl, Promise<unknown>>();
  for (const watcher of inStopOrder(watchers)) {
    const before = dependentsOf(watcher.config.name, watchers).flatMap((dependent) => works.get(dependent) ?? []);
    works.set(watcher, before.length === 0 ? work(watcher) : Promise.allSettled(before).then(() => work(watcher)));
  }
  await allDone(
    watchers.map(({ config }) => config.name),
    watchers.map((watcher) => works.get(watcher) ?? Promise.resolve()),
  );
}

/**
 * Waits for all, well or not.
 *
 * @throws CircusError `failed` that names each that failed and why
 */
export async function allDone(names: readonly string[], works: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(works);
  const failures = results.flatMap((result, i) =>
    result.status === "rejected" ? [`${names[i] ?? ""}: ${reasonOf(result.reason)}`] : [],
  );
  if (failures.length > 0) throw new CircusError("failed", failures.join("; "));
}
