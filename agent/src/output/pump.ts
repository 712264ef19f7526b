/**
 * The bounded queue in front of a {@link Target}: it takes bytes at once and writes them in their order, one write
 * at a time. A target that fails is tried again; meanwhile the queue fills up, and whoever reads from processes
 * pauses, so that nothing is lost. That ends after a while: a full disk must not hold up a service for ever. From
 * then on output is dropped, counted, and told.
 */
import type { Logger } from "@circus-cluster/proto";
import { Batch, type Piece } from "./batch.ts";
import { lineEnds } from "./lines.ts";
import type { Sink, Target, Ticket } from "./sink.ts";
import type { Place } from "./trays/layout.ts";

/** Waiting bytes at which readers are to pause, and at which they go on. */
const FULL_BYTES = 2 * 1024 * 1024;
const READY_BYTES = 512 * 1024;
/** Small pieces are joined up to this: a copy costs less than a write of its own, but not of a large one. */
const BATCH_BYTES = 64 * 1024;

const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 2000;
/** So long a failing target holds processes up. */
const PATIENCE_MS = 30_000;

/** A write that does not come back is not waited for longer than this. */
const HUNG_MS = 500;

const NEWLINE = Buffer.from("\n");

interface PumpOptions {
  readonly log: Logger;
  readonly patienceMs?: number;
  /** Monotonic. */
  readonly now?: () => number;
}

interface Flush {
  readonly position: number;
  readonly settle: () => void;
}

interface Failure {
  readonly sinceMs: number;
  attempts: number;
}

export class Pump implements Sink {
  readonly #target: Target;
  readonly #log: Logger;
  readonly #patienceMs: number;
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();
  #queue: Piece[] = [];
  /** Bytes since the beginning: all that came in, and what of it is out or given up. */
  #taken = 0;
  #done = 0;
  #isFull = false;
  /** The process whose line is not ended yet. */
  #midLine: number | null = null;
  #run: Promise<void> | null = null;
  #failure: Failure | null = null;
  #lost = { bytes: 0, lines: 0 };
  /** What comes before this position is not tried again. */
  #giveUpTo = 0;
  #flushes: Flush[] = [];
  #hold: Promise<unknown> | null = null;
  #wake: () => void = () => undefined;

