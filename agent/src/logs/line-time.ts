/**
 * What stands before a line in a file whose stream has a `time_format` (see `output/prefix`), read back: `strftime` the
 * other way round, for the formats that name a moment.
 */
import type { Millis } from "@circus-cluster/proto";
import { COMPOUND, DAYS, MONTHS } from "../output/strftime.ts";

interface ReadLine {
  readonly time: Millis | null;
  readonly pid: number | null;
  /** Without what was read of it. */
  readonly line: string;
}

export interface LineReader {
  /** Lines that it reads have a time. */
  readonly isTimed: boolean;
  read(text: string): ReadLine;
}

const SHORT_MONTHS = MONTHS.map((month) => month.slice(0, 3));
const WORDS = (words: readonly string[]): string => words.join("|");

/** By directive: what it looks like. Those with a meaning here are named in {@link momentOf}. */
const PATTERNS: Readonly<Record<string, string>> = {
  ...{ Y: "\\d{4}", y: "\\d{2}", m: "\\d{1,2}", d: "\\d{1,2}", e: "[ \\d]?\\d", j: "\\d{1,3}" },
  ...{ H: "\\d{1,2}", k: "[ \\d]?\\d", I: "\\d{1,2}", l: "[ \\d]?\\d", M: "\\d{1,2}", S: "\\d{1,2}", f: "\\d{6}" },
  ...{ s: "\\d+", p: "AM|PM", P: "am|pm", z: "[+-]\\d{4}", Z: "[A-Za-z]*|[A-Z]+[+-][\\d:]+" },
  ...{ b: WORDS(SHORT_MONTHS), B: WORDS(MONTHS), a: WORDS(DAYS.map((day) => day.slice(0, 3))), A: WORDS(DAYS) },
  ...{ C: "\\d{2}", G: "\\d{4}", g: "\\d{2}", U: "\\d{2}", u: "\\d", V: "\\d{2}", W: "\\d{2}", w: "\\d" },
  ...{ n: "\\n", t: "\\t", "%": "%" },
};

/** @param format of the stream; null: its lines are as they were written */
export function lineReader(format: string | null): LineReader {
  const pattern = format === null ? null : patternOf(format);
  if (pattern === null) return { isTimed: false, read: (line) => ({ time: null, pid: null, line }) };
  const prefix = new RegExp(`^${pattern} \\[(?<pid>\\d+)\\] \\| `);
  return {
    isTimed: isMoment(pattern),
    read: (text) => {
      const match = prefix.exec(text);
      if (match === null) return { time: null, pid: null, line: text };
      const { pid, ...parts } = match.groups ?? {};
      return { time: momentOf(parts), pid: Number(pid), line: text.slice(match[0].length) };
    },
  };
}

/** Null where there is a directive that it does not know. */
function patternOf(format: string): string | null {
  let expanded = format;
  for (let depth = 0; depth < 3; depth++) {
    expanded = expanded.replace(/%[-_0^]?[EO]?([A-Za-z])/g, (whole, directive: string) => COMPOUND[directive] ?? whole);
  }
  const seen = new Set<string>();
  const unknown: string[] = [];
  const pattern = expanded.replace(/%([-_0^]?)[EO]?([A-Za-z%])|[^%]+|%/g, (text, flag: unknown, directive: unknown) => {
    if (typeof directive !== "string") return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
    const known = PATTERNS[directive];
    if (known === undefined || flag === "^") unknown.push(directive);
    if (seen.has(directive) || !/^[A-Za-z]$/.test(directive)) return `(?:${known ?? ""})`;
    seen.add(directive);
    return `(?<${directive}>${known ?? ""})`;
  });
  return unknown.length === 0 ? pattern : null;
}

function isMoment(pattern: string): boolean {
  const has = (...names: readonly string[]): boolean => names.some((name) => pattern.includes(`(?<${name}>`));
  return has("s") || (has("Y", "y") && (has("j") || (has("m", "b", "B") && has("d", "e"))) && has("H", "k", "I", "l"));
}

function momentOf(parts: Readonly<Record<string, string | undefined>>): Millis | null {
  const number = (...names: readonly string[]): number | null => {
    const text = names.map((name) => parts[name]).find((part) => part !== undefined);
    return text === undefined ? null : Number(text.trim());
  };
  const epochS = number("s");
  const ms = Math.floor((number("f") ?? 0) / 1000);
  if (epochS !== null) return epochS * 1000 + ms;
  const short = number("y");
  const year = number("Y") ?? (short === null ? null : short + (short < 69 ? 2000 : 1900));
  const named = Math.max(SHORT_MONTHS.indexOf(parts["b"] ?? ""), MONTHS.indexOf(parts["B"] ?? ""));
  const dayOfYear = number("j");
  const month = dayOfYear !== null ? 0 : (number("m") ?? named + 1) - 1;
  const day = dayOfYear ?? number("d", "e");
  if (year === null || month < 0 || day === null) return null;
  const twelve = number("I", "l");
  const isLate = (parts["p"] ?? parts["P"] ?? "").toLowerCase() === "pm";
  const hour = number("H", "k") ?? (twelve === null ? 0 : (twelve % 12) + (isLate ? 12 : 0));
  const clock = [hour, number("M") ?? 0, number("S") ?? 0, ms] as const;
  const [, sign, hours, minutes] = /^([+-])(\d{2})(\d{2})$/.exec(parts["z"] ?? "") ?? [];
  if (sign === undefined) return new Date(year, month, day, ...clock).getTime();
  const east = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
  return Date.UTC(year, month, day, ...clock) - east * 60_000;
}
