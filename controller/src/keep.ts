/** How long to keep events, as it is written. Pure. */
import { type Millis, parseDuration } from "@circus-cluster/proto";

const DAY_MS = 86_400_000;
export const KEEP_DEFAULT_MS: Millis = 30 * DAY_MS;

/** Undefined where the text is no time, or less than the day that is dropped at once. */
export function parseKeep(text: string): Millis | undefined {
  const ms = parseDuration(text);
  return ms === null || ms < DAY_MS ? undefined : ms;
}
