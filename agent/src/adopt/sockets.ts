/**
 * Listening sockets come back from processes that have them: a copy of the descriptor, under the number that it had. So
 * nobody who connects is refused, and what is spawned later finds them where its command line says.
 */
import { type Logger, reasonOf } from "@circus-cluster/proto";
import type { SocketMemory } from "../journal/records.ts";
import { pidfdGetfd, pidfdOpen } from "../process/pidfd.ts";
import { descendantsOf } from "../process/signals.ts";
import type { HandedSocket } from "../sockets/handed.ts";
import { socketInode } from "../sockets/inode.ts";
import { close, duplicateFrom } from "../sockets/syscalls.ts";
import { socketsOf } from "./look.ts";
import type { AdoptedProcesses, Known } from "./processes.ts";

/** A socket of before that is open here, too. */
interface Recovered {
  readonly memory: SocketMemory;
  readonly fd: number;
}

/** A socket that living processes have, and that we do not get. */
interface Withheld {
  readonly memory: SocketMemory;
  readonly reason: string;
  /** Pids of the workers that have it, or whose children do. */
  readonly holders: readonly number[];
}

export interface SocketReturn {
  readonly recovered: readonly Recovered[];
  readonly withheld: readonly Withheld[];
  /** Nobody has it any more. */
  readonly lost: readonly SocketMemory[];
  /** What was handed over and is none of these. */
  readonly others: readonly HandedSocket[];
}

interface Holding {
  /** Of a worker of ours. */
  readonly worker: number;
  /** That worker, or one that it started. */
  readonly pid: number;
  readonly fd: number;
}

interface Holdings {
  /** By the number of the open socket. */
  readonly bySocket: ReadonlyMap<number, readonly Holding[]>;
  /** Workers that do not let us see what they have open: a socket that nobody else has may be theirs. */
  readonly unseen: readonly number[];
}

/**
 * @param handed sockets that are open already; such a one is taken where it is the same
 * @param workers that live
 */
export function takeSockets(
  sockets: readonly SocketMemory[],
  handed: readonly HandedSocket[],
  workers: readonly Known[],
  processes: AdoptedProcesses,
  log: Logger,
): SocketReturn {
  // A look at all that the workers have open, only where something was not handed over.
  let holdings: Holdings | null = null;
  const recovered: Recovered[] = [];
  const withheld: Withheld[] = [];
  const lost: SocketMemory[] = [];
  const others = [...handed];
  for (const memory of sockets) {
    const kept = others.find(({ fd }) => socketInode(`/proc/self/fd/${fd}`) === memory.inode);
    if (kept !== undefined) {
      others.splice(others.indexOf(kept), 1);
      recovered.push({ memory, fd: place(kept.fd, memory, log) });
      continue;
    }
    holdings ??= holdingsOf(workers);
    const holders = holdings.bySocket.get(memory.inode) ?? [];
    if (holders.length + holdings.unseen.length === 0) {
      lost.push(memory);
      continue;
    }
    const copy = copyOf(memory, holders, processes);
    if (typeof copy === "number") recovered.push({ memory, fd: place(copy, memory, log) });
    else {
      const suspects = new Set([...holders.map(({ worker }) => worker), ...holdings.unseen]);
      withheld.push({ memory, reason: copy, holders: [...suspects] });
    }
  }
  return { recovered, withheld, lost, others };
}

function holdingsOf(workers: readonly Known[]): Holdings {
  const bySocket = new Map<number, Holding[]>();
  const unseen = new Set<number>();
  for (const { pid: worker } of workers) {
    for (const pid of [worker, ...descendantsOf(worker)]) {
      const sockets = socketsOf(pid);
      if (sockets === null) unseen.add(worker);
      for (const [inode, fd] of sockets ?? []) {
        const holders = bySocket.get(inode);
        if (holders === undefined) bySocket.set(inode, [{ worker, pid, fd }]);
        else holders.push({ worker, pid, fd });
      }
    }
  }
  return { bySocket, unseen: [...unseen] };
}

/** A descriptor, or why there is none. */
function copyOf({ inode }: SocketMemory, holders: readonly Holding[], processes: AdoptedProcesses): number | string {
  let reason = holders.length === 0 ? "we may not look at what they have open" : "nobody has it any more";
  for (const { worker, pid, fd } of holders) {
    try {
      const copy = pid === worker ? fromWorker(pid, fd, processes) : fromOther(pid, fd);
      if (copy === null) continue;
      if (socketInode(`/proc/self/fd/${copy}`) === inode) return copy;
      close(copy);
    } catch (error) {
      reason = reasonOf(error);
    }
  }
  return reason;
}

function fromWorker(pid: number, fd: number, processes: AdoptedProcesses): number | null {
  const held = processes.pidfdOf(pid);
  return held === null ? null : pidfdGetfd(held, fd);
}

function fromOther(pid: number, fd: number): number {
  const pidfd = pidfdOpen(pid);
  try {
    return pidfdGetfd(pidfd, fd);
  } finally {
    close(pidfd);
  }
}

/** Under the number that it had, if nothing else has that. */
function place(fd: number, { name, fd: wanted }: SocketMemory, log: Logger): number {
  if (fd === wanted) return fd;
  const copy = duplicateFrom(fd, wanted);
  if (copy === wanted) {
    close(fd);
    return copy;
  }
  close(copy);
  log.warning("a socket could not keep its number: new processes get another one", { socket: name, was: wanted, fd });
  return fd;
}
