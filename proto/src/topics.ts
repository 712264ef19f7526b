/** Topics of the event feed: `watcher.<res_name>.<event>` (reference §6). */

/** What stands for a watcher in topics: its lower-case name with `_` for blanks. */
export function resourceName(watcher: string): string {
  return watcher.toLowerCase().replaceAll(" ", "_");
}

export function eventTopic(watcher: string, event: string): string {
  return `watcher.${resourceName(watcher)}.${event}`;
}

/**
 * A topic's parts; null for what is no event of a watcher. An event has no dot in its name, a watcher may
 * (Circus's own plugins cut such a name off at the first, D4).
 */
export function parseEventTopic(topic: string): { readonly watcher: string; readonly event: string } | null {
  const [, watcher, event] = /^watcher\.(.+)\.([^.]+)$/s.exec(topic) ?? [];
  return watcher === undefined || event === undefined ? null : { watcher, event };
}
