/**
 * `[plugin:NAME]` → the watcher `plugin:NAME` that runs it (reference §9.1): a built-in one by our own program, any
 * other class by Circus's launch line. Pure.
 */
import { nearest, quoteWord } from "@circus-cluster/proto";
import { BUILTIN_CLASSES, type BuiltinId, builtinOf, readBuiltin } from "../plugins/catalog.ts";
import { encodeOptions, type RawOptions } from "../plugins/options.ts";
import { findKey } from "./keys.ts";
import type { SectionReader } from "./reader.ts";
import { absolute, resolveWatcher, type WatcherScope } from "./resolve-watcher.ts";
import type { MergedEntry, MergedSection } from "./sections.ts";
import { printable, quote } from "./text.ts";
import type { CircusSection, WatcherConfig } from "./types.ts";
import { parseBool } from "./values.ts";
import { type Lookup, substitute } from "./variables.ts";

export interface PluginScope extends WatcherScope {
  readonly circus: CircusSection;
  /** What runs a built-in plugin: program and first arguments. */
  readonly program: readonly string[];
  readonly lookup: Lookup;
}

/** Of the plugin's section, neither the plugin's options nor its watcher's. */
const OWN_KEYS = ["use", "python"];
/** Of a watcher, but settled for one that runs a plugin. */
const SETTLED_KEYS = ["name", "cmd", "args", "shell", "shell_args", "executable"];

/**
 * @param own reads the section itself
 * @param watcherReader of a section made here, for the keys of a watcher
 * @returns null where it cannot be run, and a diagnostic says why
 */
