/** The real world as a watcher sees it. */
import { performance } from "node:perf_hooks";
import type { Logger } from "@circus-cluster/proto";
import type { AdoptedProcesses } from "../adopt/processes.ts";
import { substitute } from "../config/variables.ts";
import type { EventBus } from "../events/api.ts";
import { watchHealth } from "../health/checks.ts";
import type { NotifyHub } from "../health/notify.ts";
import type { HookHost } from "../hooks/host.ts";
import type { Outputs } from "../output/outputs.ts";
import { killTree } from "../process/signals.ts";
import type { SocketRegistry } from "../sockets/registry.ts";
import type { WatcherDeps } from "../watcher/deps.ts";
import { spawnLookup } from "./spawn-variables.ts";

interface World {
  /** Makes a process of the watcher. */
  readonly spawn: WatcherDeps["spawn"];
  /** Makes one that is none of its own, such as an exec check's. */
  readonly run: WatcherDeps["spawn"];
  /** Knows those that an agent before us started. */
  readonly processes: AdoptedProcesses;
  readonly outputs: Outputs;
  readonly sockets: SocketRegistry;
  readonly hub: NotifyHub;
  readonly hooks: HookHost;
  readonly bus: EventBus;
  readonly log: Logger;
}

/** All but what is between this watcher and the others. */
export type OwnDeps = Omit<
  WatcherDeps,
  "stateTurned" | "healthTurned" | "statusTurned" | "configTurned" | "outputAtRest" | "intend" | "escalate"
>;

export function realWatcherDeps({ sockets, hub, hooks, bus, log, ...world }: World): OwnDeps {
  const { spawn, run, processes, outputs } = world;
  const now = (): number => performance.now();
  const fdOf = (name: string): number | undefined => sockets.get(name)?.fd;
  const checks = {
    ...{ spawn: run, killGroup: killTree, hub, now, log },
    substitute: (text: string, config: Parameters<typeof spawnLookup>[0], wid: number) =>
      substitute(text, spawnLookup(config, wid, fdOf)),
  };
  return {
    spawn,
    signal: (pid, signum) => void processes.send(pid, signum),
    killGroup: processes.killTree,
    signalChildren: processes.signalChildren,
    attend: ({ pid, stdout, stderr }, config, onExit) => {
      const exited = outputs.adopt(config, pid, { stdout, stderr });
      processes.attend(pid, (end) => {
        exited(); // first its last words, then its end
        onExit(end);
      });
    },
    callHook: hooks.call,
    watchHealth: (config, wid, notify) => watchHealth(config, wid, checks, notify),
    setTimer: (delayMs, fire) => setTimeout(fire, delayMs),
    clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
    now,
    wall: () => Date.now(),
    random: () => Math.random(),
    bus,
    log,
  };
}
