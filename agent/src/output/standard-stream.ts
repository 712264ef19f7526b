/**
 * The agent's own stdout or stderr, written to without ever waiting for who reads it: a terminal that is held, or a
 * reader that sleeps, must stop neither the agent nor one of its few I/O threads. (Node's own streams do not give that:
 * the fork of a worker that inherits the descriptor makes it blocking.) A pipe or terminal is opened once more for us
 * alone, non-blocking, so that its other users notice nothing; where that is forbidden, such as for a pipe that root
 * made, it is asked before each write. To a socket (journald) it is sent without waiting. A file is a file.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { constants as os } from "node:os";
import { isWritable, SyscallError, sendSome } from "../sockets/syscalls.ts";

/** A pipe or terminal that can be written to takes at least so much. */
const ASKED_BYTES = 4096;

export class StandardStream implements Disposable {
  readonly isFile: boolean;
  readonly #fd: number;
  readonly #isSocket: boolean;
  #own: number | null = null;

  constructor(fd: 1 | 2) {
    this.#fd = fd;
    const stats = fstatSync(fd);
    this.#isSocket = stats.isSocket();
    this.isFile = stats.isFile();
    if (stats.isFIFO() || stats.isCharacterDevice()) this.#own = openOwn(fd);
  }

  /**
   * Writes some of the bytes and returns how many.
   *
   * @throws with the code EAGAIN where nothing can be written without waiting, or else as the system says
   */
  write(bytes: Uint8Array): number {
    if (this.#isSocket) return sendSome(this.#fd, bytes);
    if (this.#own !== null) return writeSync(this.#own, bytes);
    if (this.isFile) return writeSync(this.#fd, bytes);
    if (!isWritable(this.#fd, 0)) throw new SyscallError("write", os.errno.EAGAIN);
    return writeSync(this.#fd, bytes.subarray(0, ASKED_BYTES));
  }

  /** Whether it can be written to now, or will be within the time, for which this thread waits. */
  isReady(waitMs: number): boolean {
    return isWritable(this.#own ?? this.#fd, waitMs);
  }

  /** The stream itself stays open; harmless twice. */
  [Symbol.dispose](): void {
    if (this.#own !== null) closeSync(this.#own);
    this.#own = null;
  }
}

function openOwn(fd: number): number | null {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return null;
  }
}
