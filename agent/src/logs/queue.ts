/**
 * What processes wrote and one follower has not taken yet, bounded in bytes: the oldest goes first, and its lines are
 * counted. Chunks are kept as they were read; lines are made of them when they are asked for. Pure.
 */
import type { LogLine, LogStream, Millis } from "@circus-cluster/proto";
import { textOf } from "./text.ts";

/** Whole lines of one process, as they were read; the last may be unfinished. */
export interface LogChunk {
  readonly stream: LogStream;
  readonly pid: number;
  /** Wall ms. */
  readonly time: Millis;
  /** Not changed any more by whoever gave it. */
  readonly bytes: Uint8Array;
}

export interface TakenLines {
  readonly lines: readonly LogLine[];
  /** Lines before these that went for want of room. */
  readonly leftOut: number;
}

const NEWLINE = 0x0a;
/** What a chunk costs besides its bytes. */
const CHUNK_BYTES = 256;
/** What a line costs in an answer besides its bytes. */
const LINE_BYTES = 96;

export class LogQueue {
  readonly #bytesMax: number;
  readonly #chunks: LogChunk[] = [];
  /** Taken of the first chunk. */
  #from = 0;
  #bytes = 0;
  #leftOut = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0 && this.#leftOut === 0;
  }

  /** Held at this moment; never above the bound. */
  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: LogChunk): void {
    if (chunk.bytes.length === 0) return;
    const room = this.#bytesMax - CHUNK_BYTES;
    const kept = chunk.bytes.length <= room ? chunk : { ...chunk, bytes: this.#endOf(chunk.bytes, room) };
    this.#chunks.push(kept);
    this.#bytes += kept.bytes.length + CHUNK_BYTES;
    while (this.#bytes > this.#bytesMax) this.#drop();
  }

  /** @param bytesMax of the answer, about */
  take(bytesMax: number): TakenLines {
    const lines: LogLine[] = [];
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    for (let used = 0; used < bytesMax; ) {
      const [chunk] = this.#chunks;
      if (chunk === undefined) break;
      const { bytes, stream, pid, time } = chunk;
      const found = bytes.indexOf(NEWLINE, this.#from);
      const end = found < 0 ? bytes.length : found;
      const line = textOf(bytes.subarray(this.#from, end));
      lines.push({ stream, pid, time, line });
      used += Math.min(end - this.#from, line.length * 3) + LINE_BYTES;
      this.#from = end + 1;
      if (this.#from >= bytes.length) this.#shift();
    }
    return { lines, leftOut };
  }

  #drop(): void {
    const [chunk] = this.#chunks;
    if (chunk === undefined) return;
    this.#leftOut += linesIn(chunk.bytes, this.#from, chunk.bytes.length);
    this.#shift();
  }

  #shift(): void {
    const chunk = this.#chunks.shift();
    this.#bytes -= (chunk?.bytes.length ?? 0) + CHUNK_BYTES;
    this.#from = 0;
  }

  /** Whole lines from the end, of one chunk that is larger than everything may be: all that waits is older. */
  #endOf(bytes: Uint8Array, room: number): Uint8Array {
    while (this.#chunks.length > 0) this.#drop();
    const cut = bytes.length - room;
    const newline = bytes.indexOf(NEWLINE, cut - 1);
    const from = newline < 0 || newline + 1 >= bytes.length ? cut : newline + 1;
    this.#leftOut += linesIn(bytes, 0, from);
    return bytes.slice(from);
  }
}

/** A last one that is not ended counts, too. */
function linesIn(bytes: Uint8Array, from: number, to: number): number {
  let lines = 0;
  for (let at = from; at < to; at++) if (bytes[at] === NEWLINE) lines++;
  return to > from && bytes[to - 1] !== NEWLINE ? lines + 1 : lines;
}
