/** The lines of a log on the page: what the stream tells becomes rows, a bounded number of them. Pure. */
import { type LogLine, mergeLines } from "@circus-cluster/proto";

/** Rows that a page holds; the oldest go first. */
export const ROWS_MAX = 2000;

export interface LogRow {
  readonly key: number;
  readonly host: string;
  readonly pid: number | null;
  readonly stream: LogLine["stream"];
  readonly time: number | null;
  readonly text: string;
  /** A word of ours in between: lines were left out, a host is silent. */
  readonly isNote: boolean;
}

export interface LogView {
  readonly rows: readonly LogRow[];
  /** Of the next row. */
  readonly key: number;
}

export const NO_ROWS: LogView = { rows: [], key: 0 };

/** One event of the stream. */
export interface LogEntry {
  readonly event: string;
  readonly data: unknown;
}

interface Told {
  readonly host: string;
  readonly reason: string;
  /** A list, or how many are missing. */
  readonly lines: readonly LogLine[] | number | null;
}

export function withLog(view: LogView, entries: readonly LogEntry[]): LogView {
  let { rows, key } = view;
  for (const { event, data } of entries) {
    const { host, lines, reason } = data as Told;
    const found = Array.isArray(lines) ? (lines as readonly LogLine[]) : [];
    const made = found.map(
      ({ pid, stream, time, line }): LogRow => ({ key: key++, host, pid, stream, time, text: line, isNote: false }),
    );
    // Of several hosts in one order, as far as times are known.
    if (event === "past") rows = mergeLines([rows, made]);
    else if (event === "lines") rows = [...rows, ...made];
    else {
      const text = noteOf(event, lines, reason);
      if (text === null) continue;
      rows = [...rows, { key: key++, host, pid: null, stream: null, time: null, text, isNote: true }];
    }
    if (rows.length > ROWS_MAX) rows = rows.slice(-ROWS_MAX);
  }
  return { rows, key };
}

function noteOf(event: string, lines: Told["lines"], reason: string): string | null {
  switch (event) {
    case "missed":
      if (typeof lines !== "number") return "some lines were left out";
      return lines === 1 ? "1 line left out" : `${lines} lines left out`;
    case "trouble":
      return `${reason}; asking again`;
    case "back":
      return "it answers again";
    case "refused":
      return reason;
    default:
      return null;
  }
}

/** Part of a line or of a host's name, in any case; notes stay. */
export function filtered(rows: readonly LogRow[], text: string): readonly LogRow[] {
  const needle = text.trim().toLowerCase();
  if (needle === "") return rows;
  return rows.filter(
    (row) => row.isNote || row.text.toLowerCase().includes(needle) || row.host.toLowerCase().includes(needle),
  );
}

/** Without what colours a terminal. */
export function plainText(text: string): string {
  return text.replaceAll(/\u001b\[[0-9;:]*m/g, "");
}
