/**
 * Parsed files → the agent's configuration, or everything that is wrong with it at once. Pure: environment, working
 * directory and host name come in. A configuration comes out only when no diagnostic is an error.
 */
import { nearest } from "@circus-cluster/proto";
import { readEnv } from "./environment.ts";
import { findKey, type SectionKind } from "./keys.ts";
import { checkDependencies } from "./lifecycle.ts";
import type { Entry, ParsedFile } from "./lines.ts";
import { isPlugin, PLUGIN_PREFIX } from "./plugin-name.ts";
import { SectionReader } from "./reader.ts";
import { resolveCircus } from "./resolve-circus.ts";
import { resolveFleet } from "./resolve-fleet.ts";
import { checkPluginNames, resolvePlugin } from "./resolve-plugin.ts";
import { checkSockets, type LocatedSocket, resolveSocket } from "./resolve-socket.ts";
import { checkWatcherNames, resolveWatcher } from "./resolve-watcher.ts";
import { type MergedSection, mergeFiles } from "./sections.ts";
import { printable, quote } from "./text.ts";
import type { Diagnostic, FleetConfig, LoadResult, WatcherConfig } from "./types.ts";
import { envLookup } from "./variables.ts";

export interface ResolveContext {
  readonly osEnv: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly shortHostName: string;
  /** What runs a built-in plugin: program and first arguments. @default one in PATH */
  readonly pluginProgram?: readonly string[];
}

const KINDS: readonly SectionKind[] = ["circus", "watcher", "socket", "fleet"];
const TITLES = ["circus", "fleet", "env"];
const PREFIXES = ["watcher:", "socket:", PLUGIN_PREFIX, "env:"];

/** @param files the main file, then its includes; an earlier definition beats a later one. */
export function resolve(files: readonly ParsedFile[], ctx: ResolveContext): LoadResult {
  const diagnostics: Diagnostic[] = [];
  const { sections, defaults } = mergeFiles(files, diagnostics);
  const main = files[0]?.file ?? "";
  const env = readEnv(sections, ctx.osEnv);
  const lookup = envLookup(env.all);
  const read = (kind: SectionKind, section: MergedSection): SectionReader =>
    new SectionReader(kind, section, lookup, diagnostics);

  let circusSection: MergedSection = { name: "circus", at: { file: main, line: 1 }, entries: new Map() };
  let fleet: FleetConfig | null = null;
  const watcherSections: MergedSection[] = [];
  const pluginSections: MergedSection[] = [];
  const sockets: LocatedSocket[] = [];
  for (const section of sections) {
    const { name } = section;
    if (name === "circus") circusSection = section;
    else if (name === "fleet") fleet = resolveFleet(read("fleet", section), ctx.shortHostName);
    else if (name.startsWith("watcher:")) watcherSections.push(section);
    else if (name.startsWith("socket:")) {
      sockets.push(resolveSocket(read("socket", section), name.slice(name.lastIndexOf("socket:") + 7).toLowerCase()));
    } else if (isPlugin(name)) pluginSections.push(section);
    else if (name !== "env" && !name.startsWith("env:")) diagnostics.push(unknownSection(section));
  }
  const circus = resolveCircus(read("circus", circusSection));
  checkSockets(sockets, diagnostics);
  const names = (which: readonly LocatedSocket[]) => new Set(which.map(({ name }) => name));
  const reuseport = names(sockets.filter((socket) => socket.soReuseport && socket.family !== "AF_UNIX"));
  const scope = { env, sockets: names(sockets), reuseport, cwd: ctx.cwd };
  const written = watcherSections.map((section) =>
    resolveWatcher(read("watcher", section), section.name.slice("watcher:".length), scope),
  );
  const plugins = pluginSections.flatMap((section) => {
    const reader = read("plugin", section);
    const own = { ...scope, circus, lookup, program: ctx.pluginProgram ?? ["circus-plugin"] };
    const watcher = resolvePlugin(reader, (made) => read("watcher", made), own);
    return watcher === null ? [] : [{ reader, watcher }];
  });
  checkPluginNames(plugins, written);
  written.push(...plugins.map(({ watcher }) => watcher));
  checkWatcherNames(written, diagnostics);
  const watchers = checkDependencies(written, diagnostics);
  checkDefaults(defaults, diagnostics);
  if (watchers.length === 0) {
    diagnostics.push({
      severity: "warning",
      at: { file: main, line: 1 },
      message: "no [watcher:NAME] section: nothing will run",
    });
  }
  const all = distinct(diagnostics);
  if (all.some(({ severity }) => severity === "error")) return { config: null, diagnostics: all };
  const config = { path: main, circus, watchers: byName(watchers), sockets: byName(sockets), fleet };
  return { config, diagnostics: all };
}

/** Byte order, as Circus sorts; file order means nothing. */
function byName<T extends LocatedSocket | WatcherConfig>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function unknownSection({ name, at }: MergedSection): Diagnostic {
  const prefix = PREFIXES.find((known) => nearest(name.split(/[:\s]/)[0] ?? "", [known.slice(0, -1)]) !== null);
  const rest = /[:\s](.*)$/s.exec(name)?.[1]?.trim() ?? "";
  const near = rest !== "" && prefix !== undefined ? prefix + rest : nearest(name, TITLES);
  const hint = near === null ? "" : `; did you mean [${printable(near)}]?`;
  const shown = quote(`[${name}]`).slice(1, -1);
  return { severity: "warning", at, message: `unknown section ${shown} is ignored${hint}` };
}

/** A key of `[DEFAULT]` reaches sections that do not know it; only one that no section knows is a mistake. */
function checkDefaults(defaults: readonly Entry[], diagnostics: Diagnostic[]): void {
  for (const { key, at } of defaults) {
    if (KINDS.some((kind) => findKey(kind, key) !== null)) continue;
    diagnostics.push({ severity: "warning", at, message: `unknown key ${quote(key)} in [DEFAULT]` });
  }
}

/** In the order of files and lines, each once: a key of `[DEFAULT]` is read for every section. */
function distinct(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Map<string, Diagnostic>();
  const files: string[] = [];
  for (const diagnostic of diagnostics) {
    const { at, severity, message } = diagnostic;
    seen.set(`${at?.file ?? ""}\0${at?.line ?? 0}\0${severity}\0${message}`, diagnostic);
    if (at !== null && !files.includes(at.file)) files.push(at.file);
  }
  const rank = ({ at }: Diagnostic): number => (at === null ? -1 : files.indexOf(at.file));
  return [...seen.values()].sort((a, b) => rank(a) - rank(b) || (a.at?.line ?? 0) - (b.at?.line ?? 0));
}
