/**
 * The output of a watcher's processes: `logs` reads what is in its files, `follow` what comes. Whoever follows holds a
 * lease that ends when it stops asking; only for leases are lines kept, and each waits in a queue of its own.
 */
import { type Schema, v } from "../schema.ts";
import type { Millis } from "../time.ts";
import type { CommandSpec } from "./spec.ts";

export const LOG_STREAMS = ["stdout", "stderr"] as const;
export type LogStream = (typeof LOG_STREAMS)[number];

/**
 * Where lines of a stream come from: its file and live; live only; the file of stdout, which it shares; nowhere, since it
 * is not captured.
 */
export const LOG_SOURCES = ["file", "live", "shared", "none"] as const;
export type LogSource = (typeof LOG_SOURCES)[number];

export interface LogLine {
  /** Null: both streams write to one file, which does not tell. */
  readonly stream: LogStream | null;
  /** Null, and `time` too: the file does not tell; it does with a `time_format`. */
  readonly pid: number | null;
  /** Wall ms on the host: of a live line when it was read, else as it stands in the file. */
  readonly time: Millis | null;
  /** Without line feed; a very long one is cut, and says so. */
  readonly line: string;
}

/** Of `logs`. */
export interface LogPage {
  readonly source: LogSource;
  /** In the order of the file. */
  readonly lines: readonly LogLine[];
  /** Where older ones end; null: there are none, or none that are wanted. */
  readonly before: string | null;
  /** False: lines of this stream have no time that could be read, and `since` only leaves out whole files. */
  readonly timed: boolean;
}

/** Of `follow` without a lease. */
export interface LogLease {
  readonly lease: string;
  readonly sources: Readonly<Record<LogStream, LogSource>>;
  /** For `logs`: where the past ends and what is followed begins. */
  readonly before: Readonly<Record<LogStream, string | null>>;
  /** False: some lines lie between the two. */
  readonly seamless: boolean;
}

/** Of `follow` with one. */
export interface LogBatch {
  /** Null: the lease has ended, or the agent is another one. */
  readonly lease: string | null;
  /** To be named as `taken` by the next question; until then the same lines come again. */
  readonly number: number;
  readonly lines: readonly LogLine[];
  /** Lines before these that found no room, since they were not asked for in time. */
  readonly left_out: number;
}

export const LOG_LINES_MAX = 10_000;
/** Longest that `follow` waits for a line. */
export const FOLLOW_WAIT_MAX_MS = 20_000;

const name = { type: "string", required: true, doc: "name of the watcher" } as const;
const shape = { access: "read", queue: "none", cli: null, doors: ["zmq", "nats"], isBroadcast: false } as const;

export const LOGS: CommandSpec = {
  ...shape,
  name: "logs",
  summary: "The last lines that a watcher's processes wrote into its file",
  properties: {
    name,
    stream: { type: "string", default: "stdout", oneOf: LOG_STREAMS, doc: "stdout or stderr" },
    lines: { type: "integer", default: 100, doc: `at most, 1 to ${LOG_LINES_MAX}; may be fewer, see before` },
    since: { type: "number", doc: "wall ms: none that is older" },
    before: { type: "string", doc: "older than this place, as an answer named it" },
  },
};

export const FOLLOW: CommandSpec = {
  ...shape,
  name: "follow",
  summary: "The lines that a watcher's processes write from now on",
  properties: {
    name,
    lease: { type: "string", doc: "as the first answer named it; without it a new one begins" },
    taken: { type: "integer", default: 0, doc: "number of the last batch that has come" },
    wait: { type: "integer", default: 10_000, doc: `ms to wait for a line, at most ${FOLLOW_WAIT_MAX_MS}` },
  },
};

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const source = v.picklist(LOG_SOURCES);
const place = v.nullable(v.pipe(v.string(), v.maxLength(128)));
const line = v.looseObject({
  stream: v.nullable(v.picklist(LOG_STREAMS)),
  pid: v.nullable(whole),
  time: v.nullable(whole),
  line: v.string(),
});

export const logPage: Schema<LogPage> = v.looseObject({
  source,
  lines: v.array(line),
  before: place,
  timed: v.boolean(),
});

export const logLease: Schema<LogLease> = v.looseObject({
  lease: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  sources: v.object({ stdout: source, stderr: source }),
  before: v.object({ stdout: place, stderr: place }),
  seamless: v.boolean(),
});

export const logBatch: Schema<LogBatch> = v.looseObject({
  lease: v.nullable(v.pipe(v.string(), v.minLength(1), v.maxLength(64))),
  number: whole,
  lines: v.array(line),
  left_out: whole,
});
