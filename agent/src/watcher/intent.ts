/** The wish of a person that a watcher rest, in words. */
import type { Intent } from "./state.ts";

/** `stopped by anna on 2026-01-31 12:00:00Z (command c1): too many orders`. */
export function intentText({ actor, at, command, why }: Intent): string {
  const time = new Date(at)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
  // A local command has a number only so that its own events hang together.
  const by = command === null || command.startsWith("local/") ? "" : ` (command ${command})`;
  return `stopped by ${actor} on ${time}${by}${why === null ? "" : `: ${why}`}`;
}