export function resolvePlugin(
  own: SectionReader,
  watcherReader: (section: MergedSection) => SectionReader,
  scope: PluginScope,
): WatcherConfig | null {
  const { section } = own;
  const use = own.optional("use")?.trim() ?? "";
  if (use === "") {
    own.sectionError("has no 'use', the class name of the plugin");
    return null;
  }
  if (!/^[\p{L}_][\p{L}\p{N}_]*(?:[.:][\p{L}_][\p{L}\p{N}_]*)+$/u.test(use)) {
    own.error("use", `${quote(use)} is no class name such as ${BUILTIN_CLASSES[0] ?? ""}`);
    return null;
  }
  checkEndpoints(own, scope.circus);
  const python = pythonOf(own, scope);
  const builtin = python === null ? builtinOf(use) : null;
  if (python === null && builtin === null) warnOfNear(own, use);
  const options = new Map([...ownEntries(section)].map(({ key, value }) => [key, substitute(value, scope.lookup)]));
  const keys = builtin === null ? null : checkBuiltin(own, builtin, options);
  const line = launchLine(own, { use, builtin, python: python ?? "python3", options, keys }, scope);
  const isOff = parseBool(options.get("active") ?? "true") === false;
  const watcher = resolveWatcher(
    watcherReader(watcherSection(section, { line, isOff, keys, debug: scope.circus.debug })),
    section.name,
    scope,
  );
  const extra = { ...watcher.extra, use, ...Object.fromEntries(pluginOnly(options)) };
  return { ...watcher, extra: Object.fromEntries(Object.entries(extra).sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/** What the section itself says; `[DEFAULT]` is for watchers, and does not leak into plugins (reference D3). */
function ownEntries({ entries }: MergedSection): readonly MergedEntry[] {
  return [...entries.values()].filter(({ key, isDefault }) => !isDefault && !OWN_KEYS.includes(key));
}

/** Those that no watcher has. */
function pluginOnly(options: RawOptions): readonly (readonly [string, string])[] {
  return [...options].filter(([key]) => findKey("watcher", key) === null);
}

/** It is told where to connect, so that has to be known beforehand. */
function checkEndpoints(own: SectionReader, circus: CircusSection): void {
  for (const [key, endpoint] of [
    ["endpoint", circus.endpoint],
    ["pubsub_endpoint", circus.pubsubEndpoint],
  ] as const) {
    if (/:[*0]$/.test(endpoint)) own.sectionError(`needs to know the port of [circus] ${key}, which is ${endpoint}`);
  }
}

/** Who names a Python, or an environment of it, wants the class that is there. */
function pythonOf(own: SectionReader, { lookup, cwd }: PluginScope): string | null {
  const python = own.optional("python");
  if (python !== null) return python;
  const virtualenv = substitute(own.section.entries.get("virtualenv")?.value ?? "", lookup);
  return virtualenv === "" ? null : `${absolute(virtualenv, cwd).replace(/\/$/, "")}/bin/python`;
}

function warnOfNear(own: SectionReader, use: string): void {
  const near = use.startsWith("circus.") ? nearest(use, BUILTIN_CLASSES) : null;
  if (near !== null)
    own.warning("use", `${quote(use)} is not built in, Python is asked for it; did you mean '${near}'?`);
}

/** @returns the keys that this plugin has options for */
function checkBuiltin(own: SectionReader, builtin: BuiltinId, options: RawOptions): ReadonlySet<string> {
  const { problems, keys } = readBuiltin(builtin, options);
  for (const { key, problem } of problems) {
    if (own.has(key)) own.error(key, problem);
    else own.sectionError(`${key}: ${problem}`);
  }
  for (const key of options.keys()) {
    if (keys.has(key) || (findKey("watcher", key) !== null && !SETTLED_KEYS.includes(key))) continue;
    const near = nearest(key, [...keys]);
    own.warning(key, `unknown to this plugin; it is ignored${near === null ? "" : `; did you mean '${near}'?`}`);
  }
  return keys;
}

interface Launch {
  readonly use: string;
  readonly builtin: BuiltinId | null;
  readonly python: string;
  readonly options: RawOptions;
  /** Of a built-in plugin: it gets its own options only. */
  readonly keys: ReadonlySet<string> | null;
}

/** The `cmd`: each word quoted, so that blanks in an option break nothing (reference D16). */
function launchLine(own: SectionReader, { use, builtin, python, options, keys }: Launch, scope: PluginScope): string {
  const passed = new Map([...options].filter(([key]) => keys === null || keys.has(key)));
  passed.set("name", own.section.name);
  const config = encodeOptions(passed);
  if (config === null) own.sectionError("has ':::' or a colon at the end of an option, which would end it there");
  const { endpoint, pubsubEndpoint, checkDelayS, debug, loglevel, logoutput } = scope.circus;
  const level = debug ? "DEBUG" : loglevel;
  const words = [
    ...(builtin === null ? [python, "-c", "from circus import plugins;plugins.main()"] : scope.program),
    ...["--endpoint", endpoint, "--pubsub", pubsubEndpoint, "--check-delay", String(checkDelayS)],
    ...["--config", config ?? ""],
    ...(level === null ? [] : ["--log-level", level]),
    ...(logoutput === null ? [] : ["--log-output", logoutput]),
    use,
  ];
  return words.map(quoteWord).join(" ");
}

interface Settled {
  readonly line: string;
  readonly isOff: boolean;
  readonly keys: ReadonlySet<string> | null;
  readonly debug: boolean;
}

/** The section as that of a watcher: its keys of a watcher, and below them what a plugin has by default. */
function watcherSection({ name, at, entries }: MergedSection, { line, isOff, keys, debug }: Settled): MergedSection {
  const isBuiltin = keys !== null;
  const chosen = new Map<string, MergedEntry>();
  for (const entry of entries.values()) {
    if (findKey("watcher", entry.key) === null || SETTLED_KEYS.includes(entry.key)) continue;
    // Flapping's `max_retry` is Flapping's own.
    if (keys?.has(entry.key) !== true) chosen.set(entry.key, entry);
  }
  const settle = (key: string, value: string): void => {
    chosen.set(key, { key, value, at, isDefault: true });
  };
  const fallback = (key: string, value: string): void => {
    if (!chosen.has(key)) settle(key, value);
  };
  const isPiped = (stream: string): boolean => [...chosen.keys()].some((key) => key.startsWith(`${stream}_stream`));
  fallback("priority", "1");
  fallback("singleton", "true");
  fallback("copy_env", "true");
  fallback("copy_path", chosen.get("copy_env")?.value ?? "true");
  fallback("close_child_stdout", String(!debug && !isPiped("stdout")));
  // Ours is silent there but for why it ends, which somebody should see.
  fallback("close_child_stderr", String(!debug && !isPiped("stderr") && !isBuiltin));
  if (isOff) for (const key of ["autostart", "respawn"]) settle(key, "false");
  settle("cmd", line);
  return { name, at, entries: chosen };
}

/** Circus's own plugins cut a name off at its first dot (reference D4). */
export function checkPluginNames(
  plugins: readonly { readonly reader: SectionReader; readonly watcher: WatcherConfig }[],
  watchers: readonly WatcherConfig[],
): void {
  const dotted = watchers.find(({ name }) => name.includes("."));
  if (dotted === undefined) return;
  for (const { reader, watcher } of plugins) {
    if (!/-c 'from circus import plugins/.test(watcher.cmd)) continue;
    const name = quote(printable(dotted.name));
    reader.warning("use", `a plugin in Python does not understand events of ${name}: there is a dot in the name`);
  }
}
