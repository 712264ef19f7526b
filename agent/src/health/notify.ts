/**
 * The sockets on which processes say how they are (`NOTIFY_SOCKET`). Node knows no Unix datagram sockets, so
 * they are the kernel's own.
 *
 * The directory can be entered but not listed, and each socket has a name that nobody can guess: whoever knows
 * it may write to it, and that is the process alone, whatever user it runs as.
 */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ReadableSockets } from "../sockets/readable.ts";
import * as sys from "../sockets/syscalls.ts";

export interface NotifySocket {
  readonly path: string;
  close(): void;
}

/** Bytes of a datagram that are read; the rest of a longer one is lost. */
const DATAGRAM_MAX = 8192;
/** Datagrams taken from one socket before others get their turn. */
const BURST_MAX = 64;
/** A path of the kernel has 107 bytes; a name of ours has 24. */
const DIRECTORY_MAX = 80;
const PREFIX = "circusd-notify-";
/** Locked while its agent lives. */
const LOCK = "lock";

interface Open {
  readonly path: string;
  readonly onMessage: (text: string) => void;
  readonly end: () => void;
}

export class NotifyHub {
  readonly #readable: ReadableSockets;
  readonly #sockets = new Map<number, Open>();
  readonly #buffer = Buffer.alloc(DATAGRAM_MAX);
  /** Their locks by path; new sockets come into the first, the others are of agents before us. */
  readonly #directories = new Map<string, number>();

  constructor(readable: ReadableSockets) {
    this.#readable = readable;
  }

  /**
   * A socket for one process.
   *
   * @param onMessage called with each datagram
   * @param taken path that a process of an agent before us writes to already; null: a new one
   * @throws SyscallError or Error of the system, with nothing left open
   */
  open(onMessage: (text: string) => void, taken: string | null = null): NotifySocket {
    const path = taken ?? join(this.#home(), randomBytes(12).toString("hex"));
    if (taken !== null) this.#retake(dirname(taken));
    const fd = sys.socket("AF_UNIX", "SOCK_DGRAM");
    try {
      if (taken !== null) rmSync(taken, { force: true }); // nobody listens on it any more
      sys.bind(fd, "AF_UNIX", { path });
      chmodSync(path, 0o666);
      this.#sockets.set(fd, { path, onMessage, end: this.#readable.each([fd], () => this.#read(fd)) });
    } catch (error) {
      sys.close(fd);
      rmSync(path, { force: true });
      throw error;
    }
    return { path, close: () => this.#close(fd, path) };
  }

  /**
   * Closes all.
   *
   * @param isLeft the processes live on, and the next agent takes their paths
   */
  close(isLeft = false): void {
    for (const [fd, { path }] of this.#sockets) {
      if (isLeft) this.#forget(fd);
      else this.#close(fd, path);
    }
    for (const [path, lockFd] of this.#directories) {
      if (!isLeft) rmSync(path, { recursive: true, force: true });
      closeSync(lockFd);
    }
    this.#directories.clear();
  }

  /** Descriptors are reused, so the path says whether it is still the same. */
  #close(fd: number, path: string): void {
    if (this.#sockets.get(fd)?.path !== path) return;
    this.#forget(fd);
    rmSync(path, { force: true });
  }

  #forget(fd: number): void {
    this.#sockets.get(fd)?.end();
    this.#sockets.delete(fd);
    sys.close(fd);
  }

  /** The directory of an agent before us, which may have been removed meanwhile, becomes ours. */
  #retake(path: string): void {
    if (this.#directories.has(path)) return;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (!isOwnDirectory(path)) throw new Error(`${path} belongs to somebody else`);
    const lockFd = openSync(join(path, LOCK), "a", 0o600);
    if (!sys.tryLock(lockFd)) {
      closeSync(lockFd);
      throw new Error(`${path} is in use by another circusd`);
    }
    chmodSync(path, 0o711);
    this.#directories.set(path, lockFd);
  }

  #home(): string {
    const [home] = this.#directories.keys();
    if (home !== undefined) return home;
    const base = Buffer.byteLength(tmpdir()) < DIRECTORY_MAX - 24 ? tmpdir() : "/tmp";
    removeStale(base);
    const path = mkdtempSync(join(base, PREFIX));
    // Locked before it has its name: nobody ever sees it free.
    const lockFd = openSync(join(path, `${LOCK}.new`), "a", 0o600);
    sys.tryLock(lockFd);
    renameSync(join(path, `${LOCK}.new`), join(path, LOCK));
    chmodSync(path, 0o711);
    this.#directories.set(path, lockFd);
    return path;
  }

  #read(fd: number): void {
    for (let n = 0; n < BURST_MAX; n++) {
      const open = this.#sockets.get(fd); // a message may close it
      if (open === undefined) return;
      const length = sys.receiveNow(fd, this.#buffer);
      if (length === null) return;
      open.onMessage(this.#buffer.toString("utf8", 0, length));
    }
  }
}

/**
 * Removes what killed agents of this user left. Not in the state directory, which a worker of another user could not
 * enter; whose agent lives is told by the lock, since others may see other pids.
 */
function removeStale(base: string): void {
  for (const name of readdirSync(base)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(base, name);
    try {
      if (isOwnDirectory(path) && !isLocked(join(path, LOCK))) rmSync(path, { recursive: true, force: true });
    } catch {
      // another agent has just removed it, or it is not what it looks like
    }
  }
}

function isOwnDirectory(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.geteuid?.();
}

/** @throws Error of the system where there is no lock (yet): its agent may be just about to take it */
function isLocked(path: string): boolean {
  const fd = openSync(path, "r+");
  try {
    return !sys.tryLock(fd);
  } finally {
    closeSync(fd);
  }
}
