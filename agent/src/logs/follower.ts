/** One who follows: what waits for it, and its open question. */
import type { LogBatch, Millis } from "@circus-cluster/proto";
import { type LogChunk, LogQueue } from "./queue.ts";

const QUEUE_BYTES = 2 * 1024 * 1024;
/** Of one answer, about. */
const BATCH_BYTES = 128 * 1024;
/** Between two answers with lines: a reader as fast as can be must not cost the agent its time, which is that of workers. */
const PACE_MS = 100;

type Batch = Omit<LogBatch, "lease">;
type Woken = "filled" | "late" | "replaced" | "ended";

const none = (number: number): Batch => ({ number, lines: [], left_out: 0 });

export class Follower {
  readonly watcher: string;
  readonly #monotonic: () => Millis;
  readonly #queue = new LogQueue(QUEUE_BYTES);
  /** The last that was given; kept until the next is asked for, since its answer may be lost. */
  #batch = none(0);
  #askedMs: Millis;
  #givenMs = Number.NEGATIVE_INFINITY;
  #isEnded = false;
  #wake: ((how: Woken) => void) | null = null;
  #wantsFirst = false;

  constructor(watcher: string, monotonic: () => Millis) {
    this.watcher = watcher;
    this.#monotonic = monotonic;
    this.#askedMs = monotonic();
  }

  /** Since it asked last. */
  get idleMs(): Millis {
    return this.#wake === null ? this.#monotonic() - this.#askedMs : 0;
  }

  push(chunk: LogChunk): void {
    this.#queue.push(chunk);
    if (this.#wantsFirst) this.#wake?.("filled");
  }

  /** Nothing more comes; an open question is answered. */
  end(): void {
    this.#isEnded = true;
    this.#wake?.("ended");
  }

  /**
   * @param taken number of the batch that has come
   * @returns that behind it, empty where none came in time; null: ended
   */
  async take(taken: number, waitMs: Millis): Promise<Batch | null> {
    this.#wake?.("replaced");
    this.#askedMs = this.#monotonic();
    if (taken < this.#batch.number) return this.#batch;
    const { number } = this.#batch;
    this.#batch = none(number);
    const deadlineMs = this.#askedMs + waitMs;
    while (!this.#isEnded) {
      const isEmpty = this.#queue.isEmpty;
      const leftMs = (isEmpty ? deadlineMs : this.#givenMs + PACE_MS) - this.#monotonic();
      if (leftMs <= 0) break;
      if ((await this.#sleep(leftMs, isEmpty)) === "replaced") return none(number);
    }
    this.#askedMs = this.#monotonic();
    if (this.#isEnded) return null;
    if (this.#queue.isEmpty) return none(number);
    this.#givenMs = this.#askedMs;
    const { lines, leftOut } = this.#queue.take(BATCH_BYTES);
    this.#batch = { number: number + 1, lines, left_out: leftOut };
    return this.#batch;
  }

  #sleep(ms: Millis, wantsFirst: boolean): Promise<Woken> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.("late"), ms);
      this.#wantsFirst = wantsFirst;
      this.#wake = (how) => {
        clearTimeout(timer);
        this.#wake = null;
        this.#wantsFirst = false;
        resolve(how);
      };
    });
  }
}
