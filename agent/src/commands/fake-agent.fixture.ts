/** An agent made of fake watchers, for the tests of the command table. */
import { CircusError, type EventDraft, makeLogger, type WatcherSnapshot } from "@circus-cluster/proto";
import type { WatcherChange } from "../config/diff.ts";
import { type DrainHook, NO_HOOKS } from "../config/hooks.ts";
import { PLAIN_LIFECYCLE } from "../config/lifecycle.ts";
import type { AgentConfig, WatcherConfig } from "../config/types.ts";
import { Outputs } from "../output/outputs.ts";
import type {
  ByHand,
  Cause,
  ChangeInfo,
  CircusStatus,
  ProcessView,
  ReloadOptions,
  WatcherControl,
} from "../watcher/api.ts";
import type { Intent } from "../watcher/state.ts";
import type { AgentView } from "./agent-view.ts";
import type { Fields } from "./properties.ts";

export function watcherConfig(name: string, changes: Partial<WatcherConfig> = {}): WatcherConfig {
  return {
    name,
    at: null,
    cmd: "sleep",
    args: "1000",
    numprocesses: 1,
    warmupDelayS: 0,
    workingDir: "/",
    shell: false,
    shellArgs: null,
    executable: null,
    uid: null,
    gid: null,
    rlimits: {},
    copyEnv: false,
    copyPath: false,
    virtualenv: null,
    virtualenvPyVer: null,
    autostart: true,
    onDemand: false,
    respawn: true,
    singleton: false,
    priority: 0,
    maxRetry: 5,
    maxAgeS: 0,
    maxAgeVarianceS: 30,
    gracefulTimeoutS: 30,
    stopSignal: 15,
    stopChildren: false,
    sendHup: false,
    useSockets: false,
    socketActivation: null,
    stdinSocket: null,
    closeChildStdin: true,
    closeChildStdout: false,
    closeChildStderr: false,
    stdoutStream: null,
    stderrStream: null,
    env: {},
    readyMinUptimeS: 2,
    lifecycle: PLAIN_LIFECYCLE,
    hooks: NO_HOOKS,
    extra: {},
    ...changes,
  };
}

/** Remembers its calls as text; fails where `failure` is set. */
export class FakeWatcher implements WatcherControl {
  readonly calls: string[] = [];
  config: WatcherConfig;
  status: CircusStatus = "active";
  pids: readonly number[] = [];
  failure: CircusError | null = null;
  cause: Cause | null = null;

  constructor(config: WatcherConfig, pids: readonly number[] = []) {
    this.config = config;
    this.pids = pids;
  }

  intent: Intent | null = null;

  onceSpawnFails(_onFailure: () => void): () => void {
    return () => undefined;
  }

  dependenciesChanged(unmet: readonly string[]): void {
    this.calls.push(`unmet ${unmet.join(" ")}`);
  }

  processes(): readonly ProcessView[] {
    return this.pids.map((pid, i) => ({ wid: i + 1, pid, startedMs: 5000, health: "healthy", generation: 1 }));
  }

  snapshot(): WatcherSnapshot {
    const { name, numprocesses } = this.config;
    return { name, state: this.status, numprocesses, processes: [], since: 0, generation: 1, reason: null };
  }

  start(cause: Cause): Promise<ChangeInfo> {
    return this.#do(cause, "start");
  }
  stop(cause: Cause, byHand: ByHand | null = null): Promise<ChangeInfo> {
    return this.#do(cause, byHand === null ? "stop for now" : "stop");
  }
  restart(cause: Cause, newerThan: number | null): Promise<ChangeInfo> {
    return this.#do(cause, `restart ${String(newerThan)}`);
  }
  reload(cause: Cause, options: ReloadOptions): Promise<ChangeInfo> {
    return this.#do(cause, `reload ${JSON.stringify(options)}`);
  }
  async setNumprocesses(cause: Cause, n: number): Promise<number> {
    await this.#do(cause, `setNumprocesses ${n}`);
    return n;
  }
  async addProcesses(cause: Cause, delta: number): Promise<number> {
    await this.#do(cause, `addProcesses ${delta}`);
    return this.config.numprocesses + delta;
  }
  async set(cause: Cause, options: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#do(cause, `set ${JSON.stringify(options)}`);
  }
  configure(cause: Cause, change: WatcherChange): Promise<ChangeInfo> {
    return this.#do(cause, `configure ${change.keys.join(",")} ${change.renewal}`);
  }
  adopt(): void {
    this.calls.push("adopt");
  }

  abandon(): void {
    this.calls.push("abandon");
  }
  async kill(cause: Cause, pid: number | null, signum: number | null, timeoutS: number | null): Promise<void> {
    await this.#do(cause, `kill ${String(pid)} ${String(signum)} ${String(timeoutS)}`);
  }

  async signal(cause: Cause, pids: readonly number[], signum: number): Promise<void> {
    await this.#do(cause, `signal ${pids.join(" ")} ${signum}`);
  }
  extendStats(_pid: number, stats: Fields): Promise<Fields> {
    return Promise.resolve(stats);
  }
  callDrainHook(hook: DrainHook): Promise<boolean> {
    this.calls.push(hook);
    return this.failure === null ? Promise.resolve(true) : Promise.reject(this.failure);
  }

