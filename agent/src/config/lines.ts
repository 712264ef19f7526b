/**
 * Circus's INI dialect (reference §1.1) in two steps: one pass over the lines writes plain INI that the `ini`
 * package reads without a rule of its own getting in the way, and remembers where each section and key stood.
 * Pure. Nothing here knows a key.
 *
 * One departure: continuation lines of a repeated, hence rejected key are dropped with it; Circus appends them to
 * the value that was kept.
 */
import { parse } from "ini";
import { printable, quote } from "./text.ts";
import type { Diagnostic, SourceRef } from "./types.ts";

export interface Entry {
  readonly key: string;
  /** Trimmed; continuation lines joined with a newline. */
  readonly value: string;
  readonly at: SourceRef;
}

interface Section {
  readonly name: string;
  /** Its first header. */
  readonly at: SourceRef;
  /** In file order, each key once. */
  readonly entries: readonly Entry[];
}

export interface ParsedFile {
  /** Absolute path. */
  readonly file: string;
  /** In file order, each name once. */
  readonly sections: readonly Section[];
  readonly diagnostics: readonly Diagnostic[];
}

/** What the line pass found: the text for `ini`, and the line of everything in it. */
interface PlainIni {
  readonly text: string;
  readonly sections: readonly { readonly name: string; readonly line: number; readonly keys: readonly KeyLine[] }[];
  readonly diagnostics: readonly Diagnostic[];
}

interface KeyLine {
  readonly key: string;
  readonly line: number;
}

/** Reads one file's text. Never throws: what is wrong comes back as diagnostics. */
export function parseFile(file: string, text: string): ParsedFile {
  const plain = toPlainIni(file, text);
  const values = parse(plain.text) as Readonly<Record<string, Readonly<Record<string, string>>>>;
  const sections = plain.sections.map(({ name, line, keys }) => {
    const section = values[sectionToken(name)] ?? {};
    const entries = keys.map((key) => ({
      key: key.key,
      value: (section[keyToken(key.key)] ?? MARK).slice(0, -MARK.length),
      at: { file, line: key.line },
    }));
    return { name, at: { file, line }, entries };
  });
  return { file, sections, diagnostics: plain.diagnostics };
}

/** The line pass alone. */
function toPlainIni(file: string, text: string): PlainIni {
  const scan = new Scan(file);
  text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .forEach((line, index) => {
      scan.take(line, index + 1);
    });
  return scan.finish();
}

interface Option {
  readonly line: number;
  readonly parts: string[];
}

interface OpenSection {
  readonly line: number;
  readonly options: Map<string, Option>;
}

class Scan {
  readonly #file: string;
  readonly #sections = new Map<string, OpenSection>();
  readonly #diagnostics: Diagnostic[] = [];
  #section: OpenSection | null = null;
  /** Where continuation lines go; null right after a header. */
  #option: Option | null = null;
  #hasHomeless = false;

  constructor(file: string) {
    this.#file = file;
  }

  take(line: string, number: number): void {
    if (line.includes("\0")) {
      this.#report("error", number, "the line holds a NUL character");
      return;
    }
    if (line.trim() === "" || /^(?:[#;]|rem(?:\s|$))/i.test(line)) return;
    if (/^\s/.test(line) && this.#option !== null) {
      this.#option.parts.push(line.trim());
      return;
    }
    const header = /^\[(.+)\]/s.exec(line)?.[1];
    if (header !== undefined) this.#open(header, number);
    else if (this.#section !== null) this.#add(this.#section, line, number);
    else if (!this.#hasHomeless) {
      // Once: every line up to the first header has the same fault.
      this.#hasHomeless = true;
      this.#report("error", number, `${quote(line.trim())} stands before the first [section]`);
    }
  }

  #open(name: string, line: number): void {
    let section = this.#sections.get(name);
    if (section === undefined) {
      section = { line, options: new Map() };
      this.#sections.set(name, section);
    }
    this.#section = section;
    this.#option = null;
  }

  #add(section: OpenSection, line: string, number: number): void {
    const delimiter = line.search(/[=:]/);
    if (delimiter < 0) {
      this.#report("error", number, `${quote(line.trim())} has no '=' or ':'`);
      return;
    }
    const key = line.slice(0, delimiter).trimEnd();
    const option = { line: number, parts: [valueOf(line.slice(delimiter + 1))] };
    this.#option = key === "" ? null : option;
    const first = section.options.get(key);
    if (key === "") {
      this.#report("warning", number, `no key before '${line[delimiter] ?? ""}'; the line is ignored`);
    } else if (first !== undefined) {
      this.#report("warning", number, `'${printable(key)}' is already set at line ${first.line}; this one is ignored`);
    } else section.options.set(key, option);
  }

  finish(): PlainIni {
    const out: string[] = [];
    for (const [name, section] of this.#sections) {
      out.push(`[${jsonText(sectionToken(name))}]`);
      for (const [key, option] of section.options) {
        out.push(`${jsonText(keyToken(key))}=${jsonText(option.parts.join("\n") + MARK)}`);
      }
    }
    const sections = [...this.#sections].map(([name, { line, options }]) => ({
      name,
      line,
      keys: [...options].map(([key, option]) => ({ key, line: option.line })),
    }));
    return { text: out.join("\n"), sections, diagnostics: this.#diagnostics };
  }

  #report(severity: Diagnostic["severity"], line: number, message: string): void {
    this.#diagnostics.push({ severity, at: { file: this.#file, line }, message });
  }
}

/** The value without its comment: only the first `;` is looked at, and cuts only after white space. */
function valueOf(text: string): string {
  const value = text.trimStart();
  const semicolon = value.indexOf(";");
  // at(-1) for a leading ";" looks at the last character, as Circus does: `key = ; text` keeps the text.
  const isComment = semicolon >= 0 && /\s/.test(value.at(semicolon - 1) ?? "");
  const trimmed = (isComment ? value.slice(0, semicolon) : value).trim();
  return trimmed === '""' ? "" : trimmed;
}

/**
 * `ini` turns `true` into a boolean, `a[]` into an array, skips `__proto__`, strips quotes and splits sections at
 * dots. A JSON string that ends in a mark of ours is none of that to it, once dots and brackets are out of the way.
 */
const MARK = "@";

function keyToken(key: string): string {
  return key + MARK;
}

function sectionToken(name: string): string {
  return name.replaceAll("%", "%25").replaceAll(".", "%2E").replaceAll("]", "%5D") + MARK;
}

/** JSON, but for two line separators that JSON leaves bare and that a `.` in a regular expression stops at. */
function jsonText(text: string): string {
  return JSON.stringify(text).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}
