/**
 * FIFOs that processes write their output to, in the state directory (design §3): each process holds its own open
 * for reading and writing, so that it has a reader even while no circusd is there, and what it writes waits.
 *
 * F1  A FIFO has a name of its own: no two processes, agents or streams share one.
 * F2  Its name tells the watcher, so that what an agent left behind finds its sink again without any other record.
 * F3  It is removed by whoever has taken all that is in it, at the latest by the next agent.
 */
import { createHash, randomBytes } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import { escapeToken, type Logger, reasonOf } from "@circus-cluster/proto";
import { tryUnlink } from "../durable-file.ts";
import { mkfifo } from "../sockets/syscalls.ts";

const FOLDER = "output";
const MODE = 0o600;
/** A file's name has 255 bytes, and escaping makes three of one. */
const PLAIN_NAME_BYTES_MAX = 60;

export type StreamName = "stdout" | "stderr";

/** Whose output it is. */
export interface OutputOwner {
  readonly watcher: string;
  readonly wid: number;
  readonly stream: StreamName;
}

/** What an agent that is gone has left. */
export interface LeftFifo {
  readonly path: string;
  /** See {@link watcherToken}. */
  readonly token: string;
  readonly wid: number;
  readonly stream: StreamName;
}

/** Over a crash of the agent: bytes that are in no FIFO any more and in no sink yet. */
export interface LineRest {
  read(): Buffer;
  /** @throws the system's error: ENOSPC … */
  keep(more: Uint8Array): void;
  drop(): void;
}

export class FifoDir {
  readonly dir: string;
  readonly #ours = new Set<string>();

  /** Where the state directory is. */
  readonly device: number;

  private constructor(dir: string, device: number) {
    this.dir = dir;
    this.device = device;
  }

  /** @throws the system's error where it can neither be found nor made */
  static open(stateDir: string): FifoDir {
    const dir = join(stateDir, FOLDER);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    return new FifoDir(dir, statSync(dir).dev);
  }

  /**
   * Makes one, of mode 0600: a process of another user gets it open.
   *
   * @throws SyscallError, or the system's error: ENOSPC, EROFS, EMFILE …
   */
  create({ watcher, wid, stream }: OutputOwner): {
    readonly path: string;
    readonly writeEnd: number;
    readonly readEnd: number;
  } {
    const path = join(this.dir, `${watcherToken(watcher)}.${wid}.${stream}.${randomBytes(6).toString("hex")}`);
    mkfifo(path, MODE);
    let writeEnd = -1;
    try {
      chmodSync(path, MODE); // whatever the umask
      writeEnd = openSync(path, constants.O_RDWR);
      const readEnd = openForReading(path);
      this.#ours.add(path);
      return { path, writeEnd, readEnd };
    } catch (error) {
      if (writeEnd >= 0) closeSync(writeEnd);
      unlinkSync(path);
      throw error;
    }
  }

  /**
   * The read side of one that an agent before us made.
   *
   * @throws the system's error: ENOENT …
   */
  reopen(path: string): number {
    const readEnd = openForReading(path);
    try {
      // The kernel tells a reader of the end only if somebody has written, or could have, since it was opened.
      closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    } catch (error) {
      closeSync(readEnd);
      throw error;
    }
    this.#ours.add(path);
    return readEnd;
  }

  /** Nothing more is to come out of it. */
  remove(path: string): void {
    this.#ours.delete(path);
    this.restOf(path).drop();
    tryUnlink(path); // else the next agent tries again (F3)
  }

  /** Beside the FIFO: the beginning of a line that was read from it and has no end yet. */
  restOf(path: string): LineRest {
    const file = `${path}.rest`;
    return {
      read: () => readIfThere(file),
      keep: (more) => appendFileSync(file, more, { mode: MODE }),
      drop: () => tryUnlink(file),
    };
  }

  /** What nobody here reads; what is no FIFO of ours is not told of. */
  leftovers(): readonly LeftFifo[] {
    return readdirSync(this.dir).flatMap((name) => {
      const path = join(this.dir, name);
      const [, token = "", wid, stream] = /^([^.]+)\.(\d+)\.(stdout|stderr)\.[0-9a-f]+$/.exec(name) ?? [];
      if (token === "" || this.#ours.has(path)) return [];
      return [{ path, token, wid: Number(wid), stream: stream as StreamName }];
    });
  }
}

/** @param stateDir null: nothing is kept beyond this life. Where it cannot be used, that is said, and pipes do. */
export function openFifos(stateDir: string | null, log: Logger): FifoDir | null {
  if (stateDir === null) return null;
  try {
    return FifoDir.open(stateDir);
  } catch (error) {
    log.warning("the output of processes will not outlive circusd", { reason: reasonOf(error) });
    return null;
  }
}

/** A watcher's name as a part of a file's name: reversible where it is short, else a digest. */
export function watcherToken(watcher: string): string {
  const isShort = watcher !== "" && Buffer.byteLength(watcher) <= PLAIN_NAME_BYTES_MAX;
  return isShort ? escapeToken(watcher) : `=${createHash("sha256").update(watcher).digest("hex").slice(0, 32)}`;
}

function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

/** Without waiting for somebody who writes. */
function openForReading(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
}
