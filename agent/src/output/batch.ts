/** Pieces of output that are written together; it tells each where it is. Pure. */
import { lineEnds } from "./lines.ts";
import type { Ticket } from "./sink.ts";
import type { Place } from "./trays/layout.ts";

export interface Piece {
  readonly bytes: Buffer;
  /** Null: nobody asks what becomes of it. */
  readonly ticket: Ticket | null;
  /** So many lines of it were written before, and are not in `bytes`. */
  readonly lines: number;
}

interface Part extends Piece {
  readonly from: number;
  readonly end: number;
}

export class Batch {
  readonly #bytes: Buffer;
  readonly #parts: readonly Part[];
  /** So many bytes are out. */
  done = 0;

  /** @param pieces at least one */
  constructor(pieces: readonly Piece[]) {
    const [first, ...more] = pieces.map(({ bytes }) => bytes);
    this.#bytes = first !== undefined && more.length === 0 ? first : Buffer.concat([first ?? Buffer.alloc(0), ...more]);
    let from = 0;
    this.#parts = pieces.map((piece) => {
      const part = { ...piece, from, end: from + piece.bytes.length };
      from = part.end;
      return part;
    });
  }

  /** What is not out yet. */
  get rest(): Buffer {
    return this.done === 0 ? this.#bytes : this.#bytes.subarray(this.done);
  }

  /** The rest is being written to a file that ends there. */
  begins({ inode, size }: Place): void {
    for (const part of this.#parts) {
      if (part.ticket === null || part.end <= this.done) continue;
      const from = Math.max(part.from, this.done);
      part.ticket.at(this.#linesOf(part), { inode, size: size + from - this.done, length: part.end - from });
    }
  }

  /** So many bytes more are out. */
  wrote(bytes: number): void {
    const before = this.done;
    this.done += bytes;
    if (bytes === 0) return;
    for (const part of this.#parts) {
      if (part.ticket === null || part.end <= before || part.from >= this.done) continue;
      if (part.end <= this.done) part.ticket.out();
      else part.ticket.at(this.#linesOf(part), null);
    }
  }

  /** What is not out yet, to be written another time. */
  pieces(): readonly Piece[] {
    return this.#parts
      .filter(({ end }) => end > this.done)
      .map((part) => {
        const bytes = part.bytes.subarray(Math.max(0, this.done - part.from));
        return { bytes, ticket: part.ticket, lines: this.#linesOf(part) };
      });
  }

  #linesOf({ bytes, from, lines }: Part): number {
    return lines + lineEnds(bytes.subarray(0, Math.max(0, this.done - from)));
  }
}
