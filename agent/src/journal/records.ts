/**
 * The lines of the journal (design §3): what has to be known of the workers when the agent that started them is no
 * more. One JSON object a line; a line that is none, or is not understood, is not a record. Pure.
 *
 * J1  What is about to be done is written before it is done: the slot and the intent before the fork, the pid after.
 * J2  All times are ms of the system's monotonic clock, which later agents of the same boot share; only `startedMs` is
 *     wall time, for showing.
 */
import { HEALTH, type Millis, parse, v } from "@circus-cluster/proto";
import type { WatcherConfig } from "../config/types.ts";
import type { SocketConfig } from "../sockets/types.ts";
import { CIRCUS_STATUSES } from "../watcher/api.ts";
import { GOALS, JOB_KINDS, type JobKind, STOP_PHASES, STOP_REASONS, type WatcherState } from "../watcher/state.ts";

/** Of a reader that must not take an older or newer journal for its own. */
export const JOURNAL_VERSION = 1;

/** What is remembered of a watcher beside its processes. */
export interface WatcherMemory
  extends Pick<
    WatcherState,
    "goal" | "status" | "generation" | "spent" | "succeeded" | "restarts" | "spawnFailures" | "reason" | "isFailed"
  > {
  /** No spawn before, after a failed one. */
  readonly retryAtMs: Millis;
  readonly vacancies: WatcherState["vacancies"];
  /** The command under way; null: none. */
  readonly job: { readonly kind: JobKind; readonly isSequential: boolean; readonly failure: string | null } | null;
}

/** What is remembered of a process that runs. */
export interface LifeMemory {
  readonly pid: number;
  /** Wall ms. */
  readonly startedMs: Millis;
  readonly sinceMs: Millis;
  readonly health: (typeof HEALTH)[number];
  readonly healthyMs: Millis | null;
  readonly ailment: string | null;
  /** Its share of `max_age_variance`. */
  readonly chance: number;
  readonly isAnnounced: boolean;
  /** Null: it is to run on. `killAtMs` null: its time is not counted yet. */
  readonly stop: {
    readonly phase: (typeof STOP_PHASES)[number];
    readonly reason: (typeof STOP_REASONS)[number];
    readonly killAtMs: Millis | null;
  } | null;
}

/** The place of one process. */
export interface SlotMemory {
  readonly wid: number;
  readonly generation: number;
  readonly crashes: number;
  /** Null: it is being spawned. */
  readonly life: LifeMemory | null;
}

/** A listening socket that is open. */
export interface SocketMemory {
  readonly name: string;
  readonly fd: number;
  /** Number of the open socket, as `/proc/PID/fd` shows it. */
  readonly inode: number;
  /** Of the file of an AF_UNIX socket; null: it has none. */
  readonly file: number | null;
  readonly config: SocketConfig;
}

export type JournalRecord =
  /**
   * The first line.
   *
   * @property boot of the host and its processes' numbers; nothing of another one lives
   * @property whole 0: something could not be written. One byte, so that it can be changed where there is no room
   */
  | { readonly t: "journal"; readonly v: number; readonly boot: string; readonly whole: 0 | 1 }
  /** Nothing is left: the agent ended as it should. */
  | { readonly t: "end" }
  | ({ readonly t: "socket" } & SocketMemory)
  | { readonly t: "unbound"; readonly name: string; readonly inode: number }
  /** @property written as the file had it; @property config with the values of `set` and so on, null: the same */
  | {
      readonly t: "watcher";
      readonly watcher: string;
      readonly written: WatcherConfig;
      readonly config: WatcherConfig | null;
      /** By a command, not by the file. */
      readonly isAdded: boolean;
    }
  | { readonly t: "state"; readonly watcher: string; readonly state: WatcherMemory }
  | { readonly t: "slot"; readonly watcher: string; readonly slot: SlotMemory }
  | { readonly t: "gone"; readonly watcher: string; readonly wid: number }
  /** It is about to be forked. */
  | {
      readonly t: "intent";
      readonly watcher: string;
      readonly wid: number;
      /** Stands in its environment, so that it is found where `born` was not written any more. */
      readonly id: string;
      /** Path of its notify socket; null: it has none. */
      readonly notify: string | null;
      /** Paths of the FIFOs that it writes to; null: none. */
      readonly stdout: string | null;
      readonly stderr: string | null;
    }
  /** @property ticks start time of `/proc/PID/stat`; null: it ended before that could be read */
  | {
      readonly t: "born";
      readonly watcher: string;
      readonly wid: number;
      readonly pid: number;
      readonly ticks: number | null;
    }
  /** It is no business of ours any more, nor are its processes. */
  | { readonly t: "forget"; readonly watcher: string };

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const text = v.string();
const maybe = v.nullable(text);
const settings = v.record(v.string(), v.unknown());
const watcher = text;
const wid = whole;

const life = v.object({
  pid: whole,
  startedMs: v.number(),
  sinceMs: v.number(),
  health: v.picklist(HEALTH),
  healthyMs: v.nullable(v.number()),
  ailment: maybe,
  chance: v.number(),
  isAnnounced: v.boolean(),
  stop: v.nullable(
    v.object({
      phase: v.picklist(STOP_PHASES),
      reason: v.picklist(STOP_REASONS),
      killAtMs: v.nullable(v.number()),
    }),
  ),
});

const state = v.object({
  goal: v.picklist(GOALS),
  status: v.picklist(CIRCUS_STATUSES),
  generation: v.number(),
  spent: whole,
  succeeded: whole,
  restarts: whole,
  spawnFailures: whole,
  reason: maybe,
  isFailed: v.boolean(),
  retryAtMs: v.number(),
  vacancies: v.array(v.object({ crashes: whole, dueMs: v.number() })),
  job: v.nullable(v.object({ kind: v.picklist(JOB_KINDS), isSequential: v.boolean(), failure: maybe })),
});

const record = v.variant("t", [
  v.object({ t: v.literal("journal"), v: whole, boot: text, whole: v.picklist([0, 1]) }),
  v.object({ t: v.literal("end") }),
  v.object({ t: v.literal("socket"), name: text, fd: whole, inode: whole, file: v.nullable(whole), config: settings }),
  v.object({ t: v.literal("unbound"), name: text, inode: whole }),
  v.object({
    ...{ t: v.literal("watcher"), watcher, written: settings, config: v.nullable(settings), isAdded: v.boolean() },
  }),
  v.object({ t: v.literal("state"), watcher, state }),
  v.object({
    t: v.literal("slot"),
    watcher,
    slot: v.object({ wid, generation: v.number(), crashes: whole, life: v.nullable(life) }),
  }),
  v.object({ t: v.literal("gone"), watcher, wid }),
  v.object({ t: v.literal("intent"), watcher, wid, id: text, notify: maybe, stdout: maybe, stderr: maybe }),
  v.object({ t: v.literal("born"), watcher, wid, pid: whole, ticks: v.nullable(whole) }),
  v.object({ t: v.literal("forget"), watcher }),
]);

/** With its line end. */
export function encodeRecord(one: JournalRecord): string {
  return `${JSON.stringify(one)}\n`;
}

/** Null where the line is no record. Configurations are taken as they are: they were ours, in a file of ours. */
export function decodeRecord(line: string): JournalRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  const parsed = parse(record, value);
  return parsed.ok ? (parsed.value as unknown as JournalRecord) : null;
}
