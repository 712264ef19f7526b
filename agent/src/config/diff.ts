/**
 * What has to be done for an agent that runs one configuration to run another (reference §7.1, without D2): the
 * least of it. Compares file with file, so what `set` and `incr` changed meanwhile stays where the file is the
 * same. Pure.
 */
import type { SocketConfig } from "../sockets/types.ts";
import type { HealthcheckConfig, Lifecycle } from "./lifecycle.ts";
import { ownSocketNames } from "./own-sockets.ts";
import { isPlugin } from "./plugin-name.ts";
import type { AgentConfig, CircusSection, FleetConfig, WatcherConfig } from "./types.ts";
import { variablePaths } from "./variables.ts";

/** What is compared: a configuration as it was read, whoever made its watchers. */
export type Running = Pick<AgentConfig, "circus" | "sockets" | "fleet" | "watchers">;

export interface SocketPlan {
  readonly added: readonly SocketConfig[];
  /** Names. */
  readonly removed: readonly string[];
  /** Other options of the same open socket: it keeps its descriptor. */
  readonly tuned: readonly SocketConfig[];
  /** To be opened anew in place of the old one. */
  readonly rebound: readonly SocketConfig[];
}

/** How the processes get what only new ones can take up. */
type Renewal =
  /** They need not: it is read where it is needed. */
  | "none"
  /** New ones beside the old ones on the same sockets; the old ones go when the new ones are healthy. */
  | "reload"
  /** The old ones first: two at once might be in each other's way. */
  | "restart";

export interface WatcherChange {
  readonly name: string;
  /** The fields that the file changed, with their new values. */
  readonly changes: Partial<WatcherConfig>;
  /** Their keys as written in a file, sorted. */
  readonly keys: readonly string[];
  readonly renewal: Renewal;
}

export interface ConfigPlan {
  /** `[circus]` as it holds from now on. */
  readonly circus: CircusSection;
  /** Keys that are applied, as written. */
  readonly applied: readonly string[];
  /** Keys, or `[fleet]`, that take effect only when the agent is restarted. */
  readonly deferred: readonly string[];
  readonly sockets: SocketPlan;
  readonly watchers: {
    readonly added: readonly WatcherConfig[];
    /** Names. */
    readonly removed: readonly string[];
    readonly changed: readonly WatcherChange[];
  };
}

/** `live`: read where it is needed. `process`: taken up by new processes. `none`: says nothing about them. */
type Takes = "live" | "process" | "none";
type Fields<T> = { readonly [K in keyof T]-?: readonly [key: string, takes: Takes] };

const WATCHER: Fields<WatcherConfig> = {
  name: ["name", "none"],
  at: ["", "none"],
  cmd: ["cmd", "process"],
  args: ["args", "process"],
  numprocesses: ["numprocesses", "live"],
  warmupDelayS: ["warmup_delay", "live"],
  workingDir: ["working_dir", "process"],
  shell: ["shell", "process"],
  shellArgs: ["shell_args", "process"],
  executable: ["executable", "process"],
  uid: ["uid", "process"],
  gid: ["gid", "process"],
  rlimits: ["rlimits", "process"],
  copyEnv: ["copy_env", "live"], // what it copies stands in `env`
  copyPath: ["copy_path", "process"],
  virtualenv: ["virtualenv", "process"],
  virtualenvPyVer: ["virtualenv_py_ver", "process"],
  autostart: ["autostart", "live"],
  onDemand: ["on_demand", "live"],
  respawn: ["respawn", "live"],
  singleton: ["singleton", "live"],
  priority: ["priority", "live"],
  maxRetry: ["max_retry", "live"],
  maxAgeS: ["max_age", "live"],
  maxAgeVarianceS: ["max_age_variance", "live"],
  gracefulTimeoutS: ["graceful_timeout", "live"],
  stopSignal: ["stop_signal", "live"],
  stopChildren: ["stop_children", "live"],
  sendHup: ["send_hup", "live"],
  useSockets: ["use_sockets", "process"],
  socketActivation: ["socket_activation", "process"],
  stdinSocket: ["stdin_socket", "process"],
  closeChildStdin: ["close_child_stdin", "process"],
  closeChildStdout: ["close_child_stdout", "process"],
  closeChildStderr: ["close_child_stderr", "process"],
  stdoutStream: ["stdout_stream", "live"],
  stderrStream: ["stderr_stream", "live"],
  env: ["env", "process"],
  readyMinUptimeS: ["ready.min_uptime", "live"],
  hooks: ["hooks", "live"],
  lifecycle: ["lifecycle", "live"],
  extra: ["extra", "live"],
};

