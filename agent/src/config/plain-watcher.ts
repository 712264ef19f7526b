/** A watcher that no file describes. Pure. */

import { SectionReader } from "./reader.ts";
import { resolveWatcher } from "./resolve-watcher.ts";
import type { WatcherConfig } from "./types.ts";

/**
 * The configuration of a watcher that was given a name and a command only: every key has its default, its
 * environment is empty, and the command is taken literally.
 *
 * @param name valid already; see {@link nameProblem}
 * @param cwd its working directory
 */
export function plainWatcher(name: string, cmd: string, cwd: string): WatcherConfig {
  const at = { file: "", line: 0 };
  const section = { name: `watcher:${name}`, at, entries: new Map() };
  const reader = new SectionReader("watcher", section, () => undefined, []);
  const none = new Map<string, string>();
  const env = { os: none, own: none, all: none, scoped: [] };
  const scope = { env, sockets: new Set<string>(), reuseport: new Set<string>(), cwd };
  return { ...resolveWatcher(reader, name, scope), at: null, cmd };
}
