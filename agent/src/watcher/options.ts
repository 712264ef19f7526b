/** What `set` does to a watcher's configuration (reference §5.6, "set"). Pure. */
import type { ErrorCode } from "@circus-cluster/proto";
import { changeHooks } from "../config/hooks.ts";
import { resolveStream, type StreamConfig, streamRefusal } from "../config/streams.ts";
import type { WatcherConfig } from "../config/types.ts";

/** Where each option of the wire lives in the configuration. */
const FIELDS: Readonly<Record<string, keyof WatcherConfig>> = {
  numprocesses: "numprocesses",
  max_retry: "maxRetry",
  max_age: "maxAgeS",
  max_age_variance: "maxAgeVarianceS",
  stop_signal: "stopSignal",
  warmup_delay: "warmupDelayS",
  graceful_timeout: "gracefulTimeoutS",
  uid: "uid",
  gid: "gid",
  send_hup: "sendHup",
  shell: "shell",
  copy_env: "copyEnv",
  respawn: "respawn",
  singleton: "singleton",
  stop_children: "stopChildren",
  close_child_stdin: "closeChildStdin",
  close_child_stdout: "closeChildStdout",
  close_child_stderr: "closeChildStderr",
  cmd: "cmd",
  args: "args",
  working_dir: "workingDir",
  env: "env",
};

/** A process takes these up only when it is made: setting one reloads the watcher. */
const NEED_RELOAD = new Set([
  "working_dir",
  "uid",
  "gid",
  "shell",
  "env",
  "cmd",
  "args",
  "max_age",
  "max_age_variance",
]);

const SIGNAL_MAX = 64;
export const SINGLETON_TEXT = "Singleton watcher has a single process";

export type Applied =
  | { readonly kind: "applied"; readonly config: WatcherConfig; readonly needsReload: boolean }
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly reason: string };

/**
 * Applies all options or none.
 *
 * @param options values of the types that `checkOptions` of proto lets through
 */
export function applyOptions(config: WatcherConfig, options: Readonly<Record<string, unknown>>): Applied {
  const changes: Record<string, unknown> = {};
  const streams: Streams = { stdoutStream: config.stdoutStream, stderrStream: config.stderrStream };
  let { hooks } = config;
  let needsReload = false;
  for (const [key, value] of Object.entries(options)) {
    if (key === "hooks" || key.startsWith("hooks.")) {
      const changed = changeHooks(hooks, key, value);
      if (!changed.ok) return { kind: "refused", code: "message", reason: changed.reason };
      ({ hooks } = changed);
      continue;
    }
    if (isStreamOption(key)) {
      const field = key.startsWith("stdout") ? "stdoutStream" : "stderrStream";
      const problem = applyStream(streams, field, key, value);
      if (problem !== null) return { kind: "refused", code: "message", reason: problem };
      // Only a new process gets the pipe.
      needsReload ||= config[field] === null;
      continue;
    }
    const field = Object.hasOwn(FIELDS, key) ? FIELDS[key] : undefined;
    if (field === undefined) return { kind: "refused", code: "message", reason: `unknown key '${key}'` };
    const problem = problemOf(key, value);
    if (problem !== null) return { kind: "refused", code: "message", reason: problem };
    changes[field] = key === "numprocesses" ? Math.max(0, Number(value)) : value;
  }
  const next: WatcherConfig = { ...config, ...changes, ...streams, hooks };
  if (next.singleton && next.numprocesses > 1) return { kind: "refused", code: "conflict", reason: SINGLETON_TEXT };
  needsReload ||= Object.keys(options).some((key) => NEED_RELOAD.has(key));
  return { kind: "applied", config: next, needsReload };
}

/** `stdout_stream`, `stderr_stream.filename` … */
export function isStreamOption(key: string): boolean {
  return /^std(?:out|err)_stream(?:$|\.)/.test(key);
}

interface Streams {
  stdoutStream: StreamConfig | null;
  stderrStream: StreamConfig | null;
}

/** `stdout_stream` replaces all, `stdout_stream.K` one option: the class stays (D12, D14). Null, or what is wrong. */
function applyStream(streams: Streams, field: keyof Streams, key: string, value: unknown): string | null {
  const [name = "", option] = key.split(/\.(.*)/s);
  const options = option === undefined ? (value as object) : { ...streams[field]?.given, [option]: value };
  const resolved = resolveStream(options as Readonly<Record<string, unknown>>);
  if (resolved.stream === null) return streamRefusal(name, resolved);
  streams[field] = resolved.stream;
  return null;
}

/** Ranges; the types were checked before. A negative number of processes counts as none, as in Circus. */
function problemOf(key: string, value: unknown): string | null {
  if (typeof value !== "number") return null;
  switch (key) {
    case "stop_signal":
      return value >= 1 && value <= SIGNAL_MAX ? null : "signal invalid";
    case "max_retry":
      return value >= -1 ? null : "'max_retry' must be -1 (endless) or more";
    case "warmup_delay":
    case "graceful_timeout":
    case "max_age":
    case "max_age_variance":
      return value >= 0 ? null : `'${key}' must not be negative`;
    default:
      return null;
  }
}