/** `process` stands for the agent's own here: its next life. */
const CIRCUS: Fields<CircusSection> = {
  endpoint: ["endpoint", "process"],
  endpointOwner: ["endpoint_owner", "process"],
  pubsubEndpoint: ["pubsub_endpoint", "process"],
  statsEndpoint: ["stats_endpoint", "process"],
  statsd: ["statsd", "process"],
  multicastEndpoint: ["multicast_endpoint", "process"],
  metrics: ["metrics", "process"],
  checkDelayS: ["check_delay", "live"],
  warmupDelayS: ["warmup_delay", "live"],
  umask: ["umask", "live"],
  pidfile: ["pidfile", "process"],
  python: ["python", "process"],
  debug: ["debug", "live"], // it is in the configurations of plugins
  loglevel: ["loglevel", "live"],
  logoutput: ["logoutput", "process"],
  stateDir: ["state_dir", "process"],
};

const SOCKET: Fields<SocketConfig & { at: unknown }> = {
  name: ["name", "none"],
  at: ["", "none"],
  host: ["host", "process"],
  port: ["port", "process"],
  family: ["family", "process"],
  type: ["type", "process"],
  proto: ["proto", "process"],
  path: ["path", "process"],
  owner: ["owner", "process"],
  group: ["group", "process"],
  interface: ["interface", "process"],
  soReuseport: ["so_reuseport", "process"],
  backlog: ["backlog", "live"],
  umask: ["umask", "live"],
  replace: ["replace", "live"],
  blocking: ["blocking", "live"],
};

/** What shells put into an environment of their own accord (reference §7.1, 4). */
const ENV_NOISE = ["__CF_USER_TEXT_ENCODING", "PS1", "COMP_WORDBREAKS", "PROMPT_COMMAND"];

/** @param running with each watcher as it was read last, or added; without the values of `set` and `incr` */
export function diffConfig(running: Running, next: Running): ConfigPlan {
  const circusKeys = changedFields(CIRCUS, running.circus, next.circus);
  const isLive = (field: keyof CircusSection): boolean => CIRCUS[field][1] === "live";
  const sockets = diffSockets(running.sockets, next.sockets);
  const watchers = diffWatchers(running, next, sockets);
  // A plugin's command line has the endpoints, which the agent does not change in this life.
  const isMoved = circusKeys.some((field) => field === "endpoint" || field === "pubsubEndpoint");
  const isMisled = ({ name }: WatcherChange): boolean => isMoved && isPlugin(name);
  return {
    circus: { ...running.circus, ...pick(next.circus, circusKeys.filter(isLive)) },
    applied: circusKeys.filter(isLive).map((field) => CIRCUS[field][0]),
    deferred: [
      ...circusKeys.filter((field) => !isLive(field)).map((field) => CIRCUS[field][0]),
      ...(isSame<FleetConfig | null>(running.fleet, next.fleet) ? [] : ["[fleet]"]),
    ],
    sockets,
    watchers: { ...watchers, changed: watchers.changed.filter((change) => !isMisled(change)) },
  };
}

function diffSockets(before: readonly SocketConfig[], after: readonly SocketConfig[]): SocketPlan {
  const old = new Map(before.map((socket) => [socket.name, socket]));
  const names = new Set(after.map(({ name }) => name));
  const tuned: SocketConfig[] = [];
  const rebound: SocketConfig[] = [];
  for (const socket of after) {
    const was = old.get(socket.name);
    if (was === undefined) continue;
    const fields = changedFields(SOCKET, { ...was, at: null }, { ...socket, at: null });
    if (fields.some((field) => SOCKET[field][1] === "process")) rebound.push(socket);
    else if (fields.length > 0) tuned.push(socket);
  }
  return {
    added: after.filter(({ name }) => !old.has(name)),
    removed: before.map(({ name }) => name).filter((name) => !names.has(name)),
    tuned,
    rebound,
  };
}

