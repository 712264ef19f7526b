/** Several files as one set of sections: the first definition of a key wins, `[DEFAULT]` fills in. Pure. */
import type { Entry, ParsedFile } from "./lines.ts";
import type { Diagnostic, SourceRef } from "./types.ts";

export interface MergedEntry extends Entry {
  /** Written in `[DEFAULT]`, not in the section itself. */
  readonly isDefault: boolean;
}

export interface MergedSection {
  readonly name: string;
  /** Its first header in the first file that has it. */
  readonly at: SourceRef;
  readonly entries: ReadonlyMap<string, MergedEntry>;
}

const DEFAULT = "DEFAULT";

/**
 * Sections in the order of their first headers; those without any key are left out, as in Circus, with a warning.
 * `[DEFAULT]` does not reach `[env]` and `[env:…]`: there it would leak into every process (reference D3).
 */
export function mergeFiles(
  files: readonly ParsedFile[],
  diagnostics: Diagnostic[],
): { readonly sections: readonly MergedSection[]; readonly defaults: readonly Entry[] } {
  const merged = new Map<string, { at: SourceRef; entries: Map<string, MergedEntry> }>();
  const defaults = new Map<string, Entry>();
  for (const file of files) {
    diagnostics.push(...file.diagnostics);
    for (const { name, at, entries } of file.sections) {
      if (name === DEFAULT) {
        for (const entry of entries) if (!defaults.has(entry.key)) defaults.set(entry.key, entry);
        continue;
      }
      const section = merged.get(name) ?? { at, entries: new Map<string, MergedEntry>() };
      merged.set(name, section);
      for (const entry of entries) {
        if (!section.entries.has(entry.key)) section.entries.set(entry.key, { ...entry, isDefault: false });
      }
    }
  }
  const sections: MergedSection[] = [];
  for (const [name, { at, entries }] of merged) {
    if (name !== "env" && !name.startsWith("env:")) {
      for (const entry of defaults.values()) {
        if (!entries.has(entry.key)) entries.set(entry.key, { ...entry, isDefault: true });
      }
    }
    if (entries.size > 0) sections.push({ name, at, entries });
    else if (/^(?:watcher|socket|plugin):/.test(name)) {
      diagnostics.push({ severity: "warning", at, message: `[${name}] is empty and is ignored` });
    }
  }
  return { sections, defaults: [...defaults.values()] };
}
