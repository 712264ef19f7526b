/** A watcher's options as `options` and `get` show them: names, order and types of reference §5.6. Pure. */
import type { WatcherConfig } from "../config/types.ts";

type View = (config: WatcherConfig) => unknown;

const STANDARD: Readonly<Record<string, View>> = {
  args: (c) => c.args,
  close_child_stderr: (c) => c.closeChildStderr,
  close_child_stdin: (c) => c.closeChildStdin,
  close_child_stdout: (c) => c.closeChildStdout,
  cmd: (c) => c.cmd,
  copy_env: (c) => c.copyEnv,
  env: (c) => c.env,
  executable: (c) => c.executable,
  gid: (c) => c.gid,
  graceful_timeout: (c) => c.gracefulTimeoutS,
  max_age: (c) => c.maxAgeS,
  max_age_variance: (c) => c.maxAgeVarianceS,
  max_retry: (c) => c.maxRetry,
  numprocesses: (c) => c.numprocesses,
  on_demand: (c) => c.onDemand,
  priority: (c) => c.priority,
  respawn: (c) => c.respawn,
  send_hup: (c) => c.sendHup,
  shell: (c) => c.shell,
  shell_args: (c) => c.shellArgs,
  singleton: (c) => c.singleton,
  stderr_stream_conf: (c) => c.stderrStream?.given ?? {},
  stdout_stream_conf: (c) => c.stdoutStream?.given ?? {},
  stop_children: (c) => c.stopChildren,
  stop_signal: (c) => c.stopSignal,
  uid: (c) => c.uid,
  use_sockets: (c) => c.useSockets,
  warmup_delay: (c) => c.warmupDelayS,
  working_dir: (c) => c.workingDir,
};

/** All of them in the order of their keys, those of the file that Circus does not know among them. */
export function optionsOf(config: WatcherConfig): Record<string, unknown> {
  const entries = Object.entries(STANDARD).map(([key, view]): [string, unknown] => [key, view(config)]);
  const extra = Object.entries(config.extra).filter(([key]) => !Object.hasOwn(STANDARD, key));
  return Object.fromEntries([...entries, ...extra].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

interface Boxed {
  readonly value: unknown;
}

/** One that Circus knows; null where there is no such option. */
export function standardOptionOf(config: WatcherConfig, key: string): Boxed | null {
  const view = Object.hasOwn(STANDARD, key) ? STANDARD[key] : undefined;
  return view === undefined ? null : { value: view(config) };
}

/** One of all; null where there is no such option. */
export function optionOf(config: WatcherConfig, key: string): Boxed | null {
  const standard = standardOptionOf(config, key);
  if (standard !== null) return standard;
  return Object.hasOwn(config.extra, key) ? { value: config.extra[key] } : null;
}
