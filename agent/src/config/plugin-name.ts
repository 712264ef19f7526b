/** Watchers that run plugins are named as their sections are (reference §1.3). Pure. */

export const PLUGIN_PREFIX = "plugin:";

export function isPlugin(watcher: string): boolean {
  return watcher.startsWith(PLUGIN_PREFIX);
}
