/**
 * Reads one output of one process and hands on whole lines. It pauses when told, which in the end makes the process
 * wait; it takes what is left when the process has gone, without waiting for grandchildren that still hold the pipe.
 */
import { closeSync, readSync } from "node:fs";
import { type OnReadOpts, Socket, type SocketConstructorOpts } from "node:net";
import type { LineRest } from "./fifo-dir.ts";
import { LineCutter, type Piece } from "./lines.ts";
import type { Ticket } from "./sink.ts";
import { type Out, remainder } from "./trays/layout.ts";
import type { LeftTray, Tray } from "./trays/trays.ts";

/** Into one memory for all that have no tray: what was read is copied before anything else is. */
const READ_BYTES = 1024 * 1024;
let shared: Buffer | null = null;
/** Of what a process left behind; more than any pipe holds. */
const DRAIN_READS_MAX = 256;
const NOTHING = new Uint8Array();

/** The beginning of a line that does not go on for so long is kept over a crash. */
const REST_MS = 20;

/** Where what was read is over a crash of the agent. */
export interface Keeping {
  /** Where the beginning of a line is kept, and may be from an agent before. */
  readonly rest: LineRest;
  /** Where what is read lies until it is out; owned from here on. Null: a kill in that moment loses it. */
  readonly tray: Tray | null;
  /** What an agent before us had read. */
  readonly left: LeftTray | null;
}

interface CaptureOptions {
  /** Owned from here on. */
  readonly readEnd: number;
  /** Null: the process does not outlive the agent. */
  readonly keeping: Keeping | null;
  /** How much of what an agent before us was writing came out. */
  readonly out: Out;
  /** @param ticket null: nobody needs to know */
  readonly onPiece: (piece: Piece, ticket: Ticket | null) => void;
  /** Once, after the last piece. */
  readonly onEnd: () => void;
}

export class Capture {
  readonly #fd: number;
  /** Null: not before the first read, with which Node begins at once. */
  #socket: Socket | null = null;
  readonly #cutter = new LineCutter();
  readonly #onPiece: (piece: Piece, ticket: Ticket | null) => void;
  readonly #onEnd: () => void;
  readonly #rest: LineRest | null;
  readonly #tray: Tray | null;
  readonly #memory: Uint8Array;
  /** What is in the tray is not out yet: nothing may be read into it. */
  #isUnderWay = false;
  #keptBytes = 0;
  #restTimer: NodeJS.Timeout | null = null;
  #isPaused = false;
  #isOver = false;

  constructor({ readEnd, keeping, out, onPiece, onEnd }: CaptureOptions) {
    this.#fd = readEnd;
    this.#rest = keeping?.rest ?? null;
    this.#tray = keeping?.tray ?? null;
    this.#onPiece = onPiece;
    this.#onEnd = onEnd;
    shared ??= Buffer.allocUnsafeSlow(READ_BYTES);
    this.#memory = this.#tray?.image.read ?? shared;
    if (keeping !== null) this.#goOn(keeping, out);
    this.#read();
  }

