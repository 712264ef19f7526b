/** Environments (reference §1.5): what variables expand to, and what a watcher's processes get. Pure. */
import type { MergedSection } from "./sections.ts";
import { globMatch } from "./text.ts";
import { envLookup, expandDollar, substitute } from "./variables.ts";

type Env = ReadonlyMap<string, string>;

export interface GlobalEnv {
  /** The daemon's own. */
  readonly os: Env;
  /** `[env]`, with `$(circus.env.X)` replaced. */
  readonly own: Env;
  /** Both, `[env]` on top. */
  readonly all: Env;
  /** `[env:PATTERNS]` in file order. */
  readonly scoped: readonly { readonly patterns: readonly string[]; readonly values: Env }[];
}

export function readEnv(
  sections: readonly MergedSection[],
  osEnv: Readonly<Record<string, string | undefined>>,
): GlobalEnv {
  const os = new Map(Object.entries(osEnv).filter((pair): pair is [string, string] => pair[1] !== undefined));
  const lookup = envLookup(os);
  const own = new Map<string, string>();
  const scoped: { patterns: string[]; values: Env }[] = [];
  for (const { name, entries } of sections) {
    if (name === "env") for (const { key, value } of entries.values()) own.set(key, substitute(value, lookup));
    if (!name.startsWith("env:")) continue;
    const patterns = name.slice("env:".length).split(",");
    const values = new Map([...entries.values()].map(({ key, value }) => [key, value]));
    scoped.push({ patterns: patterns.map((pattern) => pattern.trim()), values });
  }
  return { os, own, all: new Map([...os, ...own]), scoped };
}

/**
 * The complete environment of a watcher: the daemon's if copied, then `[env]`, then each matching `[env:…]`.
 * `$NAME` is replaced in what the configuration wrote; what is copied stays as it is, so that a password with a
 * `$` in it survives (Circus replaces there too).
 */
export function watcherEnv(name: string, env: GlobalEnv, copyEnv: boolean): Map<string, string> {
  const written = new Map(env.own);
  for (const { patterns, values } of env.scoped) {
    if (!patterns.some((pattern) => globMatch(name, pattern))) continue;
    for (const [key, value] of values) written.set(key, value);
  }
  const result = new Map(copyEnv ? env.os : []);
  for (const [key, value] of written) result.set(key.trim(), expandDollar(value, env.os).trim());
  return result;
}
