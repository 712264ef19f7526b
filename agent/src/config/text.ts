/** Small text tools of the configuration: quoting for messages, glob matching. Pure. */

const SHOWN_MAX = 60;

/** Text from a file as one short printable piece of a message, in single quotes. */
export function quote(text: string): string {
  const short = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
  return `'${printable(short)}'`;
}

/** Control characters as escapes, so that no text from a file breaks a line or colours a terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) =>
    char === "\n" ? "\\n" : `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}

/** What a person or a process said, fit for logs and events: one line without control characters, bounded. */
export function oneLine(text: string, charsMax: number): string {
  return text
    .replaceAll(/\p{C}+/gu, " ")
    .trim()
    .slice(0, charsMax)
    .trimEnd();
}

/**
 * Shell globs as Python's `fnmatch` has them: `*`, `?`, `[a-z]`, `[!a-z]`, case-sensitive. One star is retried at
 * a time, so that no pattern costs more than name × pattern.
 */
export function globMatch(name: string, pattern: string): boolean {
  const units = globUnits(pattern);
  const chars = Array.from(name);
  let unit = 0;
  let char = 0;
  let star = -1;
  let starChar = 0;
  while (char < chars.length) {
    const test = units[unit];
    if (test === "*") {
      star = unit++;
      starChar = char;
    } else if (test?.(chars[char] ?? "") === true) {
      unit++;
      char++;
    } else if (star >= 0) {
      unit = star + 1;
      char = ++starChar;
    } else return false;
  }
  while (units[unit] === "*") unit++;
  return unit === units.length;
}

/** True where {@link globMatch} would do more than compare. */
export function isGlob(text: string): boolean {
  return /[*?[]/.test(text);
}

type Unit = "*" | ((char: string) => boolean);

function globUnits(pattern: string): Unit[] {
  const chars = Array.from(pattern);
  const units: Unit[] = [];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] ?? "";
    // A "]" right after "[" or "[!" belongs to the set.
    const close = char === "[" ? chars.indexOf("]", i + (chars[i + 1] === "!" ? 3 : 2)) : -1;
    if (char === "*") {
      if (units.at(-1) !== "*") units.push("*");
    } else if (char === "?") units.push(() => true);
    else if (close > 0) {
      units.push(setUnit(chars.slice(i + 1, close)));
      i = close;
    } else units.push((other) => other === char);
  }
  return units;
}

function setUnit(body: readonly string[]): Unit {
  const isNegated = body[0] === "!";
  const chars = isNegated ? body.slice(1) : body;
  const ranges: (readonly [string, string])[] = [];
  for (let i = 0; i < chars.length; i++) {
    const low = chars[i] ?? "";
    const high = chars[i + 1] === "-" ? chars[i + 2] : undefined;
    ranges.push([low, high ?? low]);
    if (high !== undefined) i += 2;
  }
  return (char) => ranges.some(([low, high]) => low <= char && char <= high) !== isNegated;
}
