/**
 * Tells when descriptors have something to read, a connection, a datagram or the end of a process, without taking it:
 * one epoll for all of them, in a thread of libuv's pool, only while there is any to wait for.
 */
import { type Logger, reasonOf } from "@circus-cluster/proto";
import * as sys from "./syscalls.ts";

/** The thread looks up that often; it is woken when there is nothing to wait for any more. */
const WAIT_MS = 60_000;

type OnReadable = () => void;

interface Thread {
  readonly epoll: number;
  /** Wakes it when it is closed. */
  readonly writeEnd: number;
}

export class ReadableSockets implements Disposable {
  readonly #log: Logger;
  /** Who waits for which descriptor. */
  readonly #waiters = new Map<number, Set<OnReadable>>();
  #thread: Thread | null = null;

  constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * Calls `onReadable` once, later, when one of the descriptors has something to read.
   *
   * @returns ends the waiting; harmless twice and afterwards
   * @throws SyscallError of the kernel, with nothing waited for
   */
  once(fds: readonly number[], onReadable: OnReadable): () => void {
    const end = this.each(fds, () => {
      end();
      onReadable();
    });
    return end;
  }

  /** The same, again and again while there is something to read. */
  each(fds: readonly number[], onReadable: OnReadable): () => void {
    const mine = [...new Set(fds)];
    const told = (): void => onReadable(); // of its own: two may wait with the same function
    const end = (): void => {
      for (const fd of mine) this.#remove(fd, told);
    };
    try {
      for (const fd of mine) this.#add(fd, told);
    } catch (error) {
      end();
      throw error;
    }
    return end;
  }

  #add(fd: number, waiter: OnReadable): void {
    const { epoll } = (this.#thread ??= this.#begin());
    const waiters = this.#waiters.get(fd);
    if (waiters === undefined) sys.epollAdd(epoll, fd);
    this.#waiters.set(fd, (waiters ?? new Set()).add(waiter));
  }

  #remove(fd: number, waiter: OnReadable): void {
    const waiters = this.#waiters.get(fd);
    if (waiters?.delete(waiter) !== true || waiters.size > 0) return;
    this.#waiters.delete(fd);
    if (this.#thread !== null) sys.epollRemove(this.#thread.epoll, fd);
    if (this.#waiters.size === 0) this[Symbol.dispose]();
  }

  #begin(): Thread {
    const epoll = sys.epollCreate();
    const { readEnd, writeEnd } = pipeOrClose(epoll);
    sys.epollAdd(epoll, readEnd);
    void this.#wait(epoll, readEnd);
    return { epoll, writeEnd };
  }

  /** Nobody waits any more: the end of the pipe wakes the thread. */
  [Symbol.dispose](): void {
    this.#waiters.clear();
    if (this.#thread === null) return;
    sys.close(this.#thread.writeEnd);
    this.#thread = null;
  }

  /** @param epoll and `readEnd`, closed here, when no other thread uses them any more */
  async #wait(epoll: number, readEnd: number): Promise<void> {
    try {
      for (;;) {
        const ready = await sys.epollWait(epoll, WAIT_MS);
        if (this.#thread?.epoll !== epoll || ready.includes(readEnd)) return;
        for (const fd of ready) for (const waiter of [...(this.#waiters.get(fd) ?? [])]) waiter();
      }
    } catch (error) {
      this.#log.error("descriptors are not watched any more", { reason: reasonOf(error) });
    } finally {
      sys.close(epoll);
      sys.close(readEnd);
    }
  }
}

function pipeOrClose(epoll: number): ReturnType<typeof sys.pipe> {
  try {
    return sys.pipe();
  } catch (error) {
    sys.close(epoll);
    throw error;
  }
}
