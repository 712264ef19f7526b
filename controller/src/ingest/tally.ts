/** Counts what events tell, since this controller started. The kinds that we do not know count as one. */
import { EVENT_KINDS } from "@circus-cluster/proto";
import type { StoredEvent } from "./decode.ts";

const OTHER = "other";

export class Tally {
  readonly #kinds = new Map<string, number>([...EVENT_KINDS, OTHER].map((kind) => [kind, 0]));
  #crashes = 0;

  add(events: readonly StoredEvent[]): void {
    for (const { event } of events) {
      const kind = this.#kinds.has(event.kind) ? event.kind : OTHER;
      this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
      if (kind === "process_exited" && event.data["expected"] !== true) this.#crashes++;
    }
  }

  /** By kind of event. */
  get kinds(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#kinds);
  }

  /** Processes that ended although nobody had asked them to. */
  get crashes(): number {
    return this.#crashes;
  }
}
