/**
 * A worker's resource limits. They are lowered by `prlimit` of util-linux, which executes the worker in its own
 * place: same pid, and no moment in which the worker runs without them. The agent cannot lower its own around the
 * fork instead, as it does for descriptors: below its own use the kernel ends it (`cpu`), and who is not root
 * never gets a hard limit back. Raising needs the agent's rights, which the worker's user may lack: so the agent
 * raises its own hard limits, which harms nobody, while it forks.
 */
import { RLIMIT_NUMBERS, type RlimitName } from "@circus-cluster/proto";
import type { Rlimits } from "../config/rlimits.ts";
import { type ResourceLimit, resourceLimit, SyscallError } from "../sockets/syscalls.ts";
import { findExecutable } from "./executable.ts";

const PROGRAM_DIRS = "/usr/bin:/bin:/usr/local/bin";

interface Launcher {
  readonly ok: true;
  /** To stand before the worker's argv, itself looked up in the worker's PATH; empty where there are no limits. */
  readonly words: readonly string[];
  /** Lifts the agent's hard limits to what is wanted. Returns what sets them back, or why it cannot. */
  raise(): (() => void) | { readonly reason: string };
}

interface Limit {
  readonly name: RlimitName;
  readonly value: number;
}

export function rlimitLauncher(rlimits: Rlimits): Launcher | { readonly ok: false; readonly reason: string } {
  const limits = Object.entries(rlimits).map(([name, value]) => limitOf(name as RlimitName, value));
  const [first] = limits;
  if (first === undefined) return { ok: true, words: [], raise: () => () => undefined };
  const program = findExecutable("prlimit", PROGRAM_DIRS, "/");
  if (!program.ok) {
    return { ok: false, reason: `rlimit_${first.name} needs the program 'prlimit' of util-linux, which is not there` };
  }
  const options = limits.map(({ name, value }) => `--${name}=${shown(value)}:${shown(value)}`);
  return { ok: true, words: [program.path, ...options, "--"], raise: () => raise(limits) };
}

/** No limit on descriptors is more than any kernel gives: then it is as many as may be (reference §2.9). */
function limitOf(name: RlimitName, value: number | null): Limit {
  if (value !== null) return { name, value };
  const isCapped = name === "nofile";
  return { name, value: isCapped ? resourceLimit(0, RLIMIT_NUMBERS.nofile).hard : Number.POSITIVE_INFINITY };
}

function shown(value: number): string {
  return value === Number.POSITIVE_INFINITY ? "unlimited" : String(value);
}

function raise(limits: readonly Limit[]): ReturnType<Launcher["raise"]> {
  const before: [resource: number, limit: ResourceLimit][] = [];
  const restore = (): void => {
    for (const [resource, limit] of before) resourceLimit(0, resource, limit);
  };
  for (const { name, value } of limits) {
    const resource = RLIMIT_NUMBERS[name];
    const mine = resourceLimit(0, resource);
    if (value <= mine.hard) continue;
    try {
      resourceLimit(0, resource, { soft: mine.soft, hard: value });
      before.push([resource, mine]);
    } catch (error) {
      restore();
      if (!(error instanceof SyscallError)) throw error;
      const reason = `rlimit_${name}: the system permits circusd ${shown(mine.hard)} at most, not ${shown(value)}`;
      return { reason: `${reason} (${error.code})` };
    }
  }
  return restore;
}
