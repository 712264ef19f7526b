/**
 * Every expected failure by code: Circus's errno (reference §5.3), the CLI's exit code (design §6) and
 * the HTTP status. Errors cross wires, so identity is the code, never `instanceof`.
 */
export const ERRORS = {
  unknown: { errno: 0, exit: 3, http: 500 },
  "json-invalid": { errno: 1, exit: 3, http: 400 },
  "command-unknown": { errno: 2, exit: 3, http: 404 },
  message: { errno: 3, exit: 3, http: 400 },
  "not-found": { errno: 3, exit: 3, http: 404 },
  os: { errno: 4, exit: 3, http: 500 },
  conflict: { errno: 5, exit: 3, http: 409 },
  failed: { errno: 6, exit: 3, http: 500 },
  /** The asker's role may not do this. */
  forbidden: { errno: 5, exit: 3, http: 403 },
  /** Too old, from the future, or behind a newer leader (design §4). */
  stale: { errno: 5, exit: 3, http: 409 },
  internal: { errno: 5, exit: 3, http: 500 },
} as const satisfies Record<string, { errno: number; exit: number; http: number }>;

export type ErrorCode = keyof typeof ERRORS;

/** Exit codes of `circusctl` (reference §5.7, design §6). */
export const EXIT = {
  ok: 0,
  /** Timeout, local argument error, Ctrl-C. */
  local: 1,
  usage: 2,
  /** The command was answered with an error. */
  refused: 3,
  /** Some hosts did not do it. */
  partial: 4,
  /** The fleet cannot be reached. */
  unreachable: 5,
} as const;

/** An expected failure with its code; thrown only up to the nearest door or edge. */
export class CircusError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = "CircusError";
    this.code = code;
  }
}

/** True for a {@link CircusError}, also one of another copy of this package. */
export function isCircusError(error: unknown): error is CircusError {
  return (
    error instanceof Error &&
    error.name === "CircusError" &&
    "code" in error &&
    typeof error.code === "string" &&
    error.code in ERRORS
  );
}

/** The message of anything thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** @throws Error where a fact that must hold does not: a bug, not a user's mistake. */
export function invariant(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${what}`);
}