  get #isHeldUp(): boolean {
    return this.#isPaused || this.#isUnderWay;
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#read();
  }

  /** Takes what the pipe holds at this moment, paused or not. */
  drain(): void {
    for (let reads = 0; reads < DRAIN_READS_MAX && !this.#isOver && this.#socket?.destroyed !== true; reads++) {
      const isSpare = this.#isUnderWay;
      const memory = isSpare ? (shared ?? this.#memory) : this.#memory;
      const length = readNow(this.#fd, memory);
      if (length === 0) return;
      if (isSpare) this.#take(memory.subarray(0, length));
      else this.#took(length);
    }
  }

  /** Takes what is there and reads no more. */
  close(): void {
    this.drain();
    this.#finish();
  }

  /** Reads no more: another agent goes on, also with the line that is not ended. */
  leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#keepRest();
    this.#end();
  }

  #read(): void {
    if (!this.#isOver && !this.#isHeldUp) (this.#socket ??= this.#open()).resume();
  }

  #open(): Socket {
    const onread: OnReadOpts = {
      buffer: this.#memory,
      callback: (length) => {
        this.#took(length);
        return !this.#isHeldUp;
      },
    };
    // Documented for `connect` only, and so typed; the constructor takes it too.
    const options: SocketConstructorOpts & { readonly onread: OnReadOpts } = {
      ...{ fd: this.#fd, readable: true, writable: false },
      onread,
    };
    const socket = new Socket(options);
    socket.once("error", () => this.#finish());
    socket.once("close", () => this.#finish());
    return socket;
  }

  /** What an agent before us had read and not written, or the beginning of a line. */
  #goOn({ rest, left }: Keeping, out: Out): void {
    const begun = rest.read();
    this.#keptBytes = begun.length;
    if (left === null) {
      this.#take(begun);
      return;
    }
    const { held, read } = remainder(left, out);
    if (out === 0) this.#take(begun);
    else this.#dropRest();
    for (const bytes of [held, read]) {
      this.#memory.set(bytes);
      this.#took(bytes.length);
    }
    left.forget();
  }

  /** So many bytes have come into our memory, and it is free again when they are out. */
  #took(length: number): void {
    const tray = this.#tray;
    const before = this.#cutter.heldBytes;
    const piece = this.#cutter.push(this.#memory.subarray(0, length));
    if (tray === null || piece === null) {
      if (piece !== null) this.#hand(piece);
      this.#settle(length);
      return;
    }
    const cut = before - this.#keptBytes + length - this.#cutter.heldBytes;
    this.#isUnderWay = true;
    let isLater = false;
    const out = (): void => {
      this.#isUnderWay = false;
      this.#dropRest();
      this.#settle(length);
      if (!isLater) return;
      if (this.#isOver) tray.release();
      else this.#read();
    };
    this.#onPiece(piece, { at: (lines, to) => tray.image.mark({ cut, lines, to }), out });
    isLater = true;
  }

  /** Bytes that are in no tray, or not only. */
  #take(bytes: Uint8Array): void {
    const piece = this.#cutter.push(bytes);
    if (piece !== null) this.#hand(piece);
    this.#keepSoon();
  }

  #hand(piece: Piece): void {
    this.#onPiece(piece, null);
    this.#dropRest();
  }

  /** What was read is out, but for the beginning of a line. */
  #settle(length: number): void {
    if (this.#tray === null) {
      this.#keepSoon();
      return;
    }
    const { image } = this.#tray;
    if (!image.canHold(this.#cutter.heldBytes - this.#keptBytes)) this.#keepRest();
    const isMore = this.#cutter.heldBytes > this.#keptBytes;
    image.settle(isMore ? this.#cutter.held.subarray(this.#keptBytes) : NOTHING, length);
  }

  #keepSoon(): void {
    if (this.#rest === null || this.#cutter.heldBytes <= this.#keptBytes) return;
    this.#restTimer ??= setTimeout(() => this.#keepRest(), REST_MS).unref();
  }

  #keepRest(): void {
    if (this.#restTimer !== null) clearTimeout(this.#restTimer);
    this.#restTimer = null;
    const held = this.#cutter.held;
    if (held.length <= this.#keptBytes) return;
    try {
      this.#rest?.keep(held.subarray(this.#keptBytes));
      this.#keptBytes = held.length;
    } catch {
      // Only a crash would need it, and what is kept is its beginning at least.
    }
  }

  #dropRest(): void {
    if (this.#keptBytes > 0) this.#rest?.drop();
    this.#keptBytes = 0;
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#restTimer !== null) clearTimeout(this.#restTimer);
    const piece = this.#cutter.end();
    if (piece !== null) this.#onPiece(piece, null);
    this.#end();
    this.#onEnd();
  }

  #end(): void {
    if (this.#socket === null) closeSync(this.#fd);
    else this.#socket.destroy();
    if (!this.#isUnderWay) this.#tray?.release();
  }
}

/** 0: nothing is there, now or ever (the event loop will say which). */
function readNow(fd: number, memory: Uint8Array): number {
  try {
    return readSync(fd, memory);
  } catch {
    return 0;
  }
}
