/** What a run leaves behind for the checks: plain facts, all times in wall ms of the machine. */

export interface RequestFailure {
  readonly host: string;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly reason: string;
}

/** A kill -9 of a worker by us: requests in its hands go with it. */
export interface WorkerKill {
  readonly host: string;
  readonly watcher: string;
  readonly pid: number;
  /** Just before and just after the signal was sent. */
  readonly fromMs: number;
  readonly toMs: number;
  /** False: nobody held its pipes but itself, since no agent had taken it over yet. */
  readonly isAgentAlive: boolean;
}

/** One look at a host. */
export interface Glance {
  readonly host: string;
  readonly atMs: number;
  /** Living processes of the web watcher. */
  readonly web: number;
  readonly isAgentAlive: boolean;
}

/** One life of a process that writes numbered lines. */
export interface WriterLife {
  readonly host: string;
  /** PID.START */
  readonly life: string;
  /** The number of the last line that it knows it has written; it may have died before it noted one more. */
  readonly said: number;
  /** Numbers in the order of the log. */
  readonly logged: readonly number[];
}

/** An event as one controller has it. */
export interface EventRow {
  readonly host: string;
  readonly epoch: number;
  readonly seq: number;
  readonly kind: string;
  readonly watcher: string | null;
  readonly pid: number | null;
  readonly actor: string | null;
  readonly cause: string | null;
  /** As JSON. */
  readonly body: string;
}

/** Numbers of a life that a controller knows it has not got. */
export interface Gap {
  readonly host: string;
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
}

export interface Database {
  readonly controller: string;
  /** Those of the controllers themselves (`_fleet`) are not all kept, so only `gaps` says what is missing there. */
  readonly events: readonly EventRow[];
  readonly gaps: readonly Gap[];
  /** Rows of what is derived from them, as text, sorted. */
  readonly derived: readonly string[];
  readonly rollouts: readonly RolloutRow[];
}

export interface RolloutRow {
  readonly id: string;
  readonly state: string;
  /** From 1; each retry is one more. */
  readonly attempt: number;
  readonly hosts: readonly string[];
}

/** So far an agent had come: the numbers up to it were given. */
export interface Reached {
  readonly host: string;
  readonly epoch: number;
  readonly seq: number;
}

export interface ProcessCount {
  readonly host: string;
  readonly watcher: string;
  readonly wanted: number;
  /** As the kernel has them. */
  readonly living: readonly number[];
  /** As the agent has them. */
  readonly known: readonly number[];
}

/** What a program of ours holds, before the first fault and after the last. */
export interface Held {
  readonly who: string;
  /** Descriptors by what they are: `pipe`, `eventfd`, `listening socket` … */
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
  readonly zombies: number;
}

export interface Leftovers {
  /** Processes in the directory of a host that its agent does not know. */
  readonly orphans: readonly { readonly host: string; readonly pid: number; readonly command: string }[];
  readonly held: readonly Held[];
  /** FIFOs in a state directory that no worker has open. */
  readonly fifos: readonly string[];
}

/** One call of circusctl meanwhile. */
export interface Call {
  readonly line: string;
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program of ours that ended although nobody ended it, or a line of a log that must not be. */
export interface Mishap {
  readonly who: string;
  readonly what: string;
}

export interface RunRecord {
  readonly requests: number;
  readonly failures: readonly RequestFailure[];
  readonly kills: readonly WorkerKill[];
  readonly glances: readonly Glance[];
  readonly writers: readonly WriterLife[];
  readonly databases: readonly Database[];
  readonly reached: readonly Reached[];
  readonly counts: readonly ProcessCount[];
  readonly leftovers: Leftovers;
  readonly calls: readonly Call[];
  readonly mishaps: readonly Mishap[];
}
