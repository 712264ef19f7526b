/** Sizes as people write them. Pure. */

const UNITS = ["", "K", "M", "G", "T"];

/**
 * Reads a size: `500M`, `10G`, `1.5 GiB`, a bare number of bytes. Powers of 1024.
 *
 * @returns bytes, or null where the text is no size.
 */
export function parseBytes(text: string): number | null {
  const [, amount, unit = ""] = /^(\d+(?:\.\d+)?)\s*(?:([KMGT]?)(?:i?B)?)$/i.exec(text.trim()) ?? [];
  if (amount === undefined) return null;
  const bytes = Math.floor(Number(amount) * 1024 ** UNITS.indexOf(unit.toUpperCase()));
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** `512 B`, `3.4 MiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let power = 0;
  while (value >= 1024 && power < UNITS.length - 1) {
    value /= 1024;
    power++;
  }
  const digits = power === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[power] ?? ""}${power === 0 ? "" : "i"}B`;
}
