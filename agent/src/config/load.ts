/** Reads the main file and its includes (reference §1.2) and resolves them. The one part of the configuration with I/O. */
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join, resolve as resolvePath } from "node:path";
import { fileURLToPath } from "node:url";
import { fleetFileProblems } from "../fleet/credentials.ts";
import { type ParsedFile, parseFile } from "./lines.ts";
import { type ResolveContext, resolve } from "./resolve.ts";
import { globMatch, isGlob, printable } from "./text.ts";
import type { AgentConfig, Diagnostic, LoadResult, SourceRef } from "./types.ts";
import { envLookup, substitute } from "./variables.ts";

/** Larger than any configuration, small enough to hold. */
export const FILE_BYTES_MAX = 4 * 1024 * 1024;
const FILES_MAX = 10_000;

/**
 * The directory by the name that a shell has for it: with a symbolic link in it, processes that are started later
 * follow that to where it points then (D6).
 *
 * @param pwd the shell's variable PWD
 */
export function namedDirectory(cwd: string, pwd: string | undefined): string {
  if (pwd?.startsWith("/") !== true) return cwd;
  try {
    const [named, own] = [statSync(pwd), statSync(cwd)];
    return named.dev === own.dev && named.ino === own.ino ? pwd : cwd;
  } catch {
    return cwd;
  }
}

/** As it was at the start: a link that points elsewhere by now is to be followed, not given up. */
const START_DIRECTORY = namedDirectory(process.cwd(), process.env["PWD"]);

/** As `bin/circusd` starts the agent itself: a plugin makes little garbage, and need not keep much room for it. */
const SMALL_HEAP = ["--max-semi-space-size=1", "--optimize-for-size"];

/** The process's own surroundings. */
function hostContext(): ResolveContext {
  return {
    osEnv: process.env,
    cwd: START_DIRECTORY,
    shortHostName: hostname().split(".")[0] ?? "",
    pluginProgram: [
      process.execPath,
      ...SMALL_HEAP,
      fileURLToPath(new URL("../../bin/circus-plugin.js", import.meta.url)),
      `--parent=${process.pid}`,
    ],
  };
}

/**
 * Loads the configuration at `path`, relative to `ctx.cwd`. Never throws for what is in, or missing from, a file.
 *
 * @param text what the main file is to be, instead of what it is; its includes are those of the place
 */
export function loadConfig(path: string, ctx: ResolveContext = hostContext(), text: string | null = null): LoadResult {
  const file = resolvePath(ctx.cwd, path);
  const main: Content = text === null ? readFile(file) : { ok: true, text };
  if (!main.ok) {
    const message = `cannot read ${printable(path)}: ${main.reason}`;
    return { config: null, diagnostics: [{ severity: "error", at: null, message }] };
  }
  const parsed = parseFile(file, main.text);
  const diagnostics: Diagnostic[] = [];
  const includes = readIncludes(parsed, ctx, diagnostics);
  const files = [parsed, ...includes];
  const result = resolve(files, ctx);
  const missing = result.config === null ? [] : fleetFiles(result.config, files);
  return {
    config: missing.length === 0 ? result.config : null,
    diagnostics: [...diagnostics, ...result.diagnostics, ...missing],
  };
}

/** The files that `[fleet]` names: a host that cannot join its fleet should not find out later. */
function fleetFiles({ fleet }: AgentConfig, files: readonly ParsedFile[]): readonly Diagnostic[] {
  if (fleet === null) return [];
  const entries = files.flatMap((file) => file.sections.find(({ name }) => name === "fleet")?.entries ?? []);
  return fleetFileProblems(fleet).map(({ key, problem }) => ({
    severity: "error",
    at: entries.find((entry) => entry.key === key)?.at ?? null,
    message: problem,
  }));
}

