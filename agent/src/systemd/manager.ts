/**
 * The service manager that started circusd, if that is systemd (`Type=notify`): told how far circusd is and that it
 * lives, and given a copy of every listening socket to keep (`FDSTORE`), which the next circusd gets back from it. Where
 * nobody listens all of this does nothing. It never blocks, and nothing that goes wrong here concerns the workers.
 */
import { fstatSync } from "node:fs";
import { Socket } from "node:net";
import { hrtime } from "node:process";
import { type Logger, reasonOf } from "@circus-cluster/proto";
import { FIRST_FD } from "../process/activation.ts";
import type { BoundSocket } from "../sockets/bind.ts";
import type { HandedSocket } from "../sockets/handed.ts";
import * as sys from "../sockets/syscalls.ts";
import { descriptorName, type FromManager, fromManager, message, socketNameOf, VARIABLES } from "./messages.ts";

interface Queued {
  readonly datagram: Buffer;
  readonly fds: readonly number[];
}

/** What waits while systemd is slow to read; more is lost, oldest first. */
const QUEUE_MAX = 1000;
const RETRY_MS = 20;
const BARRIER_MS = 5000;
/** While circusd stops it asks for time in pieces: a stop may take as long as its workers, but not without a sign of life. */
const STOPPING_EVERY_MS = 5000;
const STOPPING_PIECE_MS = 30_000;

/** What the environment says, out of it: workers are not to speak in circusd's name. */
export function takeFromManager(env: NodeJS.ProcessEnv): FromManager {
  const from = fromManager(env, process.pid);
  for (const name of VARIABLES) Reflect.deleteProperty(env, name);
  return from;
}

export class ServiceManager implements Disposable {
  readonly #from: FromManager;
  readonly #log: Logger;
  #socket = -1;
  #queue: Queued[] = [];
  #retry: NodeJS.Timeout | null = null;
  readonly #beats: NodeJS.Timeout[] = [];
  #isClosed = false;
  /** Whether the last message got there: that it does not is said once. */
  #isHeard = true;
  #isStopping = false;
  /** Inode of what it keeps, by the name it has there. */
  readonly #kept = new Map<string, number | null>();
  #status = "";

  /** The watchdog is served from now on, by a timer: it hears while the event loop turns. */
  constructor(from: FromManager, log: Logger) {
    this.#from = from;
    this.#log = log;
    if (from.watchdogMs !== null) this.#beat(from.watchdogMs / 2, { WATCHDOG: 1 });
  }

  /** Is there anybody who hears? */
  get isThere(): boolean {
    return this.#from.notifySocket !== null;
  }

  /** Sockets that it kept, or has opened itself. Once: the caller has them then. */
  handed(): readonly HandedSocket[] {
    const handed: HandedSocket[] = [];
    for (const [i, descriptor] of this.#from.descriptors.entries()) {
      const one = { fd: FIRST_FD + i, name: socketNameOf(descriptor) ?? descriptor };
      const inode = inodeOf(one.fd);
      if (inode === null) continue;
      if (one.name !== null) this.#kept.set(descriptorName(one.name), inode);
      handed.push(one);
    }
    return handed;
  }

  /** Lets it forget those that nobody wants; settles when it has, so that their addresses are free. */
  async forget(closed: readonly HandedSocket[]): Promise<void> {
    for (const { name } of closed) if (name !== null) this.#drop(descriptorName(name));
    if (this.isThere) await this.#barrier();
  }

