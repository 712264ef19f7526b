/** `hooks.*` of a watcher (reference §2.10): what is called at which moment, and how. Pure. */
import { type Millis, nearest } from "@circus-cluster/proto";
import type { SectionReader } from "./reader.ts";
import { printable, quote } from "./text.ts";
import { parseBool } from "./values.ts";

export const HOOK_NAMES = [
  "before_start",
  "after_start",
  "before_spawn",
  "after_spawn",
  "before_stop",
  "after_stop",
  "before_signal",
  "after_signal",
  "before_reap",
  "after_reap",
  "extended_stats",
  "before_drain",
  "after_undrain",
] as const;
export type HookName = (typeof HOOK_NAMES)[number];

/** Not in Circus: called by the verbs `drain` and `undrain` alone, not in the life of a watcher. */
export type DrainHook = Extract<HookName, "before_drain" | "after_undrain">;

/** Who is called. */
export type HookTarget =
  /** @property reference `package.module.callable` or `package.module:callable` */
  | { readonly kind: "python"; readonly reference: string }
  /** @property module a path, a `file:` address or the name of a package; @property name what it exports */
  | { readonly kind: "module"; readonly module: string; readonly name: string }
  /** @property line for `/bin/sh -c` */
  | { readonly kind: "command"; readonly line: string };

export interface HookConfig {
  readonly target: HookTarget;
  /** A failure counts as a yes. */
  readonly ignore: boolean;
  /** As it was written, for people. */
  readonly text: string;
}

export interface HooksConfig {
  readonly byName: Readonly<Partial<Record<HookName, HookConfig>>>;
  /** What one call may take. */
  readonly timeoutMs: Millis;
}

/** Hooks whose failure never stops anything, whatever the flag says. */
const ALWAYS_IGNORED: ReadonlySet<HookName> = new Set([
  "before_stop",
  "after_stop",
  "before_signal",
  "after_signal",
  "before_reap",
  "after_reap",
  "extended_stats",
]);

export const HOOK_TIMEOUT_MS = 30_000;
export const NO_HOOKS: HooksConfig = { byName: {}, timeoutMs: HOOK_TIMEOUT_MS };

export function isHookName(text: string): text is HookName {
  return (HOOK_NAMES as readonly string[]).includes(text);
}

type Parsed =
  | { readonly ok: true; readonly hook: HookConfig }
  /** One line, without the name of the hook. */
  | { readonly ok: false; readonly reason: string };

/**
 * `dotted.callable`, `module:callable`, `js: MODULE#EXPORT`, `file:…#EXPORT` or `exec: shell line`; each with
 * `, true` or `, false` at its end where failures are to be ignored or not.
 */
export function parseHook(name: HookName, text: string): Parsed {
  const comma = text.lastIndexOf(",");
  const flag = comma < 0 ? null : parseBool(text.slice(comma + 1));
  const spec = (flag === null ? text : text.slice(0, comma)).trim();
  const target = parseTarget(spec);
  if (typeof target === "string") return { ok: false, reason: target };
  return { ok: true, hook: { target, ignore: flag === true || ALWAYS_IGNORED.has(name), text: spec } };
}

function parseTarget(spec: string): HookTarget | string {
  const [, kind, rest = ""] = /^(exec|js|file):(.*)$/s.exec(spec) ?? [];
  if (kind === "exec") {
    const line = rest.trim();
    return line === "" ? "'exec:' needs a shell line" : { kind: "command", line };
  }
  if (kind !== undefined) {
    const address = kind === "file" ? spec : rest.trim();
    const hash = address.lastIndexOf("#");
    const module = hash < 0 ? address : address.slice(0, hash);
    if (module === "" || module === "file:") return `'${kind}:' needs a module: js: ./hooks.mjs#drain`;
    return { kind: "module", module, name: hash < 0 ? "default" : address.slice(hash + 1) };
  }
  // Letters of any language may stand in a name of Python.
  if (/^[\p{L}_][\p{L}\p{N}_]*(?:\.[\p{L}_][\p{L}\p{N}_]*)*[.:][\p{L}_][\p{L}\p{N}_.]*$/u.test(spec)) {
    return { kind: "python", reference: spec };
  }
  const shown = quote(spec);
  return `${shown} is no hook: write package.module.callable, js: MODULE#EXPORT or exec: SHELL LINE`;
}

const PREFIX = "hooks.";

export function resolveHooks(reader: SectionReader): HooksConfig {
  const byName: Partial<Record<HookName, HookConfig>> = {};
  for (const key of reader.section.entries.keys()) {
    if (!key.startsWith(PREFIX) || key === "hooks.timeout") continue;
    const name = key.slice(PREFIX.length);
    if (!isHookName(name)) {
      // Circus takes it too, and never calls it.
      const near = nearest(name, HOOK_NAMES);
      reader.warning(key, `no such hook, it is never called${near === null ? "" : `; did you mean 'hooks.${near}'?`}`);
      continue;
    }
    const parsed = parseHook(name, reader.raw(key));
    if (parsed.ok) byName[name] = parsed.hook;
    else reader.error(key, printable(parsed.reason));
  }
  return { byName, timeoutMs: reader.duration("hooks.timeout") };
}

type Applied =
  | { readonly ok: true; readonly hooks: HooksConfig }
  /** In the reference's words (§5.6, "set"). */
  | { readonly ok: false; readonly reason: string };

/**
 * What `set` and `add` bring: a value of `hooks` (an object by name, whose values are `"callable[, ignore]"` or
 * `[callable, ignore]`) or of `hooks.NAME` (a text). An empty text takes the hook away.
 */
export function changeHooks(hooks: HooksConfig, key: string, value: unknown): Applied {
  if (key !== "hooks") return changeHook(hooks, key.slice(PREFIX.length), value, key);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { ok: false, reason: "'hooks' isn't a valid object" };
  }
  let next: Applied = { ok: true, hooks };
  for (const [name, entry] of Object.entries(value)) {
    if (!next.ok) return next;
    if (!isHookName(name)) return { ok: false, reason: `Unknown hook ${JSON.stringify(value)}` };
    next = changeHook(next.hooks, name, entry, "hooks");
  }
  return next;
}

function changeHook(hooks: HooksConfig, name: string, value: unknown, key: string): Applied {
  if (!isHookName(name)) return { ok: false, reason: `Unknown hook '${name}'` };
  const text = textOf(value);
  if (text === null) return { ok: false, reason: `'${key}' isn't a valid object` };
  const { [name]: _before, ...others } = hooks.byName;
  if (text.trim() === "") return { ok: true, hooks: { ...hooks, byName: others } };
  const parsed = parseHook(name, text);
  if (!parsed.ok) return { ok: false, reason: `hooks.${name}: ${parsed.reason}` };
  return { ok: true, hooks: { ...hooks, byName: { ...others, [name]: parsed.hook } } };
}

function textOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return null;
  const [spec, ignore] = value as readonly unknown[];
  if (typeof spec !== "string" || (ignore !== undefined && typeof ignore !== "boolean")) return null;
  return ignore === undefined ? spec : `${spec},${ignore}`;
}
