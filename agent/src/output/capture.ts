/**
 * Reads one output of one process and hands on whole lines. It pauses when told, which in the end makes the process
 * wait; it takes what is left when the process has gone, without waiting for grandchildren that still hold the pipe.
 */
import { readSync } from "node:fs";
import { type OnReadOpts, Socket, type SocketConstructorOpts } from "node:net";
import type { LineRest } from "./fifo-dir.ts";
import { LineCutter, type Piece } from "./lines.ts";

/** Into one memory for all: what was read is copied before anything else is. */
const READ_BYTES = 1024 * 1024;
let shared: Buffer | null = null;
/** Of what a process left behind; more than any pipe holds. */
const DRAIN_READS_MAX = 64;

/** The beginning of a line that does not go on for so long is kept over a crash. */
const REST_MS = 20;

interface CaptureOptions {
  /** Owned from here on. */
  readonly readEnd: number;
  /** Where the beginning of a line is kept, and may be from an agent before; null: nowhere. */
  readonly rest: LineRest | null;
  readonly onPiece: (piece: Piece) => void;
  /** Once, after the last piece. */
  readonly onEnd: () => void;
}

export class Capture {
  readonly #fd: number;
  readonly #socket: Socket;
  readonly #cutter = new LineCutter();
  readonly #onPiece: (piece: Piece) => void;
  readonly #onEnd: () => void;
  readonly #rest: LineRest | null;
  #keptBytes = 0;
  #restTimer: NodeJS.Timeout | null = null;
  #isPaused = false;
  #isOver = false;

  constructor({ readEnd, rest, onPiece, onEnd }: CaptureOptions) {
    this.#fd = readEnd;
    this.#rest = rest;
    this.#onPiece = onPiece;
    this.#onEnd = onEnd;
    const begun = rest?.read() ?? new Uint8Array();
    this.#keptBytes = begun.length;
    this.#take(begun);
    shared ??= Buffer.allocUnsafeSlow(READ_BYTES);
    const onread: OnReadOpts = {
      buffer: shared,
      callback: (length, buffer) => {
        this.#take(buffer.subarray(0, length));
        return !this.#isPaused;
      },
    };
    // Documented for `connect` only, and so typed; the constructor takes it too.
    const options: SocketConstructorOpts & { readonly onread: OnReadOpts } = {
      ...{ fd: readEnd, readable: true, writable: false },
      onread,
    };
    this.#socket = new Socket(options);
    this.#socket.once("error", () => this.#finish());
    this.#socket.once("close", () => this.#finish());
    this.#socket.resume();
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (!this.#isOver) this.#socket.resume();
  }

  /** Takes what the pipe holds at this moment, paused or not. */
  drain(): void {
    for (let reads = 0; reads < DRAIN_READS_MAX && !this.#isOver && !this.#socket.destroyed; reads++) {
      const length = readNow(this.#fd);
      if (length === 0) return;
      this.#take((shared ?? Buffer.alloc(0)).subarray(0, length));
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
    this.#socket.destroy();
  }

  #take(bytes: Uint8Array): void {
    const piece = this.#cutter.push(bytes);
    if (piece !== null) {
      this.#onPiece(piece);
      this.#dropRest();
    }
    if (this.#rest !== null && this.#cutter.heldBytes > this.#keptBytes) {
      this.#restTimer ??= setTimeout(() => this.#keepRest(), REST_MS).unref();
    }
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
    this.#socket.destroy();
    const piece = this.#cutter.end();
    if (piece !== null) this.#onPiece(piece);
    this.#onEnd();
  }
}

/** 0: nothing is there, now or ever (the event loop will say which). */
function readNow(fd: number): number {
  try {
    return readSync(fd, shared ?? Buffer.alloc(0));
  } catch {
    return 0;
  }
}
