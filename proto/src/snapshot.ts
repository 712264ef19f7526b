/** What an agent says of itself: the small heartbeat, and the full snapshot on demand (design §4). */
import { WATCHER_STATES, type WatcherState } from "./events.ts";
import { type Schema, v } from "./schema.ts";
import type { Millis } from "./time.ts";

export const HEALTH = ["starting", "healthy", "unhealthy"] as const;
export type Health = (typeof HEALTH)[number];

export interface ProcessSnapshot {
  readonly wid: number;
  readonly pid: number;
  /** Wall ms. */
  readonly started: Millis;
  readonly health: Health;
  /** Number of the start, restart or reload that made it; only ever grows on a host. */
  readonly generation: number;
}

export interface WatcherSnapshot {
  readonly name: string;
  readonly state: WatcherState;
  /** Wanted. */
  readonly numprocesses: number;
  /** Present. */
  readonly processes: readonly ProcessSnapshot[];
  /** Wall ms since which `state` holds. */
  readonly since: Millis;
  /** The newest generation asked for. */
  readonly generation: number;
  /** Processes that ended unasked, or were ill, and were replaced, since the agent's start; older agents do not say. */
  readonly restarts?: number | undefined;
  /** Last reason of a failure, for people; null where all is well. */
  readonly reason: string | null;
}

/** `F.snap.HOST`, or the answer to the command `snapshot`. */
export interface HostSnapshot {
  readonly v: 1;
  readonly epoch: number;
  /** The last event that this picture includes. */
  readonly seq: number;
  readonly time: Millis;
  readonly version: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly watchers: readonly WatcherSnapshot[];
}

/** `F.hb.HOST`. */
export interface Heartbeat {
  readonly v: 1;
  readonly epoch: number;
  /** Last event written, so that a controller sees what it lacks. */
  readonly seq: number;
  readonly time: Millis;
  /** Ms until the next one, without jitter. */
  readonly interval: Millis;
  readonly version: string;
  /** One-minute load average. */
  readonly load: number;
  /** Events not yet acknowledged by the stream. */
  readonly backlog: number;
  /** True in the last one before a clean stop. */
  readonly leaving?: boolean | undefined;
}

/**
 * Between agents, on `F.hb.HOST`, the one subject that all agents of a name may use: who holds it? No heartbeat, and
 * dropped by whoever counts those.
 */
export interface HostClaim {
  readonly v: 1;
  readonly kind: "claim" | "held";
  /** Chosen by who asks, repeated by who answers. */
  readonly id: string;
  readonly epoch: number;
  /** Name of the machine, and the agent's pid there. */
  readonly machine: string;
  readonly pid: number;
}

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(1024));

export const heartbeat: Schema<Heartbeat> = v.looseObject({
  v: v.literal(1),
  epoch: whole,
  seq: whole,
  time: whole,
  interval: whole,
  version: text,
  load: v.number(),
  backlog: whole,
  leaving: v.optional(v.boolean()),
});

export const hostClaim: Schema<HostClaim> = v.looseObject({
  v: v.literal(1),
  kind: v.picklist(["claim", "held"]),
  id: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  epoch: whole,
  machine: text,
  pid: whole,
});

export const hostSnapshot: Schema<HostSnapshot> = v.looseObject({
  v: v.literal(1),
  epoch: whole,
  seq: whole,
  time: whole,
  version: text,
  labels: v.record(v.string(), text),
  watchers: v.array(
    v.looseObject({
      name: v.pipe(v.string(), v.minLength(1), v.maxLength(128)),
      state: v.picklist(WATCHER_STATES),
      numprocesses: whole,
      processes: v.array(
        v.looseObject({ wid: whole, pid: whole, started: whole, health: v.picklist(HEALTH), generation: whole }),
      ),
      since: whole,
      generation: whole,
      restarts: v.optional(whole),
      reason: v.nullable(text),
    }),
  ),
});

/** Presence of a host (design §5). */
export const PRESENCES = ["online", "late", "lost", "left", "unknown"] as const;
export type Presence = (typeof PRESENCES)[number];
