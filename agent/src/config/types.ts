/**
 * The resolved configuration of an agent: readonly, typed, no optional-with-default fields left.
 * Made once by `resolve.ts`; every reader inside the agent takes these types. Source: reference §1.6.
 */

import type { Address } from "@circus-cluster/proto";
import type { SocketConfig } from "../sockets/types.ts";
import type { HooksConfig } from "./hooks.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Rlimits } from "./rlimits.ts";
import type { StreamConfig } from "./streams.ts";

/** Where a section or key was written. */
export interface SourceRef {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
}

/** One finding about the configuration; `error` stops the start, `warning` is logged. */
export interface Diagnostic {
  readonly severity: "error" | "warning";
  readonly at: SourceRef | null;
  /** One line: what is wrong and what to do. */
  readonly message: string;
}

/** `[circus]`, reference §1.6. */
export interface CircusSection {
  readonly endpoint: string;
  readonly endpointOwner: string | null;
  readonly pubsubEndpoint: string;
  /** Where statistics are published, or would be. */
  readonly statsEndpoint: string;
  /** Are they? */
  readonly statsd: boolean;
  readonly multicastEndpoint: string;
  /** Where `/metrics` is served, a loopback address; null: nowhere. */
  readonly metrics: Address | null;
  /** Seconds; ≤ 0 switches periodic management off. */
  readonly checkDelayS: number;
  /** Seconds between the starts of two watchers. */
  readonly warmupDelayS: number;
  readonly umask: number | null;
  readonly pidfile: string | null;
  readonly loglevel: string | null;
  readonly logoutput: string | null;
  /** Directory of the journal, outbox and FIFOs; null: chosen by the agent (design §3). */
  readonly stateDir: string | null;
  /** What plugins write goes to the daemon's own stdout and stderr. */
  readonly debug: boolean;
  /** Program that calls the Python hooks of watchers without a virtualenv. */
  readonly python: string;
}

/** `[watcher:NAME]`, reference §1.6. Durations in seconds, as Circus writes them. */
export interface WatcherConfig {
  readonly name: string;
  readonly at: SourceRef | null;
  readonly cmd: string;
  /** A string is shell-split after substitution; a list (API only) is kept item by item. */
  readonly args: string | readonly string[];
  readonly numprocesses: number;
  readonly warmupDelayS: number;
  readonly workingDir: string;
  readonly shell: boolean;
  readonly shellArgs: string | null;
  readonly executable: string | null;
  readonly uid: string | number | null;
  readonly gid: string | number | null;
  readonly rlimits: Rlimits;
  readonly copyEnv: boolean;
  readonly copyPath: boolean;
  /** Absolute. */
  readonly virtualenv: string | null;
  readonly virtualenvPyVer: string | null;
  readonly autostart: boolean;
  /** Rests until a connection comes. */
  readonly onDemand: boolean;
  readonly respawn: boolean;
  readonly singleton: boolean;
  readonly priority: number;
  /** Attempts per spawn; -1 is endless. */
  readonly maxRetry: number;
  readonly maxAgeS: number;
  readonly maxAgeVarianceS: number;
  readonly gracefulTimeoutS: number;
  /** Signal number. */
  readonly stopSignal: number;
  readonly stopChildren: boolean;
  readonly sendHup: boolean;
  readonly useSockets: boolean;
  /** `systemd`: its own sockets only, from descriptor 3 on, with `LISTEN_FDS` and so on. */
  readonly socketActivation: "systemd" | null;
  /** Lower-case socket name. */
  readonly stdinSocket: string | null;
  readonly closeChildStdin: boolean;
  readonly closeChildStdout: boolean;
  readonly closeChildStderr: boolean;
  /** Null: the processes have the agent's own. */
  readonly stdoutStream: StreamConfig | null;
  readonly stderrStream: StreamConfig | null;
  /** Complete environment of the watcher's processes, before hooks. */
  readonly env: Readonly<Record<string, string>>;
  /** Seconds a process has to live to count as healthy (`ready.min_uptime`, design §3). */
  readonly readyMinUptimeS: number;
  /** `healthcheck.*`, `depends_on`, `on_failed`, `backoff.*`. */
  readonly lifecycle: Lifecycle;
  readonly hooks: HooksConfig;
  /** Keys Circus does not know, shown by `options`, in key order. */
  readonly extra: Readonly<Record<string, string>>;
}

/** `[fleet]`, design §4. */
export interface FleetConfig {
  readonly natsUrls: readonly string[];
  readonly fleet: string;
  readonly host: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Path of the credentials file that `circusctl fleet init` wrote. */
  readonly credentials: string | null;
  readonly tlsCa: string | null;
  readonly tlsCert: string | null;
  readonly tlsKey: string | null;
}

export interface AgentConfig {
  /** Absolute path of the main file. */
  readonly path: string;
  readonly circus: CircusSection;
  /** Sorted by name. */
  readonly watchers: readonly WatcherConfig[];
  /** Sorted by name. */
  readonly sockets: readonly (SocketConfig & { readonly at: SourceRef | null })[];
  readonly fleet: FleetConfig | null;
}

/** What loading gives: a configuration only when no diagnostic is an error. */
export interface LoadResult {
  readonly config: AgentConfig | null;
  readonly diagnostics: readonly Diagnostic[];
}
