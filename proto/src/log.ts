/** The logging interface every part writes to; the edge decides format and target (style: "Logging"). */
export const LOG_LEVELS = ["debug", "info", "warning", "error", "critical"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogFields = Readonly<Record<string, unknown>>;

/** Constant lower-case text, facts as fields. */
export interface Logger {
  debug(text: string, fields?: LogFields): void;
  info(text: string, fields?: LogFields): void;
  warning(text: string, fields?: LogFields): void;
  error(text: string, fields?: LogFields): void;
  critical(text: string, fields?: LogFields): void;
  /** The same logger with more facts on each line. */
  child(fields: LogFields): Logger;
}

/** Builds a logger on one writing function. */
export function makeLogger(
  write: (level: LogLevel, text: string, fields: LogFields) => void,
  base: LogFields = {},
): Logger {
  const at = (level: LogLevel) => (text: string, fields?: LogFields) => write(level, text, { ...base, ...fields });
  return {
    debug: at("debug"),
    info: at("info"),
    warning: at("warning"),
    error: at("error"),
    critical: at("critical"),
    child: (fields) => makeLogger(write, { ...base, ...fields }),
  };
}

/** Is a line of this level written where the limit is that one? */
export function isLogged(level: LogLevel, limit: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(limit);
}

/** Facts as `key=value`, for line formats; errors by their message. */
export function formatFields(fields: LogFields): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => {
      const text = value instanceof Error ? value.message : typeof value === "string" ? value : JSON.stringify(value);
      return `${key}=${/[\s"]/.test(text) ? JSON.stringify(text) : text}`;
    })
    .join(" ");
}
