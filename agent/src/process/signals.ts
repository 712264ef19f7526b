/** Sending signals to a process, its group or its children. */
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";

const NUMBERS: Readonly<Record<string, number>> = constants.signals;

/** The number of a signal as Node names it. */
export function signalNumber(name: NodeJS.Signals | null): number | null {
  return name === null ? null : (NUMBERS[name] ?? null);
}

/**
 * Sends to one process, or to a whole group if `pid` is negative. False where it has gone.
 *
 * @throws RangeError for 0 and -1, which would hit the agent's own group or every process of the host;
 * Error of the system otherwise (EPERM, EINVAL).
 */
export function sendSignal(pid: number, signum: number): boolean {
  if (!Number.isInteger(pid) || pid === 0 || pid === -1) throw new RangeError(`no single process or group: ${pid}`);
  try {
    process.kill(pid, signum);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** For the whole process group that a worker leads, SIGKILL by default. False where nobody is left in it. */
export function killGroup(pid: number, signum: number = constants.signals.SIGKILL): boolean {
  return sendSignal(-pid, signum);
}

/**
 * For all that a worker has made: its process group, and descendants that went into one of their own. These are
 * looked for first: once their parents are gone nobody can tell whose they were (D9).
 */
export function killTree(pid: number, signum: number = constants.signals.SIGKILL): void {
  const descendants = descendantsOf(pid);
  killGroup(pid, signum);
  signalAll(descendants, signum);
}

/** As many of them as we may. */
export function signalAll(pids: readonly number[], signum: number): void {
  for (const pid of pids) {
    try {
      sendSignal(pid, signum);
    } catch {
      // of another user, by its own doing: the others are still to go
    }
  }
}

/** Direct children, by one look at the kernel's list: that of each thread, since each may have forked. */
export function childrenOf(pid: number): number[] {
  return tasksOf(pid).flatMap((task) => {
    try {
      const text = readFileSync(`/proc/${pid}/task/${task}/children`, "utf8");
      return text.split(" ").filter(Boolean).map(Number);
    } catch {
      return []; // that thread has gone meanwhile; the others may still have children
    }
  });
}

function tasksOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** All descendants, parents before their children. */
export function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}
