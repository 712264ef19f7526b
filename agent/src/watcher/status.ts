/** From inner states to the words that are shown: Circus's four (reference §2.1) and the fleet's. Pure. */
import type { WatcherState as FleetWord, WatcherSnapshot } from "@circus-cluster/proto";
import type { ProcessView } from "./api.ts";
import { intentText } from "./intent.ts";
import { isWaiting, wanted } from "./reconcile.ts";
import { isLive, type ProcessState, type WatcherState } from "./state.ts";

/** Circus's word, or `failed` where the watcher rests because it could not run or because its core broke. */
export function fleetWord(state: WatcherState): FleetWord {
  if (state.goal === "held") return "failed";
  return state.status === "stopped" && state.isFailed ? "failed" : state.status;
}

/** Every process with a pid, in the order of spawning; one that is being stopped counts until it is gone. */
export function processViews(state: WatcherState): readonly ProcessView[] {
  return state.processes
    .filter(isLive)
    .map(({ wid, pid, startedMs, health, generation }) => ({ wid, pid, startedMs, health, generation }));
}

/** @param sinceWallMs wall ms since which {@link fleetWord} holds */
export function snapshotOf(state: WatcherState, sinceWallMs: number): WatcherSnapshot {
  return {
    name: state.config.name,
    state: fleetWord(state),
    numprocesses: state.config.numprocesses,
    processes: processViews(state).map(({ startedMs, ...rest }) => ({ ...rest, started: startedMs })),
    since: sinceWallMs,
    generation: state.generation,
    restarts: state.restarts,
    reason: reasonOf(state),
  };
}

/** What a person should know first: trouble, what it waits for, an ill process, or who wanted it to rest. */
export function reasonOf(state: WatcherState): string | null {
  if (isWaiting(state)) return `waits for ${state.unmet.map((name) => `'${name}'`).join(", ")} to be healthy`;
  if (state.reason !== null) return state.reason;
  const isIll = (process: ProcessState) => isLive(process) && process.ailment !== null;
  const ill = state.processes.find(isIll);
  if (ill !== undefined && isLive(ill)) return `process ${ill.pid} is unhealthy: ${ill.ailment ?? ""}`;
  const { onDemand, autostart } = state.config;
  if (onDemand && state.intent === null && state.status === "stopped" && (autostart || state.generation > 0)) {
    return "waits for a connection";
  }
  return state.intent === null || state.goal !== "down" ? null : intentText(state.intent);
}

/**
 * As many processes as wanted, all healthy: what a watcher that depends on this one waits for. A job (`respawn = False`)
 * whose processes all ended well has done what was to be waited for.
 */
export function isAllHealthy(state: WatcherState): boolean {
  if (isDone(state)) return true;
  if (state.status !== "active" || state.config.lifecycle.readyWhen === "exited") return false;
  const fit = state.processes.filter((process) => process.kind === "running" && process.health === "healthy");
  return fit.length > 0 && fit.length >= wanted(state);
}

function isDone({ config, succeeded }: WatcherState): boolean {
  return !config.respawn && succeeded > 0 && succeeded >= config.numprocesses;
}
