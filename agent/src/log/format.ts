/**
 * Circus's line of the log (reference §7): `2024-01-31 12:00:00 circus[PID] [INFO] text`, and the same for syslog:
 * `<14>Jan 31 12:00:00 circus[PID] [INFO] text`. Pure.
 */
import { formatFields, type LogFields, type LogLevel } from "@circus-cluster/proto";

export interface LogRecord {
  readonly when: Date;
  readonly pid: number;
  readonly level: LogLevel;
  readonly text: string;
  readonly fields: LogFields;
}

const two = (n: number): string => String(n).padStart(2, "0");

function formatClock(when: Date): string {
  return `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}`;
}

/** Local time, to the second. */
export function formatTime(when: Date): string {
  return `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())} ${formatClock(when)}`;
}

/** One line without its end; line breaks inside are shown, so that no worker's name forges a line. */
export function formatLine(record: LogRecord): string {
  const { stack } = record.fields;
  const trace = typeof stack === "string" ? `\n${stack.replace(/^/gm, "    ")}` : "";
  return `${formatTime(record.when)} ${oneLineOf(record)}${trace}`;
}

/** What comes after the time. */
function oneLineOf({ pid, level, text, fields }: LogRecord): string {
  const { stack: _stack, ...rest } = fields;
  const facts = formatFields(rest);
  const line = `circus[${pid}] [${level.toUpperCase()}] ${text}${facts === "" ? "" : ` ${facts}`}`;
  return line.replace(/[\r\n]+/g, "\\n");
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Of RFC 5424; Python's handler has the same. */
const SEVERITY: Readonly<Record<LogLevel, number>> = { critical: 2, error: 3, warning: 4, info: 6, debug: 7 };

/** One datagram of syslog. A stack follows in the same line, since a datagram is one record. */
export function formatSyslog(record: LogRecord, facility: number): string {
  const { when, level, fields } = record;
  const date = `${MONTHS[when.getMonth()] ?? ""} ${two(when.getDate())} ${formatClock(when)}`;
  const stack = typeof fields["stack"] === "string" ? ` ${fields["stack"].replace(/\s*[\r\n]+\s*/g, " | ")}` : "";
  return `<${facility * 8 + SEVERITY[level]}>${date} ${oneLineOf(record)}${stack}`;
}
