/** What the agent itself was started with, and must not leak into workers. */
import { readdirSync, readFileSync } from "node:fs";
import { nofileLimit, type ResourceLimit, SyscallError, setCloseOnExec } from "../sockets/syscalls.ts";

/** Close-on-exec on every descriptor above 2: a shell may have leaked some, and workers get 0–2 and their sockets only. */
export function sealInheritedDescriptors(): void {
  for (const fd of readdirSync("/proc/self/fd").map(Number)) {
    if (fd <= 2) continue;
    try {
      setCloseOnExec(fd, true);
    } catch (error) {
      // the descriptor of this very listing is closed already
      if (!(error instanceof SyscallError && error.code === "EBADF")) throw error;
    }
  }
}

/** By which the launcher says the soft limit that it was started with. */
export const START_NOFILE = "CIRCUSD_NOFILE";

/**
 * The descriptor limit that workers get: the one the agent was started with. Node raises its own soft
 * limit before our code runs, so the launcher says it (`CIRCUSD_NOFILE`); without launcher it is the parent's.
 */
export function takeStartNofile(env: NodeJS.ProcessEnv): ResourceLimit | null {
  const text = env[START_NOFILE];
  Reflect.deleteProperty(env, START_NOFILE); // not for workers
  const hard = nofileLimit(0).hard;
  const soft = text === undefined ? parentSoft() : text === "unlimited" ? hard : Number(text);
  return soft !== null && Number.isInteger(soft) && soft > 0 ? { soft: Math.min(soft, hard), hard } : null;
}

/** By which the launcher says how many heaps of the C library it was started with: a number, or `none` given. */
const START_ARENAS = "CIRCUSD_ARENAS";
const ARENAS = "MALLOC_ARENA_MAX";

/**
 * Gives the environment back the setting of the C library that the launcher changed for the agent alone; workers
 * with `copy_env` see what the agent was started with.
 *
 * @returns the variables that another circusd, started in this one's place, needs
 */
export function takeStartArenas(env: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  const before = env[START_ARENAS];
  const own = env[ARENAS];
  if (before === undefined || own === undefined) return {};
  Reflect.deleteProperty(env, START_ARENAS);
  if (before === "none") Reflect.deleteProperty(env, ARENAS);
  else env[ARENAS] = before;
  return { [START_ARENAS]: before, [ARENAS]: own };
}

/** The agent's own limit, and how many it has open at this moment. */
export function ownDescriptors(): { readonly limit: number; readonly base: number } {
  return { limit: nofileLimit(0).soft, base: readdirSync("/proc/self/fd").length };
}

function parentSoft(): number | null {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${process.ppid}/limits`, "utf8"));
    return line === null ? null : Number(line[1]);
  } catch {
    return null; // another user's parent
  }
}