  constructor(target: Target, options: PumpOptions) {
    this.#target = target;
    this.#log = options.log;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    this.#now = options.now ?? (() => performance.now());
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  get name(): string {
    return this.#target.name;
  }

  get begunAt(): Place | null {
    return this.#target.begunAt ?? null;
  }

  get isWritten(): boolean {
    return this.#done >= this.#taken;
  }

  write(bytes: Buffer, pid: number, ticket: Ticket | null = null): void {
    if (bytes.length === 0) return ticket?.out();
    if (this.#midLine !== null && this.#midLine !== pid) this.#push({ bytes: NEWLINE, ticket: null, lines: 0 });
    this.#push({ bytes, ticket, lines: 0 });
    this.#midLine = bytes.at(-1) === NEWLINE[0] ? null : pid;
    if (this.#run === null) this.#writeNow();
    if (this.#queue.length === 0) return;
    this.#gate();
    this.#run ??= this.#write();
  }

  listen(turned: () => void): () => void {
    this.#listeners.add(turned);
    return () => void this.#listeners.delete(turned);
  }

  reopen(): void {
    this.#target.reopen();
    this.#wake();
  }

  async flush(deadlineMs: number): Promise<void> {
    if (this.#done >= this.#taken) return;
    const position = this.#taken;
    await new Promise<void>((resolve) => {
      const timers = [
        setTimeout(() => {
          this.#giveUpTo = Math.max(this.#giveUpTo, position);
          this.#wake();
        }, deadlineMs),
        setTimeout(() => settle(), deadlineMs + HUNG_MS),
      ];
      const settle = (): void => {
        for (const timer of timers) clearTimeout(timer);
        resolve();
      };
      this.#flushes.push({ position, settle });
    });
  }

  async close(deadlineMs: number): Promise<void> {
    await this.flush(deadlineMs);
    this.#tellLost();
    if (this.#run === null) await this.#target.close();
    else void this.#run.then(() => this.#target.close());
  }

  holdFor(before: Promise<unknown>): void {
    this.#hold = Promise.all([this.#hold, before]);
  }

  #push(piece: Piece): void {
    this.#queue.push(piece);
    this.#taken += piece.bytes.length;
  }

  #gate(): void {
    const waiting = this.#taken - this.#done;
    const isFull = this.#isFull ? waiting > READY_BYTES : waiting >= FULL_BYTES;
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    for (const turned of this.#listeners) turned();
  }

  /** While nothing waits and nothing is wrong. */
  #writeNow(): void {
    if (this.#hold !== null) return;
    const batch = this.#take();
    batch.wrote(this.#tryNow(batch));
    this.#done += batch.done;
    this.#queue.unshift(...batch.pieces());
  }

  #tryNow(batch: Batch): number {
    if (this.#failure !== null) return 0;
    try {
      return this.#target.writeNow?.(batch.rest, (at) => batch.begins(at)) ?? 0;
    } catch {
      return 0; // what is wrong is for the next attempt to find out, and to say
    }
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    while (this.#queue.length > 0) {
      const hold = this.#hold;
      this.#hold = null;
      if (hold !== null) await hold;
      const batch = this.#take();
      while (batch.rest.length > 0) {
        try {
          // Where that can be again: through another thread, what waits might never end while processes write.
          const now = this.#tryNow(batch);
          batch.wrote(now > 0 ? now : await this.#target.write(batch.rest, (at) => batch.begins(at)));
          if (this.#failure !== null) this.#recover();
        } catch (error) {
          if (await this.#endures(error)) continue;
          this.#drop(batch.rest);
          batch.wrote(batch.rest.length);
        }
      }
      this.#done += batch.done;
      this.#gate();
      for (const flush of this.#flushes) if (flush.position <= this.#done) flush.settle();
      this.#flushes = this.#flushes.filter(({ position }) => position > this.#done);
    }
    this.#run = null;
  }

  #take(): Batch {
    let length = 0;
    let count = 0;
    for (const { bytes } of this.#queue) {
      if (count > 0 && length + bytes.length > BATCH_BYTES) break;
      length += bytes.length;
      count++;
    }
    return new Batch(this.#queue.splice(0, count));
  }

  /** Waits before the next attempt; false: no more of them. */
  async #endures(error: unknown): Promise<boolean> {
    const now = this.#now();
    const isBusy = codeOf(error) === "EAGAIN";
    if (this.#failure === null) {
      this.#failure = { sinceMs: now, attempts: 0 };
      if (!isBusy) this.#log.error("cannot write output, trying again", { to: this.#target.name, ...reason(error) });
    }
    const { sinceMs, attempts } = this.#failure;
    if (this.#done < this.#giveUpTo || now - sinceMs >= this.#patienceMs) {
      if (this.#lost.bytes === 0) {
        this.#log.error("output is being lost", { to: this.#target.name, ...reason(error) });
      }
      return false;
    }
    this.#failure.attempts++;
    await this.#pause(Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(attempts, 10), isBusy ? 20 : Infinity));
    return true;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake(), ms);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        resolve();
      };
    });
  }

  #drop(bytes: Buffer): void {
    this.#lost = { bytes: this.#lost.bytes + bytes.length, lines: this.#lost.lines + lineEnds(bytes) };
  }

  #recover(): void {
    const isNews = (this.#failure?.attempts ?? 0) > 0 && this.#lost.bytes === 0;
    this.#failure = null;
    if (isNews) this.#log.debug("output is written again", { to: this.#target.name });
    this.#tellLost();
  }

  #tellLost(): void {
    if (this.#lost.bytes > 0) this.#log.error("output was lost", { to: this.#target.name, ...this.#lost });
    this.#lost = { bytes: 0, lines: 0 };
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** `no space left on device (ENOSPC)` rather than the system call with its arguments. */
function reason(error: unknown): { readonly reason: string } {
  const text = error instanceof Error ? error.message : String(error);
  return { reason: text.replace(/^(\w+): (.*?), \w+( '.*')?$/, "$2 ($1)") };
}
