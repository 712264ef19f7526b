/**
 * What one event changes in the tables derived from events. Pure and idempotent: the same event gives the same
 * changes, each of which is addressed by its place in the host's order.
 */
import {
  type FleetEvent,
  type HostName,
  type Millis,
  PRESENCES,
  parseHostName,
  stateAfter,
} from "@circus-cluster/proto";
import { FLEET, type StoredEvent } from "./decode.ts";
import { type Entry, LAST_SEQ, type Position } from "./intervals.ts";

/** An agent's life before this one, as far as it is known. */
export interface EarlierLife {
  readonly epoch: number;
  /** Time of its last event. */
  readonly heard: Millis;
}

type PresenceFact = Exclude<(typeof PRESENCES)[number], "unknown">;

export type Change =
  /** A transition of one watcher. */
  | { readonly kind: "watcher"; readonly watcher: string; readonly entry: Entry; readonly reason: string | null }
  /** A transition of every watcher of the host that was seen before it. */
  | { readonly kind: "host"; readonly host: HostName; readonly entry: Entry }
  | { readonly kind: "numprocesses"; readonly watcher: string; readonly n: number }
  | {
      readonly kind: "presence";
      readonly host: HostName;
      readonly presence: PresenceFact;
      /** Of the agent's life that this was said of; null where the event does not tell. */
      readonly epoch: number | null;
      readonly since: Millis;
    };

/** @param earlier the life before the event's epoch; asked for only at the start of a life */
export function project(stored: StoredEvent, earlier: () => EarlierLife | null): readonly Change[] {
  const { host, event } = stored;
  // It cannot have happened after the stream took it: bounds what a clock that runs ahead can spoil.
  const time = Math.min(event.time, stored.stored);
  return host === FLEET ? ofFleet(event, time) : ofHost(host, event, time, earlier);
}

function ofHost(host: HostName, event: FleetEvent, time: Millis, earlier: () => EarlierLife | null): readonly Change[] {
  const { epoch, seq, kind, watcher, data } = event;
  const position: Position = { epoch, seq, fleetEpoch: 0, fleetSeq: 0 };
  const entry = { position, time, actor: event.actor ?? null, cause: event.cause ?? null };
  if (watcher === null) {
    // Workers that it leaves to the next agent are not stopped; how they are nobody knows until then.
    const leavesWorkers = wholeOf(data["workers_left"]) !== null;
    if (kind === "agent_stopped") {
      return [{ kind: "host", host, entry: { ...entry, op: leavesWorkers ? "lost" : "gone" } }];
    }
    if (kind !== "agent_started") return [];
    const before = earlier();
    const fresh: Change = { kind: "host", host, entry: { ...entry, op: "fresh" } };
    if (before === null) return [fresh];
    // Behind everything of the life before: a goodbye in it makes this say nothing.
    const end = { epoch: before.epoch, seq: LAST_SEQ, fleetEpoch: 0, fleetSeq: 0 };
    return [{ kind: "host", host, entry: lost(end, Math.min(before.heard, time)) }, fresh];
  }
  const state = stateAfter(kind);
  const changes: Change[] = [];
  if (state !== null && state !== "unknown") {
    const reason = state === "failed" ? textOf(data["reason"]) : null;
    changes.push({ kind: "watcher", watcher, entry: { ...entry, op: state }, reason });
  }
  const n = data["numprocesses"];
  if (kind === "watcher_updated" && typeof n === "number" && Number.isSafeInteger(n) && n >= 0) {
    changes.push({ kind: "numprocesses", watcher, n });
  }
  return changes;
}

const PRESENCE_OF: Readonly<Record<string, PresenceFact>> = {
  host_online: "online",
  host_late: "late",
  host_lost: "lost",
  host_left: "left",
};

function ofFleet(event: FleetEvent, time: Millis): readonly Change[] {
  const presence = PRESENCE_OF[event.kind];
  const host = parseHostName(event.data["host"]);
  if (presence === undefined || host === null) return [];
  const epoch = wholeOf(event.data["epoch"]);
  const seq = wholeOf(event.data["seq"]);
  const changes: Change[] = [{ kind: "presence", host, presence, epoch, since: time }];
  if (epoch === null || seq === null) return changes;
  const position: Position = { epoch, seq, fleetEpoch: event.epoch, fleetSeq: event.seq };
  if (presence === "lost") {
    const heard = wholeOf(event.data["last_heard"]) ?? time;
    changes.push({ kind: "host", host, entry: lost(position, Math.min(heard, time)) });
  } else if (presence === "online") {
    const heard = Math.min(wholeOf(event.data["last_heard"]) ?? time, time);
    changes.push({ kind: "host", host, entry: { position, op: "back", time: heard, actor: null, cause: null } });
  }
  return changes;
}

function lost(position: Position, time: Millis): Entry {
  return { position, op: "lost", time, actor: null, cause: null };
}

function wholeOf(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value.slice(0, 1024) : null;
}
