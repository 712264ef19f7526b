/**
 * The agent's own stdout as a {@link Target} that never waits: a terminal that is held, or a reader that sleeps, must
 * not stop the agent or one of its few I/O threads. A file is written to as it is, a socket (journald) without
 * waiting; a pipe or terminal is opened once more for us alone, non-blocking, so that its other users notice nothing.
 */
import { closeSync, constants, fstatSync, openSync, write, writeSync } from "node:fs";
import { promisify } from "node:util";
import { sendSome } from "../../sockets/syscalls.ts";
import type { Target } from "../sink.ts";

const STDOUT = 1;
const writeFile = promisify(write) as (fd: number, bytes: Uint8Array) => Promise<{ bytesWritten: number }>;

export class StdoutTarget implements Target {
  readonly name = "stdout";
  readonly #own: number | null;
  readonly #isSocket: boolean;

  constructor() {
    const stats = fstatSync(STDOUT);
    this.#isSocket = stats.isSocket();
    this.#own = stats.isFIFO() || stats.isCharacterDevice() ? openOwn() : null;
  }

  async write(bytes: Buffer): Promise<number> {
    if (this.#isSocket) return sendSome(STDOUT, bytes);
    if (this.#own !== null) return writeSync(this.#own, bytes);
    return (await writeFile(STDOUT, bytes)).bytesWritten;
  }

  reopen(): void {
    // it is not ours
  }

  close(): Promise<void> {
    if (this.#own !== null) closeSync(this.#own);
    return Promise.resolve();
  }
}

function openOwn(): number | null {
  try {
    return openSync(`/proc/self/fd/${STDOUT}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return null; // such as a terminal of another user
  }
}
