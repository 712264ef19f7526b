/**
 * Handlers of the commands that change something (reference §5.6). A handler checks at once what can be
 * checked at once, by throwing; what takes time is handed back as {@link Work}, which has not begun yet.
 */
import { CircusError, parseSignal } from "@circus-cluster/proto";
import type { DrainHook } from "../config/hooks.ts";
import { oneLine } from "../config/text.ts";
import type { ByHand, Cause, ChangeInfo, WatcherControl } from "../watcher/api.ts";
import { applyOptions, isStreamOption } from "../watcher/options.ts";
import type { AgentView } from "./agent-view.ts";
import { optionsFor } from "./config.ts";
import { matchWatchers } from "./match.ts";
import { type Checked, type Fields, named, textOf } from "./properties.ts";

export interface Work {
  /** The one watcher it is about; null: several, all, or the agent. */
  readonly watcher: string | null;
  /** So short that it is always answered at its end, whatever `waiting` says. */
  readonly isQuick: boolean;
  /** Fields of the reply at the end. */
  run(cause: Cause): Promise<Fields>;
}

type Control = (agent: AgentView, properties: Checked) => Work;

function onOne(watcher: WatcherControl, run: (cause: Cause) => Promise<Fields>): Work {
  return { watcher: watcher.config.name, isQuick: false, run };
}

function onMany(run: (cause: Cause) => Promise<void>): Work {
  return {
    watcher: null,
    isQuick: false,
    run: async (cause) => {
      await run(cause);
      return {};
    },
  };
}

/** `start`, `stop`, `restart`: one watcher, those that a pattern means, or all (reference §5.5). */
function byPattern(ways: {
  one(agent: AgentView, watcher: WatcherControl, properties: Checked, cause: Cause): Promise<Fields>;
  many(agent: AgentView, watchers: readonly WatcherControl[], properties: Checked, cause: Cause): Promise<void>;
  all(agent: AgentView, properties: Checked, cause: Cause): Promise<void>;
}): Control {
  return (agent, properties) => {
    const name = textOf(properties, "name");
    if (name === undefined) return onMany((cause) => ways.all(agent, properties, cause));
    const watchers = matchWatchers(agent.watchers(), name, textOf(properties, "match") ?? "glob");
    const [first] = watchers;
    if (first === undefined || watchers.length > 1)
      return onMany((cause) => ways.many(agent, watchers, properties, cause));
    return onOne(first, (cause) => {
      agent.takeOver(first);
      return ways.one(agent, first, properties, cause);
    });
  };
}

const REASON_CHARS_MAX = 256;

/** Null: nobody has to remember it. */
function byHand(properties: Checked): ByHand | null {
  if (properties["for_now"] === true) return null;
  const why = oneLine(textOf(properties, "reason") ?? "", REASON_CHARS_MAX);
  return { why: why === "" ? null : why };
}

function infoOf({ stopped, started, kept }: ChangeInfo): Fields {
  return { info: { stopped, started, kept } };
}

function newerThan(properties: Checked): number | null {
  const value = properties["newer_than"];
  return typeof value === "number" ? value : null;
}

/** @throws CircusError `conflict` where the agent has no descriptors for so many; fewer than now are always right. */
function checkRoom(agent: AgentView, watcher: WatcherControl, numprocesses: number): void {
  if (numprocesses <= watcher.config.numprocesses) return;
  const problem = agent.roomProblem(watcher, numprocesses);
  if (problem !== null) throw new CircusError("conflict", problem);
}

/** `incr` and `decr`. A singleton does not change, and that is no error (reference §5.6). */
function resize(direction: 1 | -1): Control {
  return (agent, properties) => {
    const watcher = named(agent, properties);
    const delta = direction * (properties["nb"] as number);
    if (watcher.config.singleton) {
      const fields = { numprocesses: watcher.config.numprocesses, singleton: true };
      return { watcher: watcher.config.name, isQuick: true, run: () => Promise.resolve(fields) };
    }
    checkRoom(agent, watcher, watcher.config.numprocesses + delta);
    return onOne(watcher, async (cause) => ({ numprocesses: await watcher.addProcesses(cause, delta) }));
  };
}

/** `called` says whether the watcher has such a hook. */
function callDrainHook(hook: DrainHook): Control {
  return (agent, properties) => {
    const watcher = named(agent, properties);
    return onOne(watcher, async () => ({ called: await watcher.callDrainHook(hook) }));
  };
}

/**
 * @throws CircusError `message` for a text that names no signal at all; `conflict`, for the reference's errno 5,
 *   where it looks like a name but this system has none such.
 */
function signalOf(value: unknown): number {
  const text = value as string | number;
  const signum = parseSignal(text);
  if (signum !== null) return signum;
  const looksRight = typeof text === "string" && /^[A-Za-z]\w*(?:\+\d+)?$/.test(text.trim());
  throw looksRight
    ? new CircusError("conflict", `unknown signal ${text.trim()}`)
    : new CircusError("message", "signal invalid");
}

