/** Ids of commands that a rollout sends: `rollout/host/attempt` (design §5). Pure. */

/** @param attempt from 1 */
export function stepCommandId(rollout: string, host: string, attempt: number): string {
  return `${rollout}/${host}/${attempt}`;
}

/** Of the command that brings the old values back. */
export function undoCommandId(rollout: string, host: string, attempt: number): string {
  return `${rollout}/${host}/${attempt}-undo`;
}

/**
 * Of the command that takes the host out of its balancer, or puts it back.
 *
 * @param round from 1: one that was put back in the middle of an attempt is drained again under another id
 */
export function drainCommandId(commandId: string, verb: "drain" | "undrain", round: number): string {
  return `${commandId}-${verb}${round}`;
}

/** The host that a step's id is of; null: it has another shape. */
export function hostOf(commandId: string): string | null {
  return commandId.split("/")[1] ?? null;
}

/** The rollout that an id on this host is of; null: it has another shape, or is of another host. */
export function rolloutOf(commandId: string, host: string): string | null {
  const [rollout, of, attempt, ...rest] = commandId.split("/");
  return rollout === undefined || of !== host || attempt === undefined || rest.length > 0 ? null : rollout;
}