function diffWatchers(running: Running, next: Running, sockets: SocketPlan): ConfigPlan["watchers"] {
  const old = new Map(running.watchers.map((watcher) => [watcher.name, watcher]));
  const names = new Set(next.watchers.map(({ name }) => name));
  const rebound = new Set(sockets.rebound.map(({ name }) => name));
  const ownOf = (watcher: WatcherConfig, { sockets: all }: Running): readonly string[] =>
    ownSocketNames(
      watcher,
      all.map(({ name }) => name),
    );
  return {
    added: next.watchers.filter(({ name }) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !names.has(name)),
    changed: next.watchers.flatMap((watcher) => {
      const was = old.get(watcher.name);
      if (was === undefined) return [];
      const own = ownOf(watcher, next);
      // One that names none has them all, so that one more, or less, is its matter too.
      const onOthers = own.some((name) => rebound.has(name)) || !isSame(ownOf(was, running), own);
      return diffWatcher(was, watcher, onOthers) ?? [];
    }),
  };
}

/** @param onNewSocket its sockets are not the same as before */
function diffWatcher(was: WatcherConfig, is: WatcherConfig, onNewSocket: boolean): WatcherChange | null {
  const fields = changedFields(WATCHER, strip(was), strip(is));
  if (fields.length === 0 && !onNewSocket) return null;
  const keys = fields.map((field) => WATCHER[field][0]).sort();
  const needsProcess =
    onNewSocket ||
    fields.some((field) => WATCHER[field][1] === "process") ||
    needsNotify(was.lifecycle.healthcheck, is.lifecycle.healthcheck) ||
    needsPipe(was, is) ||
    commandNames(is, keys);
  const isShared = inheritsSockets(was) && inheritsSockets(is) && !is.singleton;
  return {
    name: is.name,
    changes: pick(is, fields),
    keys,
    renewal: needsProcess ? (isShared ? "reload" : "restart") : "none",
  };
}

/** Its processes may live side by side: they do not open what they listen on. */
function inheritsSockets(watcher: WatcherConfig): boolean {
  return watcher.useSockets || watcher.stdinSocket !== null;
}

/** A process hears of its notify socket only when it is made. */
function needsNotify(was: HealthcheckConfig | null, is: HealthcheckConfig | null): boolean {
  const told = (check: HealthcheckConfig | null): unknown =>
    check?.probe.type === "notify"
      ? { ...check.probe, ...(check.probe.watchdog ? { every: check.intervalMs } : {}) }
      : null;
  return is?.probe.type === "notify" && !isSame(told(was), told(is));
}

/** A process gets the pipe of its stream, or the agent's own output, when it is made. */
function needsPipe(was: WatcherConfig, is: WatcherConfig): boolean {
  return [
    [was.stdoutStream, is.stdoutStream],
    [was.stderrStream, is.stderrStream],
  ].some(([before, after]) => (before === null) !== (after === null));
}

/** The command line contains the value of one of these options: `$(circus.graceful_timeout)`. */
function commandNames({ cmd, args, shellArgs }: WatcherConfig, keys: readonly string[]): boolean {
  const texts = [cmd, ...(typeof args === "string" ? [args] : args), shellArgs ?? ""];
  return texts.flatMap(variablePaths).some((path) => keys.includes(path));
}

/** Without what is no part of the comparison. */
function strip(watcher: WatcherConfig): WatcherConfig {
  const env = Object.fromEntries(Object.entries(watcher.env).filter(([name]) => !ENV_NOISE.includes(name)));
  const lifecycle: Lifecycle = { ...watcher.lifecycle, dependsOnAt: null };
  return { ...watcher, env, lifecycle };
}

function changedFields<T extends object>(fields: Fields<T>, was: T, is: T): (keyof T)[] {
  return (Object.keys(fields) as (keyof T)[]).filter(
    (field) => fields[field][1] !== "none" && !isSame(was[field], is[field]),
  );
}

function pick<T extends object>(from: T, fields: readonly (keyof T)[]): Partial<T> {
  return Object.fromEntries(fields.map((field) => [field, from[field]])) as Partial<T>;
}

/** Plain data of the same shape and values. */
function isSame<T>(a: T, b: T): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const [own, other] = [Object.entries(a), Object.entries(b)];
  if (Array.isArray(a) !== Array.isArray(b) || own.length !== other.length) return false;
  return own.every(
    ([key, value]) => Object.hasOwn(b, key) && isSame<unknown>(value, (b as Record<string, unknown>)[key]),
  );
}