function signalTargets(agent: AgentView, watcher: WatcherControl, properties: Checked): readonly number[] {
  // Circus's own ResourceWatcher says child_pid, without a pid (reference §9.5).
  const {
    pid,
    child_pid,
    childpid = child_pid,
    children,
    recursive,
  } = properties as {
    readonly pid?: number;
    readonly childpid?: number;
    readonly child_pid?: number;
    readonly children?: boolean;
    readonly recursive?: boolean;
  };
  const own = watcher.processes().map((process) => process.pid);
  if (pid !== undefined && !own.includes(pid)) {
    if (childpid === undefined && children !== true) return []; // silently ok (reference §5.6)
    throw new CircusError("conflict", `process ${pid} not found in '${watcher.config.name}'`);
  }
  const parents = pid === undefined ? own : [pid];
  if (childpid !== undefined) {
    if (!parents.some((parent) => agent.processes.childrenOf(parent).includes(childpid))) {
      throw new CircusError("conflict", `process ${childpid} is no child of ${parents.join(", ")}`);
    }
    return [childpid];
  }
  if (children === true) return parents.flatMap((parent) => agent.processes.childrenOf(parent));
  if (recursive === true) return parents.flatMap((parent) => [parent, ...agent.processes.descendantsOf(parent)]);
  return parents;
}

function hasSignalHooks({ config: { hooks } }: WatcherControl): boolean {
  return hooks.byName.before_signal !== undefined || hooks.byName.after_signal !== undefined;
}

export const CONTROL_HANDLERS: Readonly<Record<string, Control>> = {
  start: byPattern({
    one: async (_agent, watcher, properties, cause) => {
      if (properties["unless_stopped"] === true && watcher.intent !== null) {
        return { info: { started: [], kept: watcher.processes().map(({ pid }) => pid) } };
      }
      const { started, kept } = await watcher.start(cause);
      return { info: { started, kept } };
    },
    many: (agent, watchers, _properties, cause) => agent.startMany(watchers, cause),
    all: (agent, _properties, cause) => agent.startMany(null, cause),
  }),

  stop: byPattern({
    one: async (_agent, watcher, properties, cause) => {
      await watcher.stop(cause, byHand(properties));
      return { info: null };
    },
    many: (agent, watchers, properties, cause) => agent.stopMany(watchers, cause, byHand(properties)),
    all: (agent, properties, cause) => agent.stopMany(null, cause, byHand(properties)),
  }),

  restart: byPattern({
    one: async (_agent, watcher, properties, cause) => infoOf(await watcher.restart(cause, newerThan(properties))),
    many: (agent, watchers, _properties, cause) => agent.restartMany(watchers, cause),
    all: (agent, _properties, cause) => agent.restartAgent(cause),
  }),

  reload: (agent, properties) => {
    const graceful = properties["graceful"] === true;
    const sequential = properties["sequential"] === true;
    if (sequential && !graceful) agent.log.warning("sequential has no effect on a reload that is not graceful");
    if (textOf(properties, "name") === undefined) {
      return onMany((cause) => agent.reloadAll(cause, { graceful, sequential }));
    }
    const watcher = named(agent, properties);
    return onOne(watcher, async (cause) => {
      agent.takeOver(watcher);
      return infoOf(await watcher.reload(cause, { graceful, sequential, newerThan: newerThan(properties) }));
    });
  },

  drain: callDrainHook("before_drain"),
  undrain: callDrainHook("after_undrain"),

  incr: resize(1),
  decr: resize(-1),

  set: (agent, properties) => {
    const watcher = named(agent, properties);
    const options = optionsFor(watcher.config, properties["options"] as Fields, agent);
    const applied = applyOptions(watcher.config, options); // again when its turn comes; here for the answer
    if (applied.kind === "refused") throw new CircusError(applied.code, applied.reason);
    const problem = Object.keys(options).some(isStreamOption) ? agent.streamProblem(applied.config) : null;
    if (problem !== null) throw new CircusError("conflict", problem);
    checkRoom(agent, watcher, applied.config.numprocesses);
    return onOne(watcher, async (cause) => {
      await watcher.set(cause, options);
      return {};
    });
  },

  signal: (agent, properties) => {
    const watcher = named(agent, properties);
    const signum = signalOf(properties["signum"]);
    if (properties["childpid"] !== undefined && properties["pid"] === undefined) {
      throw new CircusError("message", "cannot specify childpid without pid");
    }
    const pids = signalTargets(agent, watcher, properties);
    return {
      watcher: watcher.config.name,
      isQuick: true,
      run: async (cause) => {
        // Hooks are asked for the watcher's own processes, not for theirs (reference §2.10).
        const own = hasSignalHooks(watcher) ? watcher.processes().map((process) => process.pid) : [];
        const asked = pids.filter((pid) => own.includes(pid));
        if (asked.length > 0) await watcher.signal(cause, asked, signum);
        for (const pid of pids) if (!own.includes(pid)) agent.processes.send(pid, signum);
        return {};
      },
    };
  },

  kill: (agent, properties) => {
    const signum = properties["signum"] === undefined ? null : signalOf(properties["signum"]);
    const { pid, graceful_timeout: timeoutS } = properties as { pid?: number; graceful_timeout?: number };
    if (timeoutS !== undefined && timeoutS < 0) {
      throw new CircusError("message", "'graceful_timeout' must not be negative");
    }
    // The name is looked up late: an unknown one is an error only for who waits (reference §5.6).
    return {
      watcher: null,
      isQuick: false,
      run: async (cause) => {
        await named(agent, properties).kill(cause, pid ?? null, signum, timeoutS ?? null);
        return {};
      },
    };
  },

  quit: (agent, properties) => {
    const leavesWorkers = properties["keep_workers"] === true;
    if (leavesWorkers && agent.leaveProblem !== null) throw new CircusError("conflict", agent.leaveProblem);
    return onMany((cause) => agent.quit(cause, leavesWorkers));
  },
};
