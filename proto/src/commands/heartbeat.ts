/** What a controller asks an agent's door in the fleet, and nobody types: it is in no table. */
import type { CommandSpec } from "./spec.ts";

/** Between two heartbeats, without jitter: bounds of what may be asked, and what is where nobody asked. */
export const HEARTBEAT_MS = { least: 1000, usual: 5000, most: 60_000 } as const;

/** Beat so often from now on; an agent before this refuses it as unknown, and beats as it did. */
export const HEARTBEAT: CommandSpec = {
  name: "heartbeat",
  summary: "The time between two heartbeats",
  access: "read", // it changes nothing that is watched
  queue: "none",
  properties: { interval: { type: "integer", required: true, doc: "Ms, without jitter" } },
  cli: null,
  doors: ["nats"],
  isBroadcast: false,
};
