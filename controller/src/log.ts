/** The controller's log: one JSON object per line on stderr. */
import { type LogFields, type Logger, type LogLevel, makeLogger } from "@circus-cluster/proto";

/** @param write takes one line with its newline */
export function jsonLogger(write: (line: string) => void): Logger {
  return makeLogger((level, text, fields) => {
    if (level !== "debug") write(lineOf(level, text, fields));
  });
}

/** What is said in place of lines that nobody read in time. */
export function lossLine(lines: number): string {
  return lineOf("warning", "the log lost lines: nobody read it", { lines });
}

function lineOf(level: LogLevel, text: string, fields: LogFields): string {
  return `${JSON.stringify({ time: new Date().toISOString(), level, text, ...plain(fields) })}\n`;
}

/** Errors do not survive JSON by themselves. */
function plain(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      value instanceof Error ? { message: value.message, stack: value.stack } : value,
    ]),
  );
}
