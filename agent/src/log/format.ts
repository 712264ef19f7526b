/** Circus's line of the log (reference §7): `2024-01-31 12:00:00 circus[PID] [INFO] text`. Pure. */
import { formatFields, type LogFields, type LogLevel } from "@circus-cluster/proto";

const two = (n: number): string => String(n).padStart(2, "0");

/** Local time, to the second. */
export function formatTime(when: Date): string {
  const day = `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}`;
  return `${day} ${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}`;
}

/** One line without its end; line breaks inside are shown, so that no worker's name forges a line. */
export function formatLine(when: Date, pid: number, level: LogLevel, text: string, fields: LogFields): string {
  const { stack, ...rest } = fields;
  const facts = formatFields(rest);
  const line = `${formatTime(when)} circus[${pid}] [${level.toUpperCase()}] ${text}${facts === "" ? "" : ` ${facts}`}`;
  const trace = typeof stack === "string" ? `\n${stack.replace(/^/gm, "    ")}` : "";
  return `${line.replace(/[\r\n]+/g, "\\n")}${trace}`;
}
