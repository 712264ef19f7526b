/** A watcher as hooks see it, in plain data that goes through pipes. Pure. */
import { optionsOf } from "../commands/options-view.ts";
import type { CircusSection, WatcherConfig } from "../config/types.ts";
import type { CircusStatus, ProcessView, WatcherControl } from "../watcher/api.ts";
import type { HookRequest } from "../watcher/deps.ts";

interface ShownProcess {
  readonly pid: number;
  readonly wid: number;
  /** Epoch seconds. */
  readonly started: number;
}

export interface ShownWatcher {
  readonly name: string;
  readonly status: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string>>;
  readonly processes: readonly ShownProcess[];
}

/** The agent as a whole, for hooks that ask. */
export interface ShownArbiter {
  readonly endpoint: string;
  readonly pubsub_endpoint: string;
  readonly check_delay: number;
  readonly pid: number;
  readonly watchers: readonly ShownWatcher[];
}

export function showArbiter(
  circus: CircusSection,
  pid: number,
  watchers: readonly Pick<WatcherControl, "config" | "status" | "processes">[],
): ShownArbiter {
  return {
    ...{ endpoint: circus.endpoint, pubsub_endpoint: circus.pubsubEndpoint, check_delay: circus.checkDelayS, pid },
    watchers: watchers.map((one) => showWatcher(one.config, one.status, one.processes())),
  };
}

function showWatcher(
  config: WatcherConfig,
  status: CircusStatus,
  processes: readonly Pick<ProcessView, "pid" | "wid" | "startedMs">[],
): ShownWatcher {
  return {
    ...{ name: config.name, status, options: optionsOf(config), env: config.env },
    processes: processes.map(({ pid, wid, startedMs }) => ({ pid, wid, started: startedMs / 1000 })),
  };
}

/** One that is just being reaped is still among its processes, as in Circus, until `after_reap`. */
export function showRequest({ call, config, status, processes }: HookRequest): ShownWatcher {
  const { hook, subject } = call;
  const isGone = subject !== null && subject.pid !== null && !processes.some(({ pid }) => pid === subject.pid);
  if (!isGone || hook === "after_reap") return showWatcher(config, status, processes);
  const { wid, pid, startedMs } = subject;
  return showWatcher(config, status, [...processes, { wid, pid: pid ?? 0, startedMs: startedMs ?? 0 }]);
}
