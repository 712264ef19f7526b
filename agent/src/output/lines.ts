/**
 * Cuts what one process writes into whole lines, however the kernel delivers it. Pure.
 *
 * L1  All that was taken in comes out, in order and unchanged.
 * L2  Every piece but the last ends with a line break, unless its line is longer than the bound; then it ends
 *     with a whole UTF-8 character.
 * L3  Never more than the bound is held back.
 */

/** A longer line is handed on in pieces. */
const LINE_BYTES_MAX = 256 * 1024;
const NEWLINE = 0x0a;
/** Of one UTF-8 character. */
const CHAR_BYTES_MAX = 4;

export interface Piece {
  /** The receiver's own. */
  readonly bytes: Buffer;
  /** Goes on with the line that the piece before did not end. */
  readonly isContinued: boolean;
  /** The process writes no more: a line that is not ended never will be. */
  readonly isLast: boolean;
}

export class LineCutter {
  readonly #bytesMax: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isMidLine = false;

  constructor(bytesMax = LINE_BYTES_MAX) {
    this.#bytesMax = Math.max(CHAR_BYTES_MAX, bytesMax);
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The beginning of a line, so far. */
  get held(): Buffer {
    return Buffer.concat(this.#held);
  }

  /** @param chunk copied, so that its memory can be used again */
  push(chunk: Uint8Array): Piece | null {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      const piece = this.#emit(chunk.subarray(0, end));
      this.#hold(chunk.subarray(end));
      return piece;
    }
    if (this.#heldBytes + chunk.length <= this.#bytesMax) {
      this.#hold(chunk);
      return null;
    }
    const all = Buffer.concat([...this.#held, chunk]);
    const whole = wholeCharacters(all);
    this.#forget();
    const piece = this.#emit(all.subarray(0, whole));
    this.#hold(all.subarray(whole));
    return piece;
  }

  /** Nothing will follow: what is left, without a line break of ours; null where the last line is ended. */
  end(): Piece | null {
    return this.#heldBytes === 0 && !this.#isMidLine ? null : { ...this.#emit(new Uint8Array()), isLast: true };
  }

  #emit(last: Uint8Array): Piece {
    const bytes = Buffer.concat([...this.#held, last]);
    this.#forget();
    const isContinued = this.#isMidLine;
    this.#isMidLine = bytes.at(-1) !== NEWLINE;
    return { bytes, isContinued, isLast: false };
  }

  #hold(rest: Uint8Array): void {
    if (rest.length === 0) return;
    this.#held.push(Buffer.from(rest));
    this.#heldBytes += rest.length;
  }

  #forget(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }
}

/** How many lines end in these bytes. */
export function lineEnds(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

/**
 * How many of the bytes are whole UTF-8 characters; all of them where the end is no beginning of one (text in
 * another encoding is cut anywhere).
 */
export function wholeCharacters(bytes: Uint8Array): number {
  const upTo = bytes.length;
  for (let back = 1; back < CHAR_BYTES_MAX && back < upTo; back++) {
    const byte = bytes[upTo - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue; // inside a character
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? upTo - back : upTo;
  }
  return upTo;
}
