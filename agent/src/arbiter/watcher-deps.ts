/** The real world as a watcher sees it. */
import { performance } from "node:perf_hooks";
import type { Logger } from "@circus-cluster/proto";
import { substitute } from "../config/variables.ts";
import type { EventBus } from "../events/api.ts";
import { watchHealth } from "../health/checks.ts";
import type { NotifyHub } from "../health/notify.ts";
import type { HookHost } from "../hooks/host.ts";
import { childrenOf, killTree, sendSignal } from "../process/signals.ts";
import type { SocketRegistry } from "../sockets/registry.ts";
import type { WatcherDeps } from "../watcher/deps.ts";
import { spawnLookup } from "./spawn-variables.ts";

interface World {
  readonly spawn: WatcherDeps["spawn"];
  readonly sockets: SocketRegistry;
  readonly hub: NotifyHub;
  readonly hooks: HookHost;
  readonly bus: EventBus;
  readonly log: Logger;
}

/** All but what is between this watcher and the others. */
export type OwnDeps = Omit<
  WatcherDeps,
  "healthTurned" | "statusTurned" | "configTurned" | "outputAtRest" | "intend" | "escalate"
>;

export function realWatcherDeps({ spawn, sockets, hub, hooks, bus, log }: World): OwnDeps {
  const now = (): number => performance.now();
  const fdOf = (name: string): number | undefined => sockets.get(name)?.fd;
  const checks = {
    ...{ spawn, killGroup: killTree, hub, now, log },
    substitute: (text: string, config: Parameters<typeof spawnLookup>[0], wid: number) =>
      substitute(text, spawnLookup(config, wid, fdOf)),
  };
  return {
    spawn,
    signal: (pid, signum) => void sendSignal(pid, signum),
    killGroup: killTree,
    signalChildren: (pid, signum) => childrenOf(pid).filter((child) => sendSignal(child, signum)),
    callHook: hooks.call,
    watchHealth: (config, wid) => watchHealth(config, wid, checks),
    setTimer: (delayMs, fire) => setTimeout(fire, delayMs),
    clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
    now,
    wall: () => Date.now(),
    random: () => Math.random(),
    bus,
    log,
  };
}
