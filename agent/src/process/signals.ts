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

/** False where the process has gone. Other failures throw. */
export function sendSignal(pid: number, signum: number): boolean {
  try {
    process.kill(pid, signum);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

/** SIGKILL for the whole process group that a worker leads. */
export function killGroup(pid: number): void {
  sendSignal(-pid, NUMBERS["SIGKILL"] ?? 9);
}

/** Direct children, by one look at the kernel's list. */
export function childrenOf(pid: number): number[] {
  const pids: number[] = [];
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      pids.push(
        ...readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number),
      );
    }
  } catch {
    // it has gone meanwhile
  }
  return pids;
}

/** All descendants, parents before their children. */
export function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}
