/**
 * The numbered facts that agents append to the stream EVENTS, and the controller's own under `_fleet`
 * (design §4). `(host, epoch, seq)` names an event for ever; seq is gapless within an epoch, from 1.
 */
import { type Schema, v } from "./schema.ts";
import type { Millis } from "./time.ts";

/** One list, from which types, subjects, parsers and docs derive. A reader keeps kinds it does not know. */
export const EVENT_KINDS = [
  "agent_started",
  "agent_stopped",
  "agent_adopted",
  "journal_failed",
  "watcher_starting",
  "watcher_started",
  "watcher_stopping",
  "watcher_stopped",
  "watcher_failed",
  "watcher_updated",
  "watcher_added",
  "watcher_removed",
  "process_spawned",
  "process_adopted",
  "process_spawn_failed",
  "process_exited",
  "process_killed",
  "process_healthy",
  "process_unhealthy",
  "hook_failed",
  "socket_bound",
  "config_reloaded",
  "log_rotated",
  "command_accepted",
  "command_refused",
  "command_done",
  "outbox_truncated",
  "host_conflict",
  "host_online",
  "host_late",
  "host_lost",
  "host_left",
  "rollout_started",
  "rollout_step",
  "rollout_paused",
  "rollout_resumed",
  "rollout_aborting",
  "rollout_retried",
  "rollout_ended",
  "notice_sent",
  "notice_failed",
  /** What a controller has stored of a rollout, for the other controllers; never shown. */
  "rollout_saved",
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** An event on the wire; the host stands in the subject only. */
export interface FleetEvent {
  readonly v: 1;
  /** One agent life: wall ms of its start, made greater than any before. */
  readonly epoch: number;
  readonly seq: number;
  /** Wall ms on the host. */
  readonly time: Millis;
  /** One of {@link EVENT_KINDS}, or a newer one. */
  readonly kind: string;
  /** Null for events of the whole agent (or of the fleet). */
  readonly watcher: string | null;
  readonly pid?: number | undefined;
  readonly wid?: number | undefined;
  /** Who asked, as the broker knows it. */
  readonly actor?: string | undefined;
  /** Id of the command, or `epoch:seq` of the event, behind this one. */
  readonly cause?: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;
}

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Loose: fields of a newer version are kept, not refused (version skew by one minor, design §4). */
export const fleetEvent: Schema<FleetEvent> = v.looseObject({
  v: v.literal(1),
  epoch: whole,
  seq: v.pipe(v.number(), v.integer(), v.minValue(1)),
  time: whole,
  kind: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_-]{0,63}$/)),
  watcher: v.nullable(v.pipe(v.string(), v.minLength(1), v.maxLength(128))),
  pid: v.optional(whole),
  wid: v.optional(whole),
  actor: v.optional(v.string()),
  cause: v.optional(v.string()),
  data: v.record(v.string(), v.unknown()),
});

/** What a part of an agent hands to the event bus; epoch, seq and time are added there. */
export type EventDraft = Omit<FleetEvent, "v" | "epoch" | "seq" | "time" | "kind"> & { readonly kind: EventKind };

/** The `Nats-Msg-Id` of an event. */
export function messageId(host: string, event: Pick<FleetEvent, "epoch" | "seq">): string {
  return `${host}:${event.epoch}:${event.seq}`;
}

/** State of a watcher as history shows it (design §5): Circus's four words, and two more. */
export const WATCHER_STATES = ["stopped", "starting", "active", "stopping", "failed", "unknown"] as const;
export type WatcherState = (typeof WATCHER_STATES)[number];

const STATE_OF: Readonly<Record<string, WatcherState>> = {
  watcher_starting: "starting",
  watcher_started: "active",
  watcher_stopping: "stopping",
  watcher_stopped: "stopped",
  watcher_failed: "failed",
  watcher_removed: "stopped",
};

/** The state that a watcher is in from this event on, or null where the event says nothing of it. */
export function stateAfter(kind: string): WatcherState | null {
  return STATE_OF[kind] ?? null;
}
