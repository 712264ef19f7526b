/** What `circusd --check` prints. Pure, but for the path arithmetic of `node:path`. */
import { relative } from "node:path";
import { printable } from "./text.ts";
import type { AgentConfig, Diagnostic, LoadResult } from "./types.ts";

/** `file:line: message`, the file as seen from `cwd` where that is shorter. */
function formatDiagnostic({ at, message }: Diagnostic, cwd: string): string {
  const text = printable(message);
  return at === null ? text : `${printable(shortPath(at.file, cwd))}:${at.line}: ${text}`;
}

/** One line per finding; warnings are marked. */
export function formatDiagnostics(diagnostics: readonly Diagnostic[], cwd: string): readonly string[] {
  return diagnostics.map((diagnostic) => {
    const line = formatDiagnostic(diagnostic, cwd);
    return diagnostic.severity === "warning" ? `${line} (warning)` : line;
  });
}

/** The shorter of the path itself and the way to it from `cwd`. */
export function shortPath(file: string, cwd: string): string {
  const way = relative(cwd, file);
  return way !== "" && way.length < file.length ? way : file;
}

/**
 * The resolved configuration for `--check --json`. Values of environments are masked: with `copy_env` they hold
 * whatever secrets the daemon's environment has, and this output ends up in build logs.
 */
export function checkReport({ config, diagnostics }: LoadResult, cwd: string): object {
  return {
    ok: config !== null,
    diagnostics: diagnostics.map((diagnostic) => ({
      severity: diagnostic.severity,
      file: diagnostic.at?.file ?? null,
      line: diagnostic.at?.line ?? null,
      message: diagnostic.message,
      text: formatDiagnostic(diagnostic, cwd),
    })),
    config: config === null ? null : masked(config),
  };
}

const MASK = "***";

function masked(config: AgentConfig): AgentConfig {
  const watchers = config.watchers.map((watcher) => ({
    ...watcher,
    env: Object.fromEntries(Object.keys(watcher.env).map((name) => [name, MASK])),
  }));
  return { ...config, watchers };
}
