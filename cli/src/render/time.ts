/** Points in time for people: local, with how long ago. Pure: `now` comes in. */
import { formatDuration, parseInstant } from "@circus-cluster/proto";

function two(n: number): string {
  return String(n).padStart(2, "0");
}

/** `2026-01-31 14:05:09`, local time. */
export function localTime(wallMs: number): string {
  const at = new Date(wallMs);
  if (Number.isNaN(at.getTime())) return "?";
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** `3m20s ago`, `in 5s`, `now` within a second. */
export function relative(wallMs: number, nowMs: number): string {
  const ms = nowMs - wallMs;
  if (Math.abs(ms) < 1000) return "now";
  return ms > 0 ? `${formatDuration(ms)} ago` : `in ${formatDuration(-ms)}`;
}

/** `2026-01-31 14:05:09 (3m20s ago)` */
export function timeAndAge(wallMs: number, nowMs: number): string {
  return `${localTime(wallMs)} (${relative(wallMs, nowMs)})`;
}

/**
 * What `parseInstant` reads, and a time of day such as `14:30`: the latest one that is not in the future.
 *
 * @returns wall ms, or null.
 */
export function readInstant(text: string, nowMs: number): number | null {
  const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text.trim());
  if (clock === null) return parseInstant(text, nowMs);
  const [hours, minutes, seconds] = [Number(clock[1]), Number(clock[2]), Number(clock[3] ?? 0)];
  if (hours > 23 || minutes > 59 || seconds > 59) return null;
  const at = new Date(nowMs);
  at.setHours(hours, minutes, seconds, 0);
  if (at.getTime() > nowMs) at.setDate(at.getDate() - 1);
  return at.getTime();
}
