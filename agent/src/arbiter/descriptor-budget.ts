/**
 * Are there descriptors for all processes that are wanted (design §3)? Asked before the first is started, since half
 * of a service is worse than a clear refusal. Pure.
 */
import type { WatcherConfig } from "../config/types.ts";

/** For connections of clients, files that come and go, and forks. */
const RESERVE = 64;

export interface Descriptors {
  /** The agent's soft limit. */
  readonly limit: number;
  /** What it has open before any process: endpoints, sockets, log … */
  readonly base: number;
}

/** How many of the agent's descriptors one process takes as long as it lives. */
function descriptorsPerProcess({ lifecycle, stdoutStream, stderrStream }: WatcherConfig): number {
  const taken = [lifecycle.healthcheck?.probe.type === "notify", stdoutStream !== null, stderrStream !== null];
  return taken.filter(Boolean).length;
}

/** Why these watchers cannot all have their processes; null: they can. */
export function budgetProblem(watchers: readonly WatcherConfig[], { limit, base }: Descriptors): string | null {
  const needed = watchers.reduce((sum, watcher) => sum + watcher.numprocesses * descriptorsPerProcess(watcher), 0);
  const available = Math.max(0, limit - base - RESERVE);
  if (needed <= available) return null;
  const processes = watchers.reduce((sum, { numprocesses }) => sum + numprocesses, 0);
  return (
    `${processes} processes need ${needed} descriptors of circusd, which has ${available} left of its limit ${limit}; ` +
    "raise the limit (ulimit -n, LimitNOFILE=) or lower numprocesses"
  );
}
