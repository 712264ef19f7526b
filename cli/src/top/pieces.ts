/** What the screens of `top` are made of: pieces of text with a style, exactly as wide as they may be. Pure. */

export type Style = "plain" | "bold" | "cursor" | "dim" | "good" | "warn" | "bad";

export interface Piece {
  readonly text: string;
  readonly style: Style;
}
export type Line = readonly Piece[];

/** Without its styles and the room at its end. */
export function textOf(line: Line): string {
  return line
    .map(({ text }) => text)
    .join("")
    .trimEnd();
}

/** A sparkline whose highest is no more than this is flat: noise is no peak. Per cent of a processor. */
const PEAK_MIN = 10;

export function several(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** So that the cursor's line is in sight; the title stays. */
export function scrolled(body: readonly Line[], room: number): readonly Line[] {
  if (body.length <= room) return body;
  const [title, ...rest] = body;
  const at = rest.findIndex((line) => line.some(({ style }) => style === "cursor"));
  const space = Math.max(1, room - 1);
  const from = Math.max(0, Math.min(at - Math.floor(space / 2), rest.length - space));
  return [title ?? [], ...rest.slice(from, from + space)].slice(0, room);
}

/** Of a sparkline, for terminals with and without Unicode. */
export const BLOCKS = "▁▂▃▄▅▆▇█";
export const ASCII_LEVELS = "_.-:=+*#";

/** What the terminal can show. */
export function levelsOf(env: Readonly<Record<string, string | undefined>>): string {
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find((value) => value !== undefined && value !== "");
  return /utf-?8/i.test(locale ?? "") ? BLOCKS : ASCII_LEVELS;
}

/** The newest on the right; what is not known is blank. */
export function sparkline(values: readonly (number | null)[], width: number, levels: string): string {
  const steps = Array.from(levels);
  const shown = width === 0 ? [] : values.slice(-width);
  const peak = shown.reduce<number>((most, value) => Math.max(most, value ?? 0), PEAK_MIN);
  const bar = (value: number | null): string =>
    value === null ? " " : (steps[Math.min(steps.length - 1, Math.floor((value / peak) * steps.length))] ?? "");
  return shown.map(bar).join("");
}

/** `3s`, `4m07s`, `2h05m`, `12d03h`. */
export function age(seconds: number | null): string {
  if (seconds === null) return "-";
  const s = Math.max(0, Math.floor(seconds));
  const two = (n: number): string => String(n).padStart(2, "0");
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h${two(Math.floor(s / 60) % 60)}m`;
  return `${Math.floor(s / 86_400)}d${two(Math.floor(s / 3600) % 24)}h`;
}

export function percent(value: number | null, digits: number): string {
  return value === null ? "-" : value.toFixed(digits);
}

/** `1.6M`. */
export function size(bytes: number | null): string {
  if (bytes === null) return "-";
  const power = bytes < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)}${"BKMGT"[power] ?? ""}`;
}

/** Exactly so many characters. */
export function fit(text: string, width: number, isRight = false): string {
  const characters = Array.from(text);
  if (characters.length > width) return width < 2 ? "".padEnd(width) : `${characters.slice(0, width - 1).join("")}~`;
  const blanks = " ".repeat(width - characters.length);
  return isRight ? blanks + text : text + blanks;
}

export function cut(line: Line, columns: number): Line {
  let left = columns;
  return line.map(({ text, style }) => {
    const characters = Array.from(text).slice(0, left);
    left -= characters.length;
    return { text: characters.join(""), style };
  });
}

export function plain(text: string): Piece {
  return { text, style: "plain" };
}

export function bold(text: string): Piece {
  return { text, style: "bold" };
}
