/** Signals by name and number, and sending them to a process, its group or its children. */
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";

const NUMBERS: Readonly<Record<string, number>> = constants.signals;
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** A number, digits, or a name with or without SIG in any case, `SIGRTMIN+1` too (reference §1.4); null: none of these. */
export function parseSignal(text: string | number): number | null {
  if (typeof text === "number") return Number.isInteger(text) && text > 0 && text <= SIGRTMAX ? text : null;
  const trimmed = text.trim().toUpperCase();
  if (/^\d+$/.test(trimmed)) return parseSignal(Number(trimmed));
  const [, base = "", offset] = /^(?:SIG)?([A-Z0-9]+?)(?:\+(\d+))?$/.exec(trimmed) ?? [];
  const number = base === "RTMIN" ? SIGRTMIN : base === "RTMAX" ? SIGRTMAX : NUMBERS[`SIG${base}`];
  return number === undefined ? null : parseSignal(number + Number(offset ?? 0));
}

/** The number of a signal as Node names it. */
export function signalNumber(name: NodeJS.Signals | null): number | null {
  return name === null ? null : (NUMBERS[name] ?? null);
}

/** `SIGTERM` for 15, `SIGRTMIN+1` for 35; null: no signal has that number. */
export function signalName(signum: number): string | null {
  const name = Object.entries(NUMBERS).find(([, value]) => value === signum)?.[0];
  if (name !== undefined) return name;
  if (parseSignal(signum) === null || signum < SIGRTMIN) return null;
  return signum === SIGRTMIN ? "SIGRTMIN" : `SIGRTMIN+${signum - SIGRTMIN}`;
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
