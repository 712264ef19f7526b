/** Where the agent's log may go. Pure. */

/** Why the agent cannot log there; null: it can try. */
export function logOutputProblem(output: string): string | null {
  return output.startsWith("syslog://") ? "syslog is not supported by this version; use a file or -" : null;
}
