/** One stream of a watcher: the outputs of all its processes, formatted, into one sink that can be changed live. */

import { setTimeout as delay } from "node:timers/promises";
import { COLORS, type StreamConfig } from "../config/streams.ts";
import { Capture, type Keeping } from "./capture.ts";
import { type Format, fancy, plain, timed } from "./prefix.ts";
import type { Sink } from "./sink.ts";
import { CLOSE_MS, type Lease, type SinkPool, type StreamOwner } from "./sink-pool.ts";
import { timeTeller } from "./strftime.ts";
import { outOf } from "./trays/layout.ts";
import { linesIn } from "./trays/trays.ts";

/**
 * Processes that have ended while others, which they left behind, still hold their output; the oldest is closed when
 * there are more.
 */
const ORPHANS_MAX = 64;

export class Channel {
  readonly #pool: SinkPool;
  readonly #owner: StreamOwner;
  readonly #onBytes: (bytes: Buffer, pid: number) => void;
  readonly #captures = new Set<Capture>();
  readonly #orphans = new Set<Capture>();
  #config: StreamConfig;
  #lease: Lease;
  #format: Format;
  #unlisten: () => void;
  /** Called when the last output has ended. */
  #onIdle: () => void = () => undefined;

  /**
   * @param onBytes sees what processes write as they wrote it, and must not change it
   * @throws the system's error where the sink cannot be opened
   */
  constructor(pool: SinkPool, owner: StreamOwner, config: StreamConfig, onBytes: (bytes: Buffer, pid: number) => void) {
    this.#pool = pool;
    this.#owner = owner;
    this.#onBytes = onBytes;
    this.#config = config;
    this.#lease = pool.acquire(config, owner);
    this.#format = formatOf(config);
    this.#unlisten = this.#lease.sink.listen(() => this.#gate());
  }

  get sink(): Sink {
    return this.#lease.sink;
  }

  /**
   * What comes from now on goes there; the processes notice nothing.
   *
   * @throws as the constructor, with nothing changed
   */
  configure(config: StreamConfig): void {
    if (config === this.#config) return;
    const lease = this.#pool.acquire(config, this.#owner);
    this.#unlisten();
    // It may be the same file under another rule: first what was taken before.
    const released = this.#lease.release();
    if (lease.sink !== this.#lease.sink)
      lease.sink.holdFor(Promise.race([released, delay(CLOSE_MS, undefined, { ref: false })]));
    this.#config = config;
    this.#lease = lease;
    this.#format = formatOf(config);
    this.#unlisten = lease.sink.listen(() => this.#gate());
    this.#gate();
  }

  /**
   * @param readEnd owned from here on
   * @param keeping see {@link Capture}
   * @param onEnd nothing more comes, or is wanted
   */
  attach(readEnd: number, pid: number, keeping: Keeping | null, onEnd: () => void): Capture {
    const { begunAt, name } = this.#lease.sink;
    const write = keeping?.left?.write ?? null;
    const out = write === null ? 0 : outOf(write, begunAt, (part) => linesIn(name, part));
    const capture: Capture = new Capture({
      ...{ readEnd, keeping, out },
      onPiece: (piece, ticket) => {
        this.#lease.sink.write(this.#format(piece, pid), pid, ticket);
        this.#onBytes(piece.bytes, pid);
      },
      onEnd: () => {
        this.#captures.delete(capture);
        this.#orphans.delete(capture);
        onEnd();
        if (this.#captures.size === 0) this.#onIdle();
      },
    });
    this.#captures.add(capture);
    if (this.#lease.sink.isFull) capture.pause();
    return capture;
  }

  /** Its process has gone: all that it wrote is taken. What its own children still write goes on being read. */
  exited(capture: Capture): void {
    capture.drain();
    if (!this.#captures.has(capture)) return;
    this.#orphans.add(capture);
    const [oldest] = this.#orphans;
    if (this.#orphans.size > ORPHANS_MAX) oldest?.close();
  }

  /** Settles when no process writes any more, at once where none does. */
  async idle(): Promise<void> {
    if (this.#captures.size > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  /**
   * Reads no more; settles when what was read is out.
   *
   * @param isLeft another agent goes on with what is still written
   */
  async close(isLeft = false): Promise<void> {
    for (const capture of [...this.#captures]) {
      if (isLeft) capture.leave();
      else capture.close();
    }
    this.#unlisten();
    await this.#lease.release();
  }

  #gate(): void {
    const { isFull } = this.#lease.sink;
    for (const capture of this.#captures) {
      if (isFull) capture.pause();
      else capture.resume();
    }
  }
}

function formatOf({ class: name, timeFormat, color }: StreamConfig): Format {
  if (timeFormat === null) return plain;
  const now = timeTeller(timeFormat);
  if (name !== "FancyStdoutStream") return timed(now);
  const number = color === null ? Math.floor(Math.random() * COLORS.length) : COLORS.indexOf(color);
  return fancy(now, number + 1);
}
