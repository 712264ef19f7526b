/** Looks at processes in /proc: who they are, which id they carry, which sockets they hold. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { readProc } from "../process/proc-read.ts";
import { type ProcStat, parseStat } from "../process/proc-stat.ts";
import { socketInode } from "../sockets/inode.ts";
import { type ProcessEnd, UNKNOWN_END } from "../watcher/state.ts";
import type { ProcessFact } from "./survey.ts";

/** By which a worker is found whose agent could not write its pid down any more. */
export const SPAWN_ID = "CIRCUS_SPAWN_ID";

const SIGNAL_BITS = 0x7f;

/** Null: there is none of that number. */
export function lookAt(pid: number): ProcessFact | null {
  const stat = parseStat(readProc(`/proc/${pid}/stat`));
  return stat === null ? null : factOf(pid, stat);
}

function factOf(pid: number, { startTicks: ticks, state, exitStatus }: ProcStat): ProcessFact {
  if (state !== "Z" && state !== "X") return { pid, ticks, end: null };
  return { pid, ticks, end: mayKnow(pid) ? endOf(exitStatus) : UNKNOWN_END };
}

/** The kernel shows 0 to whom it does not tell. */
function mayKnow(pid: number): boolean {
  const euid = process.geteuid?.();
  if (euid === 0) return true;
  try {
    return statSync(`/proc/${pid}`).uid === euid;
  } catch {
    return false;
  }
}

/** @param status as `wait` gives it */
export function endOf(status: number): ProcessEnd {
  const signal = status & SIGNAL_BITS;
  return signal === 0 ? { code: (status >> 8) & 0xff, signal: null } : { code: null, signal };
}

/**
 * Who was started with an id of this owner, by id: of all that carry it, since children inherit it, the one that is
 * oldest and leads its session. One look at every process of the host.
 */
export function spawnedBy(owner: string): ReadonlyMap<string, ProcessFact> {
  const found = new Map<string, ProcessFact>();
  const prefix = `${SPAWN_ID}=${owner}-`;
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const id = spawnIdOf(pid, prefix);
    if (id === null) continue;
    const stat = parseStat(readProc(`/proc/${pid}/stat`));
    if (stat?.session !== pid) continue;
    const known = found.get(id);
    if (known === undefined || stat.startTicks < known.ticks) found.set(id, factOf(pid, stat));
  }
  return found;
}

function spawnIdOf(pid: number, prefix: string): string | null {
  let environ: Buffer;
  try {
    environ = readFileSync(`/proc/${pid}/environ`);
  } catch {
    return null; // gone, or another user's
  }
  if (!environ.includes(prefix)) return null;
  const entry = environ
    .toString("latin1")
    .split("\0")
    .find((text) => text.startsWith(prefix));
  return entry?.slice(SPAWN_ID.length + 1) ?? null;
}

/** Descriptors that are sockets, by the number of the open socket; none of one that has gone, null where we may not look. */
export function socketsOf(pid: number): ReadonlyMap<number, number> | null {
  const found = new Map<number, number>();
  let names: readonly string[];
  try {
    names = readdirSync(`/proc/${pid}/fd`);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES" ? null : found;
  }
  for (const name of names) {
    const inode = socketInode(`/proc/${pid}/fd/${name}`);
    if (inode !== null) found.set(inode, Number(name));
  }
  return found;
}
