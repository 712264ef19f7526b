/** The lines of a file from its end, however its blocks are cut. Pure. */
import { LINE_BYTES_MAX, textOf } from "./text.ts";

export interface PlacedLine {
  readonly text: string;
  /** Of its first byte in the file. */
  readonly offset: number;
}

const NEWLINE = 0x0a;

export class BackwardLines {
  /** Offset of the first byte that was seen. */
  #at: number;
  /** The end of a line whose beginning was not seen yet; of a long one, the earliest part. */
  #held: Uint8Array = new Uint8Array();
  /** Bytes of it that are not held. */
  #cut = 0;
  /** Nothing was seen yet: a line break at the very end begins no line. */
  #isAtEnd = true;

  /** @param end offset at which the last line ends */
  constructor(end: number) {
    this.#at = end;
  }

  /** @param block what stands in the file just before what was pushed last; copied where it is kept */
  push(block: Uint8Array): readonly PlacedLine[] {
    const lines: PlacedLine[] = [];
    let end = block.length;
    const start = this.#at - block.length;
    if (this.#isAtEnd && block.length > 0) {
      this.#isAtEnd = false;
      if (block[end - 1] === NEWLINE) end--;
    }
    while (end > 0) {
      const newline = block.lastIndexOf(NEWLINE, end - 1);
      if (newline < 0) break;
      lines.push(this.#line(block.subarray(newline + 1, end), start + newline + 1));
      end = newline;
    }
    // A line break as the first byte of the block ends the line before it.
    if (end > 0) this.#hold(block.subarray(0, end));
    this.#at = start;
    return lines;
  }

  /** The first line of the file. */
  rest(): PlacedLine | null {
    return this.#isAtEnd ? null : this.#line(new Uint8Array(), this.#at);
  }

  #line(beginning: Uint8Array, offset: number): PlacedLine {
    this.#hold(beginning);
    const text = textOf(this.#held, this.#cut);
    this.#held = new Uint8Array();
    this.#cut = 0;
    return { text, offset };
  }

  #hold(beginning: Uint8Array): void {
    const all = new Uint8Array(beginning.length + this.#held.length);
    all.set(beginning);
    all.set(this.#held, beginning.length);
    this.#held = all.subarray(0, LINE_BYTES_MAX);
    this.#cut += all.length - this.#held.length;
  }
}
