/**
 * What is where in a tray: the memory, shared with the next agent, that holds what was read from one FIFO and is not in
 * its sink yet. Every step from one state to the next is one store of one word, so that a kill leaves one or the other.
 *
 * T1  What was read and is not out is in `held` (the beginning of a line) or in `read`; zeros follow it there.
 * T2  `taken`: what is in `read` is out, or in `held`; it is being overwritten with zeros.
 * T3  `marked`: a write of the first `cut` bytes is under way. The first so many of their lines are out; so is what
 *     has come into the file at the place where the others are written.
 */

/** A read brings at most so much. */
const READ_BYTES = 32 * 1024;
/** A beginning of a line that is longer is kept in a file ({@link ../fifo-dir!LineRest}). */
const HELD_BYTES = 2048;
const HEAD_BYTES = 4096;
const READ_AT = HEAD_BYTES + 2 * HELD_BYTES;

/** A multiple of a page. */
export const TRAY_BYTES = READ_AT + READ_BYTES;

/** The name of the FIFO, up to a zero; then aligned words. */
const NAME_BYTES = 256;
const STATE_AT = 256;
const MARKED_AT = 260;
const CUT_AT = 264;
const LINES_AT = 268;
const INODE_AT = 272;
const FROM_AT = 280;
const LENGTH_AT = 288;

/** In the word `state`: the length of what is held, which of its two places it is in, and whether `read` is taken. */
const LENGTH_BITS = 0xffff;
const SECOND_BIT = 1 << 16;
const TAKEN_BIT = 1 << 17;

const NOTHING = new Uint8Array();
const NEWLINE = 0x0a;

/** A place in a file: its inode, and how long the file is up to there. */
export interface Place {
  readonly inode: number;
  readonly size: number;
}

/** A part of a file that begins there. */
export interface Extent extends Place {
  readonly length: number;
}

/** What an agent that was killed was writing: the first `cut` bytes of what it held and had read. */
export interface LeftWrite {
  readonly cut: number;
  /** So many of their lines were out before. */
  readonly lines: number;
  /** There the others go; null: it was not known yet. */
  readonly to: Extent | null;
}

/** What an agent that was killed had taken out of a FIFO. */
export interface LeftBytes {
  /** The beginning of a line. */
  readonly held: Buffer;
  /** Follows it. */
  readonly read: Buffer;
  readonly write: LeftWrite | null;
}

/** How much of a write came out: all of it, or so many lines. */
export type Out = "all" | number;

/** The writing side; `memory` has {@link TRAY_BYTES}, all zeros. */
export class TrayImage {
  readonly #memory: Uint8Array;
  readonly #words: DataView;
  /** To be read into, from its beginning. */
  readonly read: Uint8Array;

  constructor(memory: Uint8Array) {
    this.#memory = memory;
    this.#words = new DataView(memory.buffer, memory.byteOffset, HEAD_BYTES);
    this.read = memory.subarray(READ_AT, TRAY_BYTES);
  }

  /** @param fifo at most 255 bytes long, as files' names are */
  begin(fifo: string): void {
    this.#memory.set(Buffer.from(fifo).subarray(0, NAME_BYTES - 1));
  }

  /** Of the first `cut` bytes of what is held and read; see {@link LeftWrite}. */
  mark({ cut, lines, to }: LeftWrite): void {
    this.#words.setUint32(MARKED_AT, 0, true);
    this.#words.setUint32(CUT_AT, cut, true);
    this.#words.setUint32(LINES_AT, lines, true);
    this.#words.setFloat64(INODE_AT, to?.inode ?? 0, true);
    this.#words.setFloat64(FROM_AT, to?.size ?? 0, true);
    this.#words.setFloat64(LENGTH_AT, to?.length ?? 0, true);
    this.#words.setUint32(MARKED_AT, 1, true);
  }

  /**
   * Everything is out, but for this beginning of a line.
   *
   * @param held not kept where it is too long
   * @param read so many bytes were
   */
  settle(held: Uint8Array, read: number): void {
    const kept = this.canHold(held.length) ? held : NOTHING;
    const isSecond = (this.#words.getUint32(STATE_AT, true) & SECOND_BIT) === 0;
    this.#memory.set(kept, HEAD_BYTES + (isSecond ? HELD_BYTES : 0));
    const state = kept.length | (isSecond ? SECOND_BIT : 0);
    this.#words.setUint32(STATE_AT, state | TAKEN_BIT, true);
    this.#words.setUint32(MARKED_AT, 0, true);
    this.read.fill(0, 0, read);
    this.#words.setUint32(STATE_AT, state, true);
  }

  canHold(length: number): boolean {
    return length <= HELD_BYTES;
  }

  /** Nobody's; what was read is out. */
  clear(): void {
    this.#memory.fill(0, 0, NAME_BYTES);
    this.settle(NOTHING, 0);
  }
}

/** @returns null: it is nobody's, or has nothing */
export function leftIn(tray: Buffer): { readonly fifo: string; readonly left: LeftBytes } | null {
  const fifo = tray.subarray(0, tray.indexOf(0)).toString();
  const state = tray.readUInt32LE(STATE_AT);
  const heldAt = HEAD_BYTES + ((state & SECOND_BIT) === 0 ? 0 : HELD_BYTES);
  const held = tray.subarray(heldAt, heldAt + Math.min(HELD_BYTES, state & LENGTH_BITS));
  const isTaken = (state & TAKEN_BIT) !== 0;
  const read = isTaken ? Buffer.alloc(0) : withoutZeros(tray.subarray(READ_AT, TRAY_BYTES));
  if (fifo === "" || held.length + read.length === 0) return null;
  const isMarked = !isTaken && tray.readUInt32LE(MARKED_AT) !== 0;
  return { fifo, left: { held, read, write: isMarked ? writeIn(tray, held.length + read.length) : null } };
}

function writeIn(tray: Buffer, bytes: number): LeftWrite {
  const to = { inode: tray.readDoubleLE(INODE_AT), size: tray.readDoubleLE(FROM_AT) };
  return {
    cut: Math.min(tray.readUInt32LE(CUT_AT), bytes),
    lines: tray.readUInt32LE(LINES_AT),
    to: to.inode === 0 ? null : { ...to, length: tray.readDoubleLE(LENGTH_AT) },
  };
}

/**
 * How much of a write came out.
 *
 * @param file how far it went before anything else was added; null: there is none
 * @param linesIn counts the lines that end in a part of that file
 */
export function outOf({ lines, to }: LeftWrite, file: Place | null, linesIn: (part: Extent) => number): Out {
  if (to === null || to.inode !== file?.inode) return lines;
  const length = file.size - to.size;
  if (length >= to.length) return "all";
  return lines + (length > 0 ? linesIn({ ...to, length }) : 0);
}

/** What is still to be written of what is left. */
export function remainder({ held, read, write }: LeftBytes, out: Out): Pick<LeftBytes, "held" | "read"> {
  if (write === null) return { held, read };
  const all = Buffer.concat([held, read]);
  let cut = out === "all" ? write.cut : 0;
  if (out !== "all") for (let line = 0; line < out && cut < write.cut; line++) cut = all.indexOf(NEWLINE, cut) + 1;
  const ofHeld = Math.min(cut, held.length);
  return { held: held.subarray(ofHeld), read: read.subarray(cut - ofHeld) };
}

function withoutZeros(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return bytes.subarray(0, end);
}
