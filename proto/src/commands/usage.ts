/** What the watchers of a host are at and use, in one small answer: what a screen over many hosts asks again and again. */
import { WATCHER_STATES, type WatcherState } from "../events.ts";
import { type Schema, v } from "../schema.ts";
import type { Millis } from "../time.ts";
import type { CommandSpec } from "./spec.ts";

export interface WatcherUsage {
  readonly name: string;
  readonly state: WatcherState;
  /** Wall ms since which it holds. */
  readonly since: Millis;
  /** Why it is so, where that needs a word. */
  readonly reason: string | null;
  /** Wanted. */
  readonly numprocesses: number;
  readonly running: number;
  readonly healthy: number;
  /** Unasked, since the agent's start. */
  readonly restarts: number;
  /** Of its processes and their children, ever: two looks make a rate. Seconds. */
  readonly cpu_s: number;
  readonly rss_bytes: number;
}

export interface HostUsage {
  /** When it was measured, by a clock of the agent's that never jumps. */
  readonly at: Millis;
  readonly watchers: readonly WatcherUsage[];
}

export const USAGE: CommandSpec = {
  name: "usage",
  summary: "What each watcher is at, and the CPU time and memory of its processes",
  access: "read",
  queue: "none",
  properties: {},
  cli: null,
  doors: ["zmq", "nats"],
  isBroadcast: true,
};

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const amount = v.pipe(v.number(), v.minValue(0));

export const hostUsage: Schema<HostUsage> = v.looseObject({
  at: amount,
  watchers: v.array(
    v.looseObject({
      name: v.pipe(v.string(), v.minLength(1), v.maxLength(128)),
      state: v.picklist(WATCHER_STATES),
      since: whole,
      reason: v.nullable(v.pipe(v.string(), v.maxLength(1024))),
      numprocesses: whole,
      running: whole,
      healthy: whole,
      restarts: whole,
      cpu_s: amount,
      rss_bytes: amount,
    }),
  ),
});
