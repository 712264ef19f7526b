/** `$(circus.PATH)` and `$NAME` (reference §1.5). One pass each: what was inserted is not looked at again. Pure. */

/** What a path without its `circus.` stands for; undefined: unknown, the text stays. */
export type Lookup = (path: string) => string | undefined;

const VARIABLE = /\$\(circus\.([A-Za-z0-9_.-]+)\)|\(\(circus\.([A-Za-z0-9_.-]+)\)\)/gi;

/** Replaces every known `$(circus.PATH)` and `((circus.PATH))`. */
export function substitute(text: string, lookup: Lookup): string {
  return text.replace(VARIABLE, (whole: string, a?: string, b?: string) => lookup(a ?? b ?? "") ?? whole);
}

/** The paths a text names, lower case, without `circus.`. */
export function variablePaths(text: string): readonly string[] {
  return [...text.matchAll(VARIABLE)].map((match) => (match[1] ?? match[2] ?? "").toLowerCase());
}

/** The sockets a text names, lower case: `$(circus.sockets.Web)` → `web`. */
export function socketNames(text: string): readonly string[] {
  return variablePaths(text)
    .filter((path) => path.startsWith("sockets."))
    .map((path) => path.slice("sockets.".length));
}

/** `env.X` from an environment: the variable of just that name, else one that differs in case only. */
export function envLookup(env: ReadonlyMap<string, string>): Lookup {
  let lower: Map<string, string> | null = null;
  return (path) => {
    if (!path.toLowerCase().startsWith("env.")) return undefined;
    const name = path.slice("env.".length);
    lower ??= new Map([...env].map(([key, value]) => [key.toLowerCase(), value]));
    return env.get(name) ?? lower.get(name.toLowerCase());
  };
}

/** `$NAME`, upper-case names only; an undefined one gives the empty text. */
export function expandDollar(text: string, osEnv: ReadonlyMap<string, string>): string {
  return text.replace(/\$([A-Z][A-Z0-9_]*)/g, (_, name: string) => osEnv.get(name) ?? "");
}
