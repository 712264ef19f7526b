/** Ends processes that an agent before us started, by their watchers' rules, before anything is bound. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Logger, reasonOf } from "@circus-cluster/proto";
import { type ProcessEnd, UNKNOWN_END } from "../watcher/state.ts";
import type { Ending } from "./plan.ts";
import type { AdoptedProcesses } from "./processes.ts";

const SIGKILL = 9;
/** One that SIGKILL does not end hangs in the kernel. */
const KILLED_MS = 10_000;

export interface Ended extends Ending {
  readonly end: ProcessEnd;
}

/** All at once; settles when they have gone, or could not be ended, which is logged. */
export async function endAll(
  endings: readonly Ending[],
  processes: AdoptedProcesses,
  log: Logger,
): Promise<readonly Ended[]> {
  return await Promise.all(endings.map((ending) => endOne(ending, processes, log)));
}

async function endOne(ending: Ending, processes: AdoptedProcesses, log: Logger): Promise<Ended> {
  const { pid, ticks, watcher, why, rules } = ending;
  log.warning("stopping a process of an earlier circusd", { pid, watcher: watcher ?? undefined, reason: why });
  try {
    if (processes.hold({ pid, ticks }) === null) return { ...ending, end: UNKNOWN_END };
    const gone = new Promise<ProcessEnd>((resolve) => processes.attend(pid, resolve));
    if (rules.gracefulTimeoutS > 0) {
      if (rules.stopChildren) processes.signalChildren(pid, rules.stopSignal);
      processes.send(pid, rules.stopSignal);
    }
    const end = (await within(gone, rules.gracefulTimeoutS * 1000)) ?? (await kill(ending, processes, gone));
    if (end !== null) return { ...ending, end };
    log.error("cannot end a process of an earlier circusd", { pid, reason: "SIGKILL has no effect" });
  } catch (error) {
    log.error("cannot end a process of an earlier circusd", { pid, reason: reasonOf(error) });
  }
  return { ...ending, end: UNKNOWN_END };
}

async function kill(
  { pid }: Ending,
  processes: AdoptedProcesses,
  gone: Promise<ProcessEnd>,
): Promise<ProcessEnd | null> {
  processes.killTree(pid, SIGKILL);
  return await within(gone, KILLED_MS);
}

/** Null: its time was up. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  if (ms <= 0) return null;
  const end = new AbortController();
  try {
    return await Promise.race([promise, sleep(ms, null, { signal: end.signal })]);
  } finally {
    end.abort();
  }
}
