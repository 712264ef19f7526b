/** What the subscribers of the statistics stream want to hear, as an XPUB socket tells it. Pure. */

/** Different prefixes that are remembered; with more, everything counts as wanted. */
const PREFIXES_MAX = 1000;
const SUBSCRIBE = 1;
const UNSUBSCRIBE = 0;

export class Subscriptions {
  readonly #prefixes = new Set<string>();
  readonly #max: number;
  /** Prefixes that found no place. */
  #more = 0;

  constructor(max = PREFIXES_MAX) {
    this.#max = max;
  }

  /** @param message one byte, then the prefix; each prefix once at its first subscriber and once at its last */
  take(message: Uint8Array): void {
    const [what] = message;
    if (what !== SUBSCRIBE && what !== UNSUBSCRIBE) return; // not about subscriptions: a client may send anything
    const prefix = new TextDecoder().decode(message.subarray(1));
    if (what === SUBSCRIBE) {
      if (this.#prefixes.has(prefix)) return;
      if (this.#prefixes.size < this.#max) this.#prefixes.add(prefix);
      else this.#more++;
    } else if (!this.#prefixes.delete(prefix)) this.#more = Math.max(0, this.#more - 1);
  }

  /** Would somebody get `topic`, or a topic that begins with it? */
  wants(topic: string): boolean {
    if (this.#more > 0) return true;
    for (const prefix of this.#prefixes) if (prefix.startsWith(topic) || topic.startsWith(prefix)) return true;
    return false;
  }
}
