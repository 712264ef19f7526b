/**
 * Reads one output of one process and hands on whole lines. It pauses when told, which in the end makes the process
 * wait; it takes what is left when the process has gone, without waiting for grandchildren that still hold the pipe.
 */
import { readSync } from "node:fs";
import { type OnReadOpts, Socket, type SocketConstructorOpts } from "node:net";
import { LineCutter, type Piece } from "./lines.ts";

/** Into one memory for all: what was read is copied before anything else is. */
const READ_BYTES = 1024 * 1024;
let shared: Buffer | null = null;
/** Of what a process left behind; more than any pipe holds. */
const DRAIN_READS_MAX = 64;

interface CaptureOptions {
  /** Owned from here on. */
  readonly readEnd: number;
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
  #isPaused = false;
  #isOver = false;

  constructor({ readEnd, onPiece, onEnd }: CaptureOptions) {
    this.#fd = readEnd;
    this.#onPiece = onPiece;
    this.#onEnd = onEnd;
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

  #take(bytes: Uint8Array): void {
    const piece = this.#cutter.push(bytes);
    if (piece !== null) this.#onPiece(piece);
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
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
