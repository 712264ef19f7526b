/** Typed access to one section: every wrong value becomes a diagnostic, and reading goes on with the default. Pure. */
import { formatDuration, type Millis, nearest, parseDuration, parseSignal } from "@circus-cluster/proto";
import { findKey, type KeySpec, knownKeys, type SectionKind } from "./keys.ts";
import type { MergedEntry, MergedSection } from "./sections.ts";
import { printable, quote } from "./text.ts";
import type { Diagnostic, SourceRef } from "./types.ts";
import { parseBool, parseInteger, parseMask, parseNumber } from "./values.ts";
import { type Lookup, substitute } from "./variables.ts";

const NO_VARIABLES: Lookup = () => undefined;

export class SectionReader {
  readonly section: MergedSection;
  readonly #kind: SectionKind;
  readonly #diagnostics: Diagnostic[];
  /** What variables stand for in typed values, and in text. */
  readonly #lookup: Lookup;
  #textLookup: Lookup;

  constructor(kind: SectionKind, section: MergedSection, lookup: Lookup, diagnostics: Diagnostic[]) {
    this.#kind = kind;
    this.section = section;
    this.#lookup = lookup;
    this.#textLookup = lookup;
    this.#diagnostics = diagnostics;
  }

  /** Text read from here on sees these variables (a watcher's own environment). */
  expandTextBy(lookup: Lookup): void {
    this.#textLookup = lookup;
  }

  has(key: string): boolean {
    return this.section.entries.has(key);
  }

  /** Where the key stands, else the section. */
  at(key: string): SourceRef {
    return this.section.entries.get(key)?.at ?? this.section.at;
  }

  error(key: string, problem: string): void {
    this.#diagnostics.push({ severity: "error", at: this.at(key), message: `${printable(key)}: ${problem}` });
  }

  /** About the whole section, at its header: `[watcher:web] has no 'cmd'`. */
  sectionError(problem: string): void {
    const { name, at } = this.section;
    this.#diagnostics.push({ severity: "error", at, message: `[${printable(name)}] ${problem}` });
  }

  warning(key: string, problem: string): void {
    this.#diagnostics.push({ severity: "warning", at: this.at(key), message: `${printable(key)}: ${problem}` });
  }

  /** The value with its variables, the table's default where the key is missing; null where it has none. */
  text(key: string): string | null {
    const entry = this.section.entries.get(key);
    return entry === undefined ? this.#spec(key).default : substitute(entry.value, this.#textLookup);
  }

  /** As it is written, without variables (reference §1.5: hooks); empty where the key is missing. */
  raw(key: string): string {
    return this.section.entries.get(key)?.value ?? "";
  }

  /** As {@link text}; an empty value is none. */
  optional(key: string): string | null {
    const text = this.text(key);
    return text === "" ? null : text;
  }

  bool(key: string): boolean {
    return this.#typed(key, parseBool, "not yes or no (also true, on, 1; false, off, 0)");
  }

  int(key: string): number {
    return this.#number(key, parseInteger, "not a whole number");
  }

  float(key: string): number {
    return this.#number(key, parseNumber, "not a number");
  }

  /** `5s`, `1m30s`, `250ms`; a bare number is seconds. */
  duration(key: string): Millis {
    return this.#number(key, parseDuration, "no duration such as 250ms, 5s or 1m30s", formatDuration);
  }

  /** Null where neither the section nor the table has one. */
  mask(key: string): number | null {
    const text = this.optional(key);
    if (text === null) return null;
    const value = parseMask(text);
    if (value === null) this.error(key, `${quote(text)} is not an octal mask (000 to 777)`);
    return value;
  }

  signal(key: string): number {
    return this.#typed(key, parseSignal, "not a signal", NO_VARIABLES);
  }

  /** Says what is unknown or not supported; gives what a watcher keeps as extra options, unexpanded. */
  checkKeys(): readonly MergedEntry[] {
    const extra: MergedEntry[] = [];
    for (const entry of this.section.entries.values()) {
      const spec = findKey(this.#kind, entry.key);
      if (spec === null) {
        extra.push(entry);
        if (!entry.isDefault) this.#unknown(entry);
      } else if (spec.supported) {
        if (spec.isExtra) extra.push(entry);
      } else if (!this.#isSwitchedOff(spec, entry)) this.#unsupported(spec, entry);
    }
    return extra;
  }

  #isSwitchedOff(spec: KeySpec, entry: MergedEntry): boolean {
    if (spec.type !== "bool") return entry.value === "" && !spec.key.endsWith("*");
    return !this.#typed(entry.key, parseBool, "not yes or no (also true, on, 1; false, off, 0)");
  }

  #unsupported(spec: KeySpec, { key, at }: MergedEntry): void {
    const isError = spec.ifUnsupported === "refuse";
    const end = isError ? "" : " and is ignored";
    this.#diagnostics.push({
      severity: isError ? "error" : "warning",
      at,
      message: `'${printable(key)}' is not supported by this version${end}`,
    });
  }

  #unknown({ key, at }: MergedEntry): void {
    const near = nearest(key, knownKeys(this.#kind));
    const hint =
      near !== null
        ? `; did you mean '${near}'?`
        : this.#kind === "watcher"
          ? "; kept as an extra option"
          : "; it is ignored";
    const message = `unknown key ${quote(key)} in [${printable(this.section.name)}]${hint}`;
    this.#diagnostics.push({ severity: "warning", at, message });
  }

  #number(
    key: string,
    parse: (text: string) => number | null,
    problem: string,
    show: (value: number) => string = String,
  ): number {
    const { min, max } = this.#spec(key);
    const value = this.#typed(key, parse, problem);
    if (min !== null && value < min) this.error(key, `${show(value)} is less than ${show(min)}`);
    if (max !== null && value > max) this.error(key, `${show(value)} is more than ${show(max)}`);
    return value;
  }

  #typed<T>(key: string, parse: (text: string) => T | null, problem: string, lookup = this.#lookup): T {
    const entry = this.section.entries.get(key);
    if (entry !== undefined) {
      // Typed keys see the daemon's environment first (reference §1.5); [env:…] may still fill in what that lacks.
      const text = substitute(substitute(entry.value, lookup), lookup === NO_VARIABLES ? lookup : this.#textLookup);
      const value = parse(text);
      if (value !== null) return value;
      this.error(key, `${quote(text)} is ${problem}`);
    }
    const fallback = parse(this.#spec(key).default ?? "");
    if (fallback === null) throw new Error(`the table has no default of the right type for '${key}'`);
    return fallback;
  }

  #spec(key: string): KeySpec {
    const spec = findKey(this.#kind, key);
    if (spec === null) throw new Error(`the table has no key '${key}' in [${this.#kind}]`);
    return spec;
  }
}
