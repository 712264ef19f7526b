/** Time as values: milliseconds, durations as people write them, and the clock that impure code passes in. */

/** Milliseconds, of whichever clock the name of the variable says. */
export type Millis = number;

/** What tells time and waits; the real one is made at the edge, a simulated one in tests. */
export interface Clock {
  /** Wall time in ms since 1970: for showing and storing, never for measuring. */
  wall(): Millis;
  /** Monotonic ms: for deadlines and durations. */
  monotonic(): Millis;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/**
 * Reads a duration: `90`, `1.5s`, `10m`, `1h30m`, `7d`. A bare number is seconds.
 *
 * @returns milliseconds, or null where the text is no duration.
 */
export function parseDuration(text: string): Millis | null {
  const trimmed = text.trim();
  if (/^\d+(?:\.\d+)?$/.test(trimmed)) return Number(trimmed) * 1000;
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+$/.test(trimmed)) return null;
  let total = 0;
  for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)) {
    total += Number(amount) * (UNIT_MS[unit ?? ""] ?? 0);
  }
  return total;
}

/** A duration for people, two units at most: `4s`, `3m20s`, `2h5m`, `6d3h`; below a second `120ms`. */
export function formatDuration(ms: Millis): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const seconds = Math.floor(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  return parts
    .slice(first, first + 2)
    .filter(([n]) => n > 0)
    .map(([n, unit]) => `${n}${unit}`)
    .join("");
}

/**
 * Reads a point in time: `now`, a duration meaning that long ago (`1h`, `1h ago`), or a date that
 * ISO 8601 knows (local time unless it says otherwise).
 *
 * @returns ms since 1970, or null.
 */
export function parseInstant(text: string, nowWallMs: Millis): Millis | null {
  const trimmed = text.trim();
  if (trimmed === "now") return nowWallMs;
  const ago = parseDuration(trimmed.replace(/\s*ago$/, ""));
  if (ago !== null && !/^\d{4}$/.test(trimmed)) return nowWallMs - ago;
  const date = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/.test(trimmed)
    ? // eslint-disable-next-line no-restricted-globals -- parses a text, reads no clock
      Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(trimmed) ? `${trimmed}T00:00` : trimmed.replace(" ", "T"))
    : Number.NaN;
  return Number.isNaN(date) ? null : date;
}
