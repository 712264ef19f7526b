/**
 * The sockets on which processes say how they are (`NOTIFY_SOCKET`). Node knows no Unix datagram sockets, so
 * they are the kernel's own, and one epoll waits for all of them in a thread of libuv's pool, only while there
 * is a socket at all.
 *
 * The directory can be entered but not listed, and each socket has a name that nobody can guess: whoever knows
 * it may write to it, and that is the process alone, whatever user it runs as.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, closeSync, lstatSync, mkdtempSync, openSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Logger, reasonOf } from "@circus-cluster/proto";
import * as sys from "../sockets/syscalls.ts";

export interface NotifySocket {
  readonly path: string;
  close(): void;
}

/** Bytes of a datagram that are read; the rest of a longer one is lost. */
const DATAGRAM_MAX = 8192;
/** Datagrams taken from one socket before others get their turn. */
const BURST_MAX = 64;
/** How long the thread waits at most: what an end of the agent that forgot {@link NotifyHub.close} would wait for it. */
const WAIT_MS = 1000;
/** A path of the kernel has 107 bytes; a name of ours has 24. */
const DIRECTORY_MAX = 80;
const PREFIX = "circusd-notify-";
/** Locked while its agent lives. */
const LOCK = "lock";

interface Open {
  readonly path: string;
  readonly onMessage: (text: string) => void;
}

export class NotifyHub {
  readonly #log: Logger;
  readonly #sockets = new Map<number, Open>();
  readonly #buffer = Buffer.alloc(DATAGRAM_MAX);
  #directory: { readonly path: string; readonly lockFd: number } | null = null;
  #epoll = -1;
  #isWaiting = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * A socket for one process.
   *
   * @param onMessage called with each datagram
   * @throws SyscallError or Error of the system, with nothing left open
   */
  open(onMessage: (text: string) => void): NotifySocket {
    const path = join(this.#home(), randomBytes(12).toString("hex"));
    const fd = sys.socket("AF_UNIX", "SOCK_DGRAM");
    try {
      sys.bind(fd, "AF_UNIX", { path });
      chmodSync(path, 0o666);
      if (this.#epoll < 0) this.#epoll = sys.epollCreate();
      sys.epollAdd(this.#epoll, fd);
    } catch (error) {
      sys.close(fd);
      rmSync(path, { force: true });
      throw error;
    }
    this.#sockets.set(fd, { path, onMessage });
    if (!this.#isWaiting) void this.#wait();
    return { path, close: () => this.#close(fd, path) };
  }

  /** Closes all; the thread ends by itself within a second. */
  close(): void {
    for (const [fd, { path }] of this.#sockets) this.#close(fd, path);
    if (this.#directory === null) return;
    rmSync(this.#directory.path, { recursive: true, force: true });
    closeSync(this.#directory.lockFd);
    this.#directory = null;
  }

  /** Descriptors are reused, so the path says whether it is still the same. */
  #close(fd: number, path: string): void {
    if (this.#sockets.get(fd)?.path !== path) return;
    this.#sockets.delete(fd);
    sys.close(fd); // which takes it out of the epoll too
    rmSync(path, { force: true });
  }

  #home(): string {
    if (this.#directory !== null) return this.#directory.path;
    const base = Buffer.byteLength(tmpdir()) < DIRECTORY_MAX - 24 ? tmpdir() : "/tmp";
    removeStale(base);
    const path = mkdtempSync(join(base, PREFIX));
    // Locked before it has its name: nobody ever sees it free.
    const lockFd = openSync(join(path, `${LOCK}.new`), "a", 0o600);
    sys.tryLock(lockFd);
    renameSync(join(path, `${LOCK}.new`), join(path, LOCK));
    chmodSync(path, 0o711);
    this.#directory = { path, lockFd };
    return path;
  }

  async #wait(): Promise<void> {
    this.#isWaiting = true;
    const epoll = this.#epoll;
    try {
      while (this.#sockets.size > 0) for (const fd of await sys.epollWait(epoll, WAIT_MS)) this.#read(fd);
    } catch (error) {
      this.#log.error("notify sockets cannot be read any more", { reason: reasonOf(error) });
    } finally {
      this.#isWaiting = false;
      this.#epoll = -1;
      sys.close(epoll);
    }
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
