/** Usage for whoever asks: one look at a time, which all share who ask meanwhile or just after it. */
import type { Millis } from "@circus-cluster/proto";
import { type Usage, UsageMeter } from "./usage.ts";

const KEEP_MS = 500;

export interface Look {
  /** Monotonic. */
  readonly at: Millis;
  readonly usages: ReadonlyMap<string, Usage>;
}

type Watchers = Parameters<UsageMeter["read"]>[0];

export class UsageLook {
  readonly #meter = new UsageMeter();
  #last: Promise<Look> | null = null;
  #madeMs = Number.NEGATIVE_INFINITY;

  look(watchers: () => Watchers): Promise<Look> {
    if (this.#last !== null && performance.now() - this.#madeMs < KEEP_MS) return this.#last;
    // Two looks at once would count the same CPU time twice.
    this.#madeMs = Number.POSITIVE_INFINITY;
    this.#last = this.#make(watchers()).finally(() => {
      this.#madeMs = performance.now();
    });
    return this.#last;
  }

  async #make(watchers: Watchers): Promise<Look> {
    const usages = await this.#meter.read(watchers);
    return { at: performance.now(), usages };
  }
}
