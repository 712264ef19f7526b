/**
 * Work on many watchers, one after another, from which a person may take single watchers out, or which a later
 * wish ends altogether.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { CircusError, reasonOf } from "@circus-cluster/proto";
import type { WatcherControl } from "../watcher/api.ts";

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
   * @throws CircusError `failed` that names each watcher that failed and why, or `conflict` where it was ended.
   */
  async run(
    watchers: readonly WatcherControl[],
    pauseMs: number,
    work: (watcher: WatcherControl) => Promise<unknown>,
  ): Promise<void> {
    const failures: string[] = [];
    for (const [i, watcher] of watchers.entries()) {
      if (i > 0 && pauseMs > 0) await sleep(pauseMs, undefined, { signal: this.#end.signal }).catch(() => undefined);
      if (this.#end.signal.aborted) throw new CircusError("conflict", this.#reason);
      if (this.#taken.has(watcher)) continue;
      try {
        await work(watcher);
      } catch (error) {
        failures.push(`${watcher.config.name}: ${reasonOf(error)}`);
      }
    }
    if (failures.length > 0) throw new CircusError("failed", failures.join("; "));
  }
}

/** In the order in which watchers start: by priority, the highest first, then by name (reference §2.2). */
export function inStartOrder(watchers: readonly WatcherControl[]): readonly WatcherControl[] {
  return [...watchers].sort(
    ({ config: a }, { config: b }) => b.priority - a.priority || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
}

/** Does the same to all at once and waits for all. */
export async function onAll(
  watchers: readonly WatcherControl[],
  work: (watcher: WatcherControl) => Promise<unknown>,
): Promise<void> {
  const results = await Promise.allSettled(watchers.map(work));
  const failures = results.flatMap((result, i) =>
    result.status === "rejected" ? [`${watchers[i]?.config.name ?? ""}: ${reasonOf(result.reason)}`] : [],
  );
  if (failures.length > 0) throw new CircusError("failed", failures.join("; "));
}
