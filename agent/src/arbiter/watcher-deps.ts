/** The real world as a watcher sees it. */
import { performance } from "node:perf_hooks";
import type { Logger } from "@circus-cluster/proto";
import type { EventBus } from "../events/api.ts";
import { childrenOf, sendSignal } from "../process/signals.ts";
import type { WatcherDeps } from "../watcher/deps.ts";

export function realWatcherDeps(spawn: WatcherDeps["spawn"], bus: EventBus, log: Logger): WatcherDeps {
  return {
    spawn,
    signal: (pid, signum) => void sendSignal(pid, signum),
    killGroup: (pid, signum) => void sendSignal(-pid, signum),
    signalChildren: (pid, signum) => childrenOf(pid).filter((child) => sendSignal(child, signum)),
    setTimer: (delayMs, fire) => setTimeout(fire, delayMs),
    clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
    now: () => performance.now(),
    wall: () => Date.now(),
    random: () => Math.random(),
    bus,
    log,
  };
}
