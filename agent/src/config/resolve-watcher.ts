/** `[watcher:NAME]` → WatcherConfig. Pure. */
import { NAME_BYTES_MAX, splitWords } from "@circus-cluster/proto";
import { type GlobalEnv, watcherEnv } from "./environment.ts";
import { resolveHooks } from "./hooks.ts";
import { resolveLifecycle } from "./lifecycle.ts";
import { ownSocketNames } from "./own-sockets.ts";
import type { SectionReader } from "./reader.ts";
import { resolveStreams } from "./resolve-streams.ts";
import { readRlimits } from "./rlimits.ts";
import { printable, quote } from "./text.ts";
import type { Diagnostic, WatcherConfig } from "./types.ts";
import { envLookup, socketNames, substitute } from "./variables.ts";

export interface WatcherScope {
  readonly env: GlobalEnv;
  /** Lower case. */
  readonly sockets: ReadonlySet<string>;
  /** Those with `so_reuseport`. */
  readonly reuseport: ReadonlySet<string>;
  readonly cwd: string;
}

export function resolveWatcher(reader: SectionReader, sectionName: string, scope: WatcherScope): WatcherConfig {
  const name = reader.section.entries.get("name")?.value ?? sectionName;
  checkName(reader, name);
  const copyEnv = reader.bool("copy_env");
  const env = watcherEnv(name, scope.env, copyEnv);
  const lookup = envLookup(new Map([...scope.env.all, ...env]));
  reader.expandTextBy(lookup);
  const extra = reader.checkKeys().map(({ key, value }): [string, string] => [key, substitute(value, lookup)]);
  const virtualenv = reader.optional("virtualenv");
  const watcher: WatcherConfig = {
    name,
    at: reader.section.at,
    cmd: reader.text("cmd") ?? "",
    args: reader.text("args") ?? "",
    numprocesses: reader.int("numprocesses"),
    warmupDelayS: reader.int("warmup_delay"),
    workingDir: reader.optional("working_dir") ?? scope.cwd,
    shell: reader.bool("shell"),
    shellArgs: reader.optional("shell_args"),
    executable: reader.optional("executable"),
    uid: idOf(reader.optional("uid")),
    gid: idOf(reader.optional("gid")),
    rlimits: readRlimits(reader),
    copyEnv,
    copyPath: reader.bool("copy_path"),
    virtualenv: virtualenv === null ? null : absolute(virtualenv, scope.cwd),
    virtualenvPyVer: reader.optional("virtualenv_py_ver"),
    autostart: reader.bool("autostart"),
    onDemand: reader.bool("on_demand"),
    respawn: reader.bool("respawn"),
    singleton: reader.bool("singleton"),
    priority: reader.int("priority"),
    maxRetry: reader.int("max_retry"),
    maxAgeS: reader.int("max_age"),
    maxAgeVarianceS: reader.int("max_age_variance"),
    gracefulTimeoutS: reader.float("graceful_timeout"),
    stopSignal: reader.signal("stop_signal"),
    stopChildren: reader.bool("stop_children"),
    sendHup: reader.bool("send_hup"),
    useSockets: reader.bool("use_sockets"),
    socketActivation: reader.optional("socket_activation") === null ? null : "systemd",
    stdinSocket: reader.optional("stdin_socket")?.toLowerCase() ?? null,
    closeChildStdin: reader.bool("close_child_stdin"),
    closeChildStdout: reader.bool("close_child_stdout"),
    closeChildStderr: reader.bool("close_child_stderr"),
    ...resolveStreams(reader),
    env: Object.fromEntries(env),
    readyMinUptimeS: reader.duration("ready.min_uptime") / 1000,
    lifecycle: resolveLifecycle(reader),
    hooks: resolveHooks(reader),
    extra: Object.fromEntries(extra.sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  checkTogether(reader, watcher);
  checkSocketUse(reader, watcher, scope.sockets);
  checkDemand(reader, watcher, scope);
  return watcher;
}

/** As the daemon sees it, for a process may run in another directory. */
export function absolute(path: string, cwd: string): string {
  return path.startsWith("/") ? path : `${cwd.replace(/\/$/, "")}/${path}`;
}

function idOf(text: string | null): string | number | null {
  return text !== null && /^\d{1,10}$/.test(text) ? Number(text) : text;
}

function checkName(reader: SectionReader, name: string): void {
  const problem = nameProblem(name);
  if (problem !== null) reader.error("name", problem);
}

/** Why a watcher cannot be called so, or null. */
export function nameProblem(name: string): string | null {
  const bytes = new TextEncoder().encode(name).length;
  if (name.trim() === "") return "a watcher needs a name";
  if (bytes > NAME_BYTES_MAX) return `${quote(name)} has ${bytes} bytes, a name at most ${NAME_BYTES_MAX}`;
  return printable(name) === name ? null : `${quote(name)} has control characters in it`;
}

function checkTogether(reader: SectionReader, watcher: WatcherConfig): void {
  if (watcher.cmd.trim() === "") reader.sectionError("has no 'cmd'");
  // With a shell they are its own to read.
  for (const key of watcher.shell ? (["shell_args"] as const) : (["cmd", "args"] as const)) {
    const split = splitWords(reader.text(key) ?? "");
    if (!split.ok) reader.error(key, `it cannot be split into words: ${split.reason}`);
  }
  if (watcher.singleton && watcher.numprocesses > 1) {
    reader.error("numprocesses", `a singleton has one process at most, not ${watcher.numprocesses}`);
  }
  if (watcher.copyPath && !watcher.copyEnv) reader.error("copy_path", "it needs 'copy_env = True'");
  if (watcher.virtualenv !== null && !watcher.copyEnv) reader.error("virtualenv", "it needs 'copy_env = True'");
  if (watcher.virtualenvPyVer !== null && !/^[\w.]+$/.test(watcher.virtualenvPyVer)) {
    reader.error("virtualenv_py_ver", `${quote(watcher.virtualenvPyVer)} is no version such as 3.11`);
  }
  if (watcher.shellArgs !== null && !watcher.shell) reader.warning("shell_args", "no effect without 'shell = True'");
}

function checkSocketUse(reader: SectionReader, watcher: WatcherConfig, sockets: ReadonlySet<string>): void {
  const known = sockets.size === 0 ? "none is configured" : `known: ${[...sockets].sort().join(", ")}`;
  for (const key of ["cmd", "args"]) {
    const used = socketNames(reader.text(key) ?? "");
    for (const name of new Set(used)) {
      if (!sockets.has(name)) reader.error(key, `no socket ${quote(name)} for $(circus.sockets.${name}) (${known})`);
    }
    if (used.some((name) => sockets.has(name)) && !watcher.useSockets) {
      reader.warning(key, "it names a socket, which processes inherit only with 'use_sockets = True'");
    }
  }
  const activation = reader.optional("socket_activation");
  if (activation !== null && activation !== "systemd") {
    reader.error("socket_activation", `${quote(activation)} is not 'systemd'`);
  } else if (activation !== null && !watcher.useSockets) {
    reader.error("socket_activation", "it needs 'use_sockets = True'");
  }
  if (watcher.stdinSocket !== null && !sockets.has(watcher.stdinSocket)) {
    reader.error("stdin_socket", `no socket ${quote(watcher.stdinSocket)} (${known})`);
  }
}

/** It is started by a connection, so somebody has to listen before it runs. */
function checkDemand(reader: SectionReader, watcher: WatcherConfig, { sockets, reuseport }: WatcherScope): void {
  if (!watcher.onDemand) return;
  const own = ownSocketNames(watcher, [...sockets]);
  if (own.length === 0) reader.error("on_demand", "it needs a socket: 'use_sockets = True' or 'stdin_socket = NAME'");
  for (const name of own.filter((socket) => reuseport.has(socket))) {
    reader.error("on_demand", `socket ${quote(name)} has 'so_reuseport', so nobody listens before a process does`);
  }
}

/** Clients look names up without regard to case, so two that differ in case only hide each other (reference D4). */
export function checkWatcherNames(watchers: readonly WatcherConfig[], diagnostics: Diagnostic[]): void {
  const seen = new Map<string, WatcherConfig>();
  for (const watcher of watchers) {
    const other = seen.get(watcher.name.toLowerCase());
    seen.set(watcher.name.toLowerCase(), other ?? watcher);
    if (other === undefined) continue;
    const line = other.at?.file === watcher.at?.file ? `line ${other.at?.line ?? 0}` : printable(other.at?.file ?? "");
    const names = `watchers ${quote(watcher.name)} and ${quote(other.name)} (${line})`;
    const message = `${names} have ${other.name === watcher.name ? "the same name" : "names that differ in case only"}`;
    diagnostics.push({ severity: "error", at: watcher.at, message });
  }
}
