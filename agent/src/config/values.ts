/** Typed values as Python reads them (reference §1.4), null where the text is none of that type. Pure. */
import { parseBoolean } from "@circus-cluster/proto";

/** `yes true on 1` and `no false off 0`, trimmed, any case. */
export function parseBool(text: string): boolean | null {
  return parseBoolean(text.trim());
}

const DIGITS = String.raw`\d+(?:_\d+)*`;
const INT = new RegExp(`^[+-]?${DIGITS}$`);
const FLOAT = new RegExp(`^[+-]?(?:${DIGITS}\\.?(?:${DIGITS})?|\\.${DIGITS})(?:e[+-]?${DIGITS})?$`, "i");

/** `int()`: decimal, a sign, single `_` between digits. Larger than a double can count: null. */
export function parseInteger(text: string): number | null {
  const trimmed = text.trim();
  const number = INT.test(trimmed) ? Number(trimmed.replaceAll("_", "")) : Number.NaN;
  return Number.isSafeInteger(number) ? number + 0 : null;
}

/** `float()` without its `inf` and `nan`, which no timer can wait for. */
export function parseNumber(text: string): number | null {
  const trimmed = text.trim();
  const number = FLOAT.test(trimmed) ? Number(trimmed.replaceAll("_", "")) : Number.NaN;
  return Number.isFinite(number) ? number + 0 : null;
}

/** A mode mask, octal with or without `0o`: 0 to 0o777. */
export function parseMask(text: string): number | null {
  const digits = /^(?:0o)?([0-7]+)$/i.exec(text.trim())?.[1];
  const number = digits === undefined ? Number.NaN : Number.parseInt(digits, 8);
  return number <= 0o777 ? number : null;
}
