/**
 * Processes that an agent before us started: no children of ours, so that the kernel tells us of their end by their
 * pidfds alone. What is sent to one of them meets that process or nobody, whoever got its number meanwhile.
 */
import type { Logger } from "@circus-cluster/proto";
import { pidfdExitStatus, pidfdOpen, pidfdSignal, pidfdSignalGroup } from "../process/pidfd.ts";
import { childrenOf, descendantsOf, killGroup, killTree, sendSignal, signalAll } from "../process/signals.ts";
import type { ReadableSockets } from "../sockets/readable.ts";
import { close, SyscallError } from "../sockets/syscalls.ts";
import { type ProcessEnd, UNKNOWN_END } from "../watcher/state.ts";
import { endOf, lookAt } from "./look.ts";

/** Init may take a moment to reap one that has ended; until then not every kernel tells how it did. */
const LOOK_AGAIN_MS = 20;
const LOOKS_MAX = 100;

export interface Known {
  readonly pid: number;
  readonly ticks: number;
}

export class AdoptedProcesses implements Disposable {
  readonly #readable: ReadableSockets;
  readonly #log: Logger;
  readonly #pidfds = new Map<number, { readonly ticks: number; readonly pidfd: number }>();

  constructor(readable: ReadableSockets, log: Logger) {
    this.#readable = readable;
    this.#log = log;
  }

  /** Null: it has gone meanwhile. @throws SyscallError ENOSYS … */
  hold({ pid, ticks }: Known): number | null {
    const held = this.#pidfds.get(pid);
    if (held !== undefined) return held.pidfd;
    let pidfd: number;
    try {
      pidfd = pidfdOpen(pid);
    } catch (error) {
      if (error instanceof SyscallError && error.code === "ESRCH") return null;
      throw error;
    }
    // Only now: from here on the number cannot come to mean another one.
    if (lookAt(pid)?.ticks !== ticks) {
      close(pidfd);
      return null;
    }
    this.#pidfds.set(pid, { ticks, pidfd });
    return pidfd;
  }

  /** Null: it is not held. */
  pidfdOf(pid: number): number | null {
    return this.#pidfds.get(pid)?.pidfd ?? null;
  }

  /** Calls `onEnd` once, later, when it has ended; from then on it is held no more. */
  attend(pid: number, onEnd: (end: ProcessEnd) => void): void {
    const held = this.#pidfds.get(pid);
    if (held === undefined) {
      setImmediate(() => onEnd(UNKNOWN_END));
      return;
    }
    this.#readable.once([held.pidfd], () => this.#ended(pid, held, 0, onEnd));
  }

  #ended(
    pid: number,
    held: { readonly ticks: number; readonly pidfd: number },
    looks: number,
    onEnd: (end: ProcessEnd) => void,
  ): void {
    if (this.#pidfds.get(pid) !== held) return; // closed meanwhile
    const end = howItEnded(pid, held);
    if (end === null && looks < LOOKS_MAX) {
      setTimeout(() => this.#ended(pid, held, looks + 1, onEnd), LOOK_AGAIN_MS);
      return;
    }
    this.#pidfds.delete(pid);
    close(held.pidfd);
    onEnd(end ?? UNKNOWN_END);
  }

  /** As `sendSignal`, for whichever process. */
  readonly send = (pid: number, signum: number): boolean => {
    const held = this.#pidfds.get(pid);
    return held === undefined ? sendSignal(pid, signum) : pidfdSignal(held.pidfd, signum);
  };

  /** As `killTree`, for whichever process. */
  readonly killTree = (pid: number, signum: number): void => {
    const held = this.#pidfds.get(pid);
    if (held === undefined) {
      killTree(pid, signum);
      return;
    }
    const descendants = pidfdSignal(held.pidfd, 0) ? descendantsOf(pid) : [];
    this.#killGroup(pid, held, signum);
    signalAll(descendants, signum);
  };

  #killGroup(pid: number, { ticks, pidfd }: { readonly ticks: number; readonly pidfd: number }, signum: number): void {
    try {
      pidfdSignalGroup(pidfd, signum);
    } catch (error) {
      if (!(error instanceof SyscallError && error.code === "EINVAL")) throw error;
      // An older kernel: by number, while that is still its own.
      if (lookAt(pid)?.ticks === ticks) killGroup(pid, signum);
      else this.#log.warning("cannot signal what an adopted process left behind", { pid });
    }
  }

  /** Signals its direct children; returns their pids. */
  readonly signalChildren = (pid: number, signum: number): readonly number[] => {
    const held = this.#pidfds.get(pid);
    if (held !== undefined && !pidfdSignal(held.pidfd, 0)) return [];
    return childrenOf(pid).filter((child) => sendSignal(child, signum));
  };

  /** Holds none any more; nobody is told of their end. */
  [Symbol.dispose](): void {
    for (const { pidfd } of this.#pidfds.values()) close(pidfd);
    this.#pidfds.clear();
  }
}

/** Null: nobody can tell yet. */
function howItEnded(
  pid: number,
  { ticks, pidfd }: { readonly ticks: number; readonly pidfd: number },
): ProcessEnd | null {
  const status = pidfdExitStatus(pidfd);
  if (status !== null) return endOf(status);
  const fact = lookAt(pid);
  const isKnown = fact?.ticks === ticks && fact.end !== null && (fact.end.code ?? fact.end.signal) !== null;
  return isKnown ? fact.end : null;
}
