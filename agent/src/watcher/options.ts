/** What `set` does to a watcher's configuration (reference §5.6, "set"). Pure. */
import { type ErrorCode, isRlimitName } from "@circus-cluster/proto";
import { changeHooks } from "../config/hooks.ts";
import { resolveStream, streamRefusal, uselessOption } from "../config/streams.ts";
import type { WatcherConfig } from "../config/types.ts";

/** Where each plain option of the wire lives in the configuration; {@link FAMILIES} has the others. */
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

type Changes = { -readonly [K in keyof WatcherConfig]?: WatcherConfig[K] };

/** Options of the same beginning that live together. */
interface Family {
  readonly pattern: RegExp;
  /** What one of them changes in a configuration, or why it cannot. */
  change(config: WatcherConfig, key: string, value: unknown): Changes | string;
  /** @param before the configuration without it */
  needsReload(before: WatcherConfig, key: string): boolean;
}

const STREAM = /^std(?:out|err)_stream(?:$|\.)/;

const FAMILIES: readonly Family[] = [
  {
    pattern: /^rlimit_/,
    change: ({ rlimits }, key, value) => {
      const limit = key.slice("rlimit_".length).toLowerCase();
      if (!isRlimitName(limit)) return `'${key}' isn't a valid rlimit setting`;
      return { rlimits: { ...rlimits, [limit]: value === -1 ? null : (value as number | null) } };
    },
    needsReload: () => true,
  },
  {
    pattern: /^hooks(?:$|\.)/,
    change: ({ hooks }, key, value) => {
      const changed = changeHooks(hooks, key, value);
      return changed.ok ? { hooks: changed.hooks } : changed.reason;
    },
    needsReload: () => false,
  },
  {
    pattern: STREAM,
    change: changeStream,
    // Only a new process gets the pipe.
    needsReload: (before, key) => before[streamField(key)] === null,
  },
];

/** As in Circus, taken without effect; a caller who can say so does. */
export const WITHOUT_EFFECT: ReadonlySet<string> = new Set(["retry_in"]);

/** A process takes these up only when it is made: setting one reloads the watcher. */
const NEED_RELOAD = new Set([
  "copy_env",
  "close_child_stdin",
  "close_child_stdout",
  "close_child_stderr",
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
  let next = config;
  let needsReload = false;
  for (const [key, value] of Object.entries(options)) {
    const problem = problemOf(key, value);
    if (problem !== null) return { kind: "refused", code: "message", reason: problem };
    const changes = changesBy(next, key, value);
    if (typeof changes === "string") return { kind: "refused", code: "message", reason: changes };
    needsReload ||= isForNewOnes(config, key);
    next = { ...next, ...changes };
  }
  for (const key of Object.keys(options)) {
    const problem = streamProblem(next, key);
    if (problem !== null) return { kind: "refused", code: "message", reason: problem };
  }
  if (next.singleton && next.numprocesses > 1) return { kind: "refused", code: "conflict", reason: SINGLETON_TEXT };
  return { kind: "applied", config: next, needsReload };
}

/** What one option changes in a configuration, or why it cannot. */
function changesBy(config: WatcherConfig, key: string, value: unknown): Changes | string {
  if (WITHOUT_EFFECT.has(key)) return {};
  const field = Object.hasOwn(FIELDS, key) ? FIELDS[key] : undefined;
  if (field !== undefined) return { [field]: key === "numprocesses" ? Math.max(0, Number(value)) : value };
  return FAMILIES.find(({ pattern }) => pattern.test(key))?.change(config, key, value) ?? `unknown key '${key}'`;
}

/** Does it take new processes for it to have an effect? */
function isForNewOnes(before: WatcherConfig, key: string): boolean {
  return NEED_RELOAD.has(key) || FAMILIES.find(({ pattern }) => pattern.test(key))?.needsReload(before, key) === true;
}

/** `stdout_stream`, `stderr_stream.filename` … */
export function isStreamOption(key: string): boolean {
  return STREAM.test(key);
}

function streamField(key: string): "stdoutStream" | "stderrStream" {
  return key.startsWith("stdout") ? "stdoutStream" : "stderrStream";
}

/** Why a single option of a stream changed nothing, which its class may say that was set after it. */
function streamProblem(after: WatcherConfig, key: string): string | null {
  const [, option] = key.split(/\.(.*)/s);
  const stream = isStreamOption(key) ? after[streamField(key)] : null;
  if (stream === null || option === undefined) return null;
  const problem = uselessOption(stream.class, option);
  return problem === null ? null : `${key}: ${problem}`;
}

/** `stdout_stream` replaces all, `stdout_stream.K` one option: the class stays (D12, D14). */
function changeStream(config: WatcherConfig, key: string, value: unknown): Changes | string {
  const field = streamField(key);
  const [name = "", option] = key.split(/\.(.*)/s);
  const options = option === undefined ? (value as object) : { ...config[field]?.given, [option]: value };
  const resolved = resolveStream(options as Readonly<Record<string, unknown>>);
  return resolved.stream === null ? (streamRefusal(name, resolved) ?? "") : { [field]: resolved.stream };
}

/** Ranges; the types were checked before. A negative number of processes counts as none, as in Circus. */
function problemOf(key: string, value: unknown): string | null {
  if (typeof value !== "number") return null;
  switch (key) {
    case "stop_signal":
      return value >= 0 && value <= SIGNAL_MAX ? null : "signal invalid";
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
