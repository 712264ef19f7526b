/** Comma-separated values as RFC 4180 has them, for spreadsheets. Pure. */

type Value = string | number | boolean | null;

/** A cell that a spreadsheet would take for a formula is shown as text. */
function cell(value: Value): string {
  if (value === null) return "";
  if (typeof value !== "string") return String(value);
  const text = /^[=+@\t\r-]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A line of titles and a line each row, each ended by CR LF. */
export function csv(titles: readonly string[], rows: readonly (readonly Value[])[]): string {
  return [titles, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** `2026-01-31T14:05:09.000Z`; empty where there is none. */
export function isoTime(wallMs: number | null): string {
  return wallMs === null ? "" : new Date(wallMs).toISOString();
}
