/**
 * How often hosts beat: slower in a large fleet, so that their beats cost a controller a few per cent of a core
 * whatever its size (design §4; a beat costs about 35 µs). Pure.
 */
import { HEARTBEAT_MS, type Millis } from "@circus-cluster/proto";

/** Of all hosts together. */
const BEATS_PER_SECOND = 1000;
const STEP_MS = 5000;
/** A host more or less does not turn a whole fleet over. */
const SLACK = 1.1;

function wanted(hosts: number): Millis {
  const ms = (hosts / BEATS_PER_SECOND) * 1000;
  return Math.min(HEARTBEAT_MS.most, Math.max(HEARTBEAT_MS.usual, Math.ceil(ms / STEP_MS) * STEP_MS));
}

/** @param current what is asked of them now */
export function paceFor(hosts: number, current: Millis): Millis {
  const ms = wanted(hosts);
  return ms >= current ? ms : Math.min(current, wanted(Math.ceil(hosts * SLACK)));
}

/** Is a host to be told? One that was set to beat faster than usual is left alone while the fleet is small. */
export function isOutOfPace(intervalMs: Millis, paceMs: Millis): boolean {
  return intervalMs > paceMs || (intervalMs < paceMs && paceMs > HEARTBEAT_MS.usual);
}
