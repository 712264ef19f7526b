/** From inner states to the words that are shown: Circus's four (reference §2.1) and the fleet's. Pure. */
import type { WatcherState as FleetWord, WatcherSnapshot } from "@circus-cluster/proto";
import type { ProcessView } from "./api.ts";
import { isLive, type WatcherState } from "./state.ts";

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
    reason: state.reason,
  };
}