  /** From now on it keeps exactly these: what it has of others it forgets. */
  keep(sockets: readonly BoundSocket[]): void {
    // One with so_reuseport is not bound; each process opens its own.
    const wanted = sockets.filter(({ config }) => !config.soReuseport);
    const names = new Set(wanted.map(({ config }) => descriptorName(config.name)));
    for (const name of [...this.#kept.keys()]) if (!names.has(name)) this.#drop(name);
    for (const { config, fd } of wanted) {
      const name = descriptorName(config.name);
      const inode = inodeOf(fd);
      if (this.#kept.get(name) === inode) continue;
      if (this.#kept.has(name)) this.#drop(name);
      this.#kept.set(name, inode);
      this.#send({ FDSTORE: 1, FDNAME: name }, [fd]);
    }
  }

  ready(): void {
    if (!this.#isStopping) this.#send({ READY: 1 });
  }

  /** Says that the configuration is read anew until `work` is done, well or not, and keeps the sockets that are there then. */
  async whileReloading<T>(sockets: () => readonly BoundSocket[], work: () => Promise<T>): Promise<T> {
    this.#send({ RELOADING: 1, MONOTONIC_USEC: String(hrtime.bigint() / 1000n) });
    try {
      return await work();
    } finally {
      this.keep(sockets());
      this.ready();
    }
  }

  /** Harmless twice. */
  stopping(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#send({ STOPPING: 1, STATUS: "stopping all watchers" });
    const more = { EXTEND_TIMEOUT_USEC: STOPPING_PIECE_MS * 1000 };
    this.#send(more);
    this.#beat(STOPPING_EVERY_MS, more);
  }

  /** @param text one line */
  status(text: string): void {
    if (this.#isStopping || text === this.#status) return;
    this.#status = text;
    this.#send({ STATUS: text });
  }

  /** Nothing is sent any more. What systemd keeps, it keeps. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const beat of this.#beats) clearInterval(beat);
    if (this.#retry !== null) clearTimeout(this.#retry);
    if (this.#socket >= 0) sys.close(this.#socket);
    this.#socket = -1;
  }

  #beat(everyMs: number, fields: Parameters<typeof message>[0]): void {
    if (!this.isThere) return;
    this.#beats.push(setInterval(() => this.#send(fields), everyMs).unref());
  }

  #drop(name: string): void {
    this.#kept.delete(name);
    this.#send({ FDSTOREREMOVE: 1, FDNAME: name });
  }

  /** Settles when everything sent before has been worked off: it closes the descriptor that comes with the message. */
  async #barrier(): Promise<void> {
    const { readEnd, writeEnd } = sys.pipe();
    this.#send({ BARRIER: 1 }, [writeEnd]);
    const isSent = this.#queue.length === 0;
    sys.close(writeEnd);
    const end = new Socket({ fd: readEnd, readable: true, writable: false });
    if (!isSent) {
      end.destroy();
      return;
    }
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, BARRIER_MS);
      end.resume().once("close", () => {
        clearTimeout(late);
        resolve();
      });
    });
    end.destroy();
  }

  #send(fields: Parameters<typeof message>[0], fds: readonly number[] = []): void {
    if (this.#isClosed || this.#from.notifySocket === null) return;
    if (this.#queue.length >= QUEUE_MAX) this.#queue.shift();
    this.#queue.push({ datagram: message(fields), fds });
    if (this.#retry === null) this.#flush(this.#from.notifySocket);
  }

  #flush(path: string): void {
    try {
      if (this.#socket < 0) this.#socket = sys.socket("AF_UNIX", "SOCK_DGRAM");
      for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
        if (!this.#sendNow(path, next)) {
          this.#retry = setTimeout(() => {
            this.#retry = null;
            this.#flush(path);
          }, RETRY_MS).unref();
          return;
        }
        this.#queue.shift();
      }
      this.#isHeard = true;
    } catch (error) {
      this.#queue = [];
      if (this.#isHeard) this.#log.warning("systemd does not hear", { socket: path, reason: reasonOf(error) });
      this.#isHeard = false;
    }
  }

  #sendNow(path: string, { datagram, fds }: Queued): boolean {
    try {
      return sys.sendDescriptors(this.#socket, { path }, datagram, fds);
    } catch (error) {
      // It was closed while it waited here.
      if (error instanceof sys.SyscallError && error.code === "EBADF") return true;
      throw error;
    }
  }
}

/** Of the socket itself, whatever its number; null: nothing is open there. */
function inodeOf(fd: number): number | null {
  try {
    return fstatSync(fd).ino;
  } catch {
    return null;
  }
}