function readIncludes(main: ParsedFile, ctx: ResolveContext, diagnostics: Diagnostic[]): ParsedFile[] {
  const seen = new Set([main.file]);
  const files: ParsedFile[] = [];
  const warn = (at: SourceRef, message: string): void => {
    diagnostics.push({ severity: "warning", at, message });
  };
  for (const { pattern, at, shown } of includePatterns(main, ctx)) {
    const matches = expandGlob(pattern);
    if (matches.length === 0)
      warn(at, `include: ${printable(shown)} matches no file (relative to ${dirname(main.file)})`);
    for (const path of matches) {
      if (seen.has(path) || seen.size >= FILES_MAX) continue;
      seen.add(path);
      const content = readFile(path);
      if (!content.ok) {
        warn(at, `include: cannot read ${printable(path)}: ${content.reason}; it is skipped`);
        continue;
      }
      const parsed = parseFile(path, content.text);
      for (const entry of parsed.sections.find(({ name }) => name === "circus")?.entries ?? []) {
        if (/^include(?:_dir)?$/.test(entry.key)) warn(entry.at, `${entry.key}: only the main file's has an effect`);
      }
      files.push(parsed);
    }
  }
  return files;
}

interface Pattern {
  readonly pattern: string;
  readonly at: SourceRef;
  readonly shown: string;
}

/** All of `include`, then all of `include_dir`; variables from the daemon's own environment only. */
function includePatterns(main: ParsedFile, ctx: ResolveContext): Pattern[] {
  const osEnv = Object.entries(ctx.osEnv).map(([name, value]): [string, string] => [name, value ?? ""]);
  const lookup = envLookup(new Map(osEnv));
  const own = ["circus", "DEFAULT"].flatMap((title) => main.sections.find(({ name }) => name === title) ?? []);
  return ["include", "include_dir"].flatMap((key) => {
    const entry = own.flatMap(({ entries }) => entries).find((candidate) => candidate.key === key);
    if (entry === undefined) return [];
    const items = substitute(entry.value, lookup)
      .split(/\s+/)
      .filter((item) => item !== "");
    return items.map((item) => {
      const shown = key === "include" ? item : join(item, "*.ini");
      return { pattern: resolvePath(dirname(main.file), shown), at: entry.at, shown };
    });
  });
}

/** Existing paths, sorted. A leading dot is matched only by a dot, as in a shell. */
function expandGlob(path: string): string[] {
  if (!isGlob(path)) return exists(path) ? [path] : [];
  const parent = dirname(path);
  const pattern = basename(path);
  const directories = expandGlob(parent);
  if (!isGlob(pattern)) return directories.map((directory) => join(directory, pattern)).filter(exists);
  return directories
    .flatMap((directory) =>
      entriesOf(directory)
        .filter((name) => (pattern.startsWith(".") || !name.startsWith(".")) && globMatch(name, pattern))
        .map((name) => join(directory, name)),
    )
    .sort();
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // a file, or not ours to read: it matches nothing
  }
}

function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

type Content = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string };

/** At most {@link FILE_BYTES_MAX} bytes, so that `/dev/zero` ends too. */
function readFile(path: string): Content {
  try {
    const descriptor = openSync(path, "r");
    try {
      const chunks: Buffer[] = [];
      let sizeBytes = 0;
      for (;;) {
        const chunk = Buffer.allocUnsafe(65_536);
        const count = readSync(descriptor, chunk);
        if (count === 0) break;
        chunks.push(chunk.subarray(0, count));
        sizeBytes += count;
        if (sizeBytes > FILE_BYTES_MAX) return { ok: false, reason: `more than ${FILE_BYTES_MAX} bytes` };
      }
      return {
        ok: true,
        text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks)),
      };
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    return { ok: false, reason: reasonOf(error) };
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
      return "no such file";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "EISDIR":
      return "it is a directory";
    case "ENOTDIR":
      return "a part of the path is no directory";
    case "ELOOP":
      return "too many symbolic links";
    case "ERR_ENCODING_INVALID_ENCODED_DATA":
      return "it is not UTF-8 text";
    default:
      return message;
  }
}
