/** Which watchers a name means (reference §5.5). */
import { runInNewContext } from "node:vm";
import { CircusError, resourceName } from "@circus-cluster/proto";
import { globMatch } from "../config/text.ts";
import type { WatcherControl } from "../watcher/api.ts";

/** A pattern that takes longer than this is refused: it must not hold up the agent. */
const REGEX_MS_MAX = 50;

/**
 * The one watcher of that name, in any case; else the only one that events call so (`my_app` for `my app`), since
 * plugins know no other name (D4).
 *
 * @throws CircusError `not-found`: `program NAME not found`.
 */
export function findWatcher(watchers: readonly WatcherControl[], name: string): WatcherControl {
  const wanted = name.toLowerCase();
  const found = watchers.find((watcher) => watcher.config.name.toLowerCase() === wanted);
  if (found !== undefined) return found;
  const [called, ...more] = watchers.filter((watcher) => resourceName(watcher.config.name) === wanted);
  if (called === undefined || more.length > 0) throw notFound(name);
  return called;
}

/**
 * The watchers that a pattern means; at least one.
 *
 * @throws CircusError `not-found` where none does, `message` for a method or a pattern that cannot be.
 */
export function matchWatchers(
  watchers: readonly WatcherControl[],
  pattern: string,
  method: string,
): readonly WatcherControl[] {
  if (method === "simple") return [findWatcher(watchers, pattern)];
  const lower = pattern.toLowerCase();
  const names = watchers.map((watcher) => watcher.config.name.toLowerCase());
  let isMatch: readonly boolean[];
  if (method === "glob") isMatch = names.map((name) => globMatch(name, lower));
  else if (method === "regex") isMatch = regexMatches(names, lower);
  else throw new CircusError("message", `unknown match method ${method}`);
  const found = watchers.filter((_, i) => isMatch[i]);
  return found.length > 0 ? found : [findWatcher(watchers, pattern)];
}

function notFound(name: string): CircusError {
  return new CircusError("not-found", `program ${name} not found`);
}

/** Anchored at the start only, as Python's `re.match`; in a context of its own, because that alone can be interrupted. */
function regexMatches(names: readonly string[], pattern: string): readonly boolean[] {
  const source = `^(?:${pattern.replaceAll("(?p<", "(?<")})`;
  try {
    const result: unknown = runInNewContext(
      "const re = new RegExp(source); JSON.stringify(JSON.parse(names).map((name) => re.test(name)))",
      { source, names: JSON.stringify(names) },
      { timeout: REGEX_MS_MAX },
    );
    return JSON.parse(String(result)) as boolean[];
  } catch (error) {
    const isSlow = (error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
    const why = isSlow ? "takes too long to match" : "is no regular expression";
    throw new CircusError("message", `pattern '${pattern}' ${why}`, { cause: error });
  }
}
