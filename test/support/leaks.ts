/**
 * Nothing of a test outlives it. Every owner of something outside this process registers here; whatever a failed test
 * leaves is ended when the test process ends; `assertNoLeaks()` after each file says what was forgotten.
 */
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { waitFor } from "./wait.ts";

/** Stands in the environment of every process that we start, so that their descendants are known as ours too. */
export const MARK_NAME = "CIRCUS_TEST_MARK";
export const MARK = randomUUID();

const open = new Map<symbol, { readonly what: string; readonly cleanUp: () => void }>();

/** Registers something that must be closed; the result unregisters it. `cleanUp` runs at exit and must be synchronous. */
export function track(what: string, cleanUp: () => void): () => void {
  const key = Symbol(what);
  open.set(key, { what, cleanUp });
  return () => void open.delete(key);
}

process.once("exit", () => {
  for (const { cleanUp } of [...open.values()].reverse()) {
    try {
      cleanUp();
    } catch {
      // The others still have to be ended.
    }
  }
});

export interface ProcessInfo {
  readonly pid: number;
  readonly ppid: number;
  /** Clock ticks since boot: with the pid, who it is. */
  readonly start: number;
  readonly command: string;
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return ""; // gone meanwhile
  }
}

/** Null: there is none. */
function statOf(pid: number): { readonly state: string; readonly ppid: number; readonly start: number } | null {
  const stat = readProc(pid, "stat");
  if (stat === "") return null;
  const [state = "", ppid, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { state, ppid: Number(ppid), start: Number(rest[17]) };
}

/** A living process, or null: none, or a zombie. */
export function processInfo(pid: number): ProcessInfo | null {
  const stat = statOf(pid);
  if (stat === null || stat.state === "Z" || stat.state === "X") return null;
  const command = readProc(pid, "cmdline").replaceAll("\0", " ").trim();
  return { pid, ppid: stat.ppid, start: stat.start, command };
}

function allPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function allProcesses(): ProcessInfo[] {
  return allPids()
    .map(processInfo)
    .filter((info) => info !== null);
}

/** How many children ended without their parent taking notice. */
export function zombiesOf(pid: number): number {
  return allPids()
    .map(statOf)
    .filter((stat) => stat?.state === "Z" && stat.ppid === pid).length;
}

/** Children and children's children of a process, zombies left out. */
export function descendants(pid: number): ProcessInfo[] {
  const all = allProcesses();
  const found: ProcessInfo[] = [];
  const parents = new Set([pid]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const info of all) {
      if (!parents.has(info.ppid) || parents.has(info.pid)) continue;
      parents.add(info.pid);
      found.push(info);
      grown = true;
    }
  }
  return found;
}

export function children(pid: number): ProcessInfo[] {
  return allProcesses().filter((info) => info.ppid === pid);
}

/** Living processes whose working directory is this one. */
export function processesIn(directory: string): ProcessInfo[] {
  return allProcesses().filter(({ pid }) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === directory;
    } catch {
      return false; // gone meanwhile
    }
  });
}

/** Still the same process, and alive? */
function isSame({ pid, start }: ProcessInfo): boolean {
  return processInfo(pid)?.start === start;
}

/** Kills those that are still the same; returns them. */
export function killSurvivors(processes: readonly ProcessInfo[]): ProcessInfo[] {
  const survivors = processes.filter(isSame);
  for (const { pid } of survivors) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Gone meanwhile.
    }
  }
  return survivors;
}

/** Processes anywhere on the machine that carry our mark, this one left out. */
export function markedProcesses(): ProcessInfo[] {
  const needle = `${MARK_NAME}=${MARK}`;
  return allProcesses().filter(
    ({ pid }) => pid !== process.pid && readProc(pid, "environ").split("\0").includes(needle),
  );
}

/** @throws naming what is still open or running; such processes are killed. Waits a moment for what is just ending. */
export async function assertNoLeaks(deadlineMs = 3000): Promise<void> {
  const describe = (): string[] => [
    ...[...open.values()].map(({ what }) => `not closed: ${what}`),
    ...markedProcesses().map(({ pid, command }) => `still running: ${command} (pid ${pid})`),
  ];
  await waitFor(() => describe().length === 0, { what: "all that was started to end", deadlineMs, everyMs: 20 }).catch(
    () => {
      const leaks = describe();
      killSurvivors(markedProcesses());
      if (leaks.length > 0) throw new Error(`leaks:\n${leaks.join("\n")}`);
    },
  );
}