  #do(cause: Cause, what: string): Promise<ChangeInfo> {
    this.calls.push(what);
    this.cause = cause;
    if (this.failure !== null) return Promise.reject(this.failure);
    return Promise.resolve({ stopped: this.pids, started: [900, 901], kept: [] });
  }
}

export interface FakeAgent {
  readonly view: AgentView;
  readonly events: EventDraft[];
  readonly logged: string[];
  /** What was asked of the agent as a whole, and which signals were sent. */
  readonly calls: string[];
}

export function fakeAgent(watchers: readonly FakeWatcher[]): FakeAgent {
  const events: EventDraft[] = [];
  const logged: string[] = [];
  const calls: string[] = [];
  const called = (text: string): Promise<void> => {
    calls.push(text);
    return Promise.resolve();
  };
  const names = (some: readonly WatcherControl[] | null) => some?.map(({ config }) => config.name).join(",") ?? "all";
  const config: AgentConfig = {
    path: "/etc/circus.ini",
    circus: {
      endpoint: "tcp://127.0.0.1:5555",
      endpointOwner: null,
      pubsubEndpoint: "tcp://127.0.0.1:5556",
      statsEndpoint: "tcp://127.0.0.1:5557",
      statsd: false,
      multicastEndpoint: "udp://237.219.251.97:12027",
      metrics: null,
      checkDelayS: 5,
      warmupDelayS: 0,
      umask: null,
      pidfile: null,
      loglevel: null,
      logoutput: null,
      stateDir: null,
      debug: false,
      python: "python3",
    },
    watchers: watchers.map((watcher) => watcher.config),
    sockets: [],
    fleet: null,
  };
  const view: AgentView = {
    config,
    bus: {
      emit: (draft) => events.push(draft),
      publish: () => undefined,
    },
    log: makeLogger((level, text) => void logged.push(`${level} ${text}`)),
    processes: {
      send: (pid, signum) => {
        calls.push(`signal ${pid} ${signum}`);
        return true;
      },
      childrenOf: (pid) => [pid * 10, pid * 10 + 1],
      descendantsOf: (pid) => [pid * 10, pid * 100],
    },
    watchers: () => watchers,
    sockets: () => [{ fd: 7, name: "web", backlog: 2048, host: "127.0.0.1", port: 8080 }],
    sample: (pid, known) => ({
      pid,
      cmdline: "sleep",
      username: "root",
      nice: 0,
      mem_info1: "1.63M",
      mem_info2: "2.53M",
      cpu: 0,
      mem: 0.007,
      ctime: "0:00.0",
      create_time: 5,
      age: 4,
      children: [],
      ...(known === null ? {} : { started: known.startedMs / 1000, wid: known.wid }),
    }),
    configFile: {
      look: (file, isBrief) => {
        calls.push(`look ${String(file)} ${isBrief}`);
        return { path: config.path, file: "f", version: null, previous: null, edited: false, entries: [] };
      },
      check: () => {
        throw new CircusError("conflict", "no file");
      },
      stage: (_text, version, base, { force, identity }) => {
        calls.push(`stage ${version} ${base} ${force} ${identity}`);
        return "f";
      },
      apply: async ({ version, file, from }) => {
        await called(`apply ${String(version)} ${String(file)} ${String(from)}`);
        return [];
      },
    },
    roomProblem: (_, numprocesses) => (numprocesses > 1000 ? "no room" : null),
    snapshot: () => ({ v: 1, epoch: 1, seq: 2, time: 3, version: "x", labels: {}, watchers: [] }),
    startMany: (some) => called(`startMany ${names(some)}`),
    stopMany: (some) => called(`stopMany ${names(some)}`),
    restartMany: (some) => called(`restartMany ${names(some)}`),
    reloadAll: (_cause, options) => called(`reloadAll ${JSON.stringify(options)}`),
    streamProblem: () => null,
    usage: () => Promise.resolve({ at: 7, usages: new Map([["web", { cpuS: 1.5, rssBytes: 4096, processes: 1 }]]) }),
    logs: new Outputs(
      { emit: () => 0 },
      makeLogger(() => undefined),
    ),
    reopenOutputs: () => void called("reopenOutputs"),
    takeOver: (watcher) => void called(`takeOver ${watcher.config.name}`),
    restartAgent: () => called("restartAgent"),
    checkNameIsFree: (name) => {
      const isTaken = watchers.some((watcher) => watcher.config.name.toLowerCase() === name.toLowerCase());
      if (isTaken) throw new CircusError("conflict", `'${name}' already exist`);
    },
    addWatcher: (added) => {
      calls.push(`add ${JSON.stringify(added)}`);
      return new FakeWatcher(added);
    },
    checkIsRemovable: () => undefined,
    removeWatcher: (watcher, isLeft) => called(`remove ${watcher.config.name} ${isLeft}`),
    reloadConfig: async () => {
      await called("reloadConfig");
      return [];
    },
    quit: (_cause, leavesWorkers) => called(leavesWorkers === true ? "quit, leaving workers" : "quit"),
    leaveProblem: null,
  };
  return { view, events, logged, calls };
}
