/** What one event of the stream means to somebody on call. Pure. */
import { type Millis, parseHostName } from "@circus-cluster/proto";
import { FLEET, type StoredEvent } from "../ingest/decode.ts";
import type { Condition } from "./rules.ts";

export interface Sighting {
  /** By rising generality: a rule that wants several of them is told under the first. */
  readonly conditions: readonly Condition[];
  /**
   * `begins` and `ends` a condition that lasts; `happens`: it does not last; `counts`: it is told once enough of them
   * have come.
   */
  readonly is: "begins" | "ends" | "happens" | "counts";
  /** Null: of the whole fleet. */
  readonly host: string | null;
  readonly watcher: string | null;
  /** When the stream took it: one clock for all hosts. */
  readonly time: Millis;
  /** One line. */
  readonly text: string;
  /** Names the event for ever. */
  readonly origin: string;
}

/** Fits into a chat's line. */
const REASON_MAX = 300;

export function sightingsOf({ host, event, stored }: StoredEvent): Sighting | null {
  const { kind, watcher, data } = event;
  const base = { watcher, time: stored, origin: `${host}.${event.epoch}.${event.seq}` };
  const because = data["reason"];
  const reason = typeof because === "string" && because !== "" ? `: ${because.slice(0, REASON_MAX)}` : "";
  if (host === FLEET) return ofFleet(kind, data, reason, base);
  const on = { ...base, host };
  if (watcher !== null) {
    const who = `watcher ${watcher} on ${host}`;
    switch (kind) {
      case "watcher_failed":
        return { ...on, conditions: ["watcher_failed"], is: "begins", text: `${who} failed${reason}` };
      case "watcher_started":
        return { ...on, conditions: ["watcher_failed"], is: "ends", text: `${who} runs again` };
      case "watcher_stopped":
        return { ...on, conditions: ["watcher_failed"], is: "ends", text: `${who} was stopped` };
      case "watcher_removed":
        return { ...on, conditions: ["watcher_failed"], is: "ends", text: `${who} was removed` };
      case "process_exited":
        if (data["expected"] !== false) return null;
        return { ...on, conditions: ["watcher_flapping"], is: "counts", text: `${who} flaps` };
      default:
        return null;
    }
  }
  if (kind === "host_conflict") {
    const text = `another circusd claims to be host ${host}${reason}`;
    return { ...on, conditions: ["host_conflict"], is: "happens", text };
  }
  if (kind !== "outbox_truncated") return null;
  const text = `host ${host} had to drop events that NATS did not take in time; its history has a gap`;
  return { ...on, conditions: ["events_lost"], is: "happens", text };
}

function ofFleet(
  kind: string,
  data: Readonly<Record<string, unknown>>,
  reason: string,
  base: Pick<Sighting, "watcher" | "time" | "origin">,
): Sighting | null {
  const host = parseHostName(data["host"]);
  if (host !== null && (kind === "host_lost" || kind === "host_online" || kind === "host_left")) {
    const isBegin = kind === "host_lost";
    const words = { host_lost: "is lost", host_online: "is back", host_left: "has left the fleet" }[kind];
    const is = isBegin ? "begins" : "ends";
    return { ...base, conditions: ["host_lost"], host, is, text: `host ${host} ${words}` };
  }
  if (kind !== "rollout_ended") return null;
  const { rollout, state } = data;
  if (typeof rollout !== "string" || typeof state !== "string") return null;
  const of = base.watcher === null ? "" : ` of ${base.watcher}`;
  const text = `rollout ${rollout}${of} ended: ${state}${reason === "" ? "" : ` (${reason.slice(2)})`}`;
  const conditions: readonly Condition[] = state === "failed" ? ["rollout_failed", "rollout_ended"] : ["rollout_ended"];
  return { ...base, conditions, host: null, is: "happens", text };
}
