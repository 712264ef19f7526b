/** Walks the lines of the outbox in order; can be set back. Holds at most one open file and one chunk. */
import { closeSync, openSync, readSync } from "node:fs";
import type { Segment, Segments } from "./segments.ts";

const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 10;

/** A place in the outbox: before the line that starts there. */
export interface Place {
  readonly order: number;
  readonly offset: number;
}

export interface Line {
  readonly place: Place;
  /** Without its newline. */
  readonly bytes: Buffer;
}

/** The file is not what was written: gone, shorter, or without its newlines. Reading again will not help. */
export class DamagedError extends Error {
  readonly order: number;

  constructor(order: number, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = "DamagedError";
    this.order = order;
  }
}

export class Reader {
  readonly #segments: Segments;
  #order = 0;
  #offset = 0;
  #fd: { readonly segment: Segment; readonly fd: number } | null = null;
  /** Bytes of the file from `#chunkAt` on. */
  #chunk = Buffer.alloc(0);
  #chunkAt = 0;

  constructor(segments: Segments) {
    this.#segments = segments;
  }

  /** The next line, or null where none is written yet. @throws DamagedError, or the system's error. */
  next(): Line | null {
    for (;;) {
      const segment = this.#segments.from(this.#order);
      if (segment === null) return null;
      // What stood before was dropped meanwhile.
      if (segment.order !== this.#order) this.seek({ order: segment.order, offset: 0 });
      if (this.#offset < segment.bytes) return this.#line(segment);
      if (this.#segments.from(segment.order + 1) === null) return null;
      this.seek({ order: segment.order + 1, offset: 0 });
    }
  }

  seek(place: Place): void {
    if (place.order !== this.#order) this.#release();
    this.#order = place.order;
    this.#offset = place.offset;
    if (place.offset < this.#chunkAt) this.#chunk = Buffer.alloc(0);
  }

  close(): void {
    this.#release();
  }

  #line(segment: Segment): Line {
    let want = CHUNK_BYTES;
    for (;;) {
      const start = this.#offset - this.#chunkAt;
      const end = start <= this.#chunk.length ? this.#chunk.indexOf(NEWLINE, start) : -1;
      if (end >= 0) {
        const place = { order: this.#order, offset: this.#offset };
        this.#offset += end + 1 - start;
        return { place, bytes: this.#chunk.subarray(start, end) };
      }
      const rest = segment.bytes - this.#offset;
      if (want > 2 * rest && want > CHUNK_BYTES) {
        throw new DamagedError(segment.order, `${segment.path} ends within a line`);
      }
      this.#load(segment, Math.min(want, rest));
      want *= 2;
    }
  }

  #load(segment: Segment, size: number): void {
    if (this.#fd?.segment !== segment) {
      this.#release();
      this.#fd = { segment, fd: open(segment) };
    }
    // A fresh buffer each time: lines handed out are views of the old one.
    const chunk = Buffer.allocUnsafe(size);
    const got = readSync(this.#fd.fd, chunk, 0, size, this.#offset);
    if (got === 0) throw new DamagedError(segment.order, `${segment.path} is shorter than it was`);
    this.#chunk = chunk.subarray(0, got);
    this.#chunkAt = this.#offset;
  }

  #release(): void {
    if (this.#fd !== null) closeSync(this.#fd.fd);
    this.#fd = null;
    this.#chunk = Buffer.alloc(0);
    this.#chunkAt = 0;
  }
}

function open(segment: Segment): number {
  try {
    return openSync(segment.path, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      throw new DamagedError(segment.order, `${segment.path} is gone`, { cause: error });
    }
    throw error;
  }
}
