/**
 * What processes wrote and one follower has not taken yet, bounded in bytes: the oldest goes first, and its lines are
 * counted. Chunks are kept as they were read; lines are made of them when they are asked for. Pure.
 */
import type { LogLine, LogStream, Millis } from "@circus-cluster/proto";
import { cutText, LINE_BYTES } from "./text.ts";

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
const decoder = new TextDecoder();
/** What a chunk costs besides its bytes. */
const CHUNK_BYTES = 256;
/** Made into lines at once: thousands of empty ones must not pass the bound unseen. */
const SLICE_BYTES = 1024;
/** Shorter lines are counted byte by byte, longer ones by a search. */
const SHORT_BYTES = 24;

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
      const { stream, pid, time } = chunk;
      for (const line of this.#texts(chunk, Math.min(SLICE_BYTES, bytesMax - used))) {
        lines.push({ stream, pid, time, line });
        used += line.length + LINE_BYTES;
      }
    }
    return { lines, leftOut };
  }

  /** Lines of the first chunk, about so many bytes of it, at least one; decoded at once, which is far cheaper. */
  #texts({ bytes }: LogChunk, bytesMax: number): readonly string[] {
    const from = this.#from;
    const newline = bytes.length - from <= bytesMax ? -1 : bytes.indexOf(NEWLINE, from + bytesMax);
    const end = newline < 0 ? bytes.length : newline + 1;
    const isEnded = bytes[end - 1] === NEWLINE;
    this.#from = end;
    if (end >= bytes.length) this.#shift();
    const text = decoder.decode(bytes.subarray(from, isEnded ? end - 1 : end));
    return text.split("\n").map(cutText);
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
  let at = from;
  while (at < to && (lines < 64 || at - from > lines * SHORT_BYTES)) {
    const newline = bytes.indexOf(NEWLINE, at);
    if (newline < 0 || newline >= to) at = to;
    else {
      lines++;
      at = newline + 1;
    }
  }
  for (; at < to; at++) if (bytes[at] === NEWLINE) lines++;
  return to > from && bytes[to - 1] !== NEWLINE ? lines + 1 : lines;
}
