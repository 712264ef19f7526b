/** Which sockets are a watcher's own. Pure. */
import { socketNames } from "./variables.ts";

interface CommandTexts {
  readonly cmd: string;
  readonly args: string | readonly string[];
  readonly useSockets: boolean;
  /** Lower-case name. */
  readonly stdinSocket: string | null;
}

/**
 * Those that its command line or `stdin_socket` name; one that names none but inherits sockets has them all.
 *
 * @param all lower-case names of the configured sockets
 * @returns some of `all`
 */
export function ownSocketNames(
  { cmd, args, useSockets, stdinSocket }: CommandTexts,
  all: readonly string[],
): readonly string[] {
  const texts = typeof args === "string" ? [cmd, args] : [cmd, ...args];
  const inherited = useSockets ? texts.flatMap(socketNames) : [];
  const named = new Set([...inherited, ...(stdinSocket === null ? [] : [stdinSocket])]);
  const own = all.filter((name) => named.has(name));
  return own.length === 0 && named.size === 0 && useSockets ? all : own;
}
