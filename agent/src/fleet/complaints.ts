/** Says each thing once, and again only after a while: what a lasting trouble needs of a log. */

/** Different things remembered at once. */
const MEMORY_MAX = 64;

export class Complaints {
  readonly #repeatMs: number;
  readonly #monotonic: () => number;
  readonly #told = new Map<string, number>();

  constructor(repeatMs: number, monotonic: () => number) {
    this.#repeatMs = repeatMs;
    this.#monotonic = monotonic;
  }

  /** Was anything told since the last `clear`? */
  get isEmpty(): boolean {
    return this.#told.size === 0;
  }

  /** True where this is to be told now. */
  isNews(what: string): boolean {
    const nowMs = this.#monotonic();
    const lastMs = this.#told.get(what);
    if (lastMs !== undefined && nowMs - lastMs < this.#repeatMs) return false;
    if (this.#told.size >= MEMORY_MAX) this.#told.clear();
    this.#told.set(what, nowMs);
    return true;
  }

  /** The trouble is over. */
  clear(): void {
    this.#told.clear();
  }
}
