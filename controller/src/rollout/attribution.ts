/** Whose change was it? What a controller did for a rollout was asked for by the person who started that. */
import type { HistoryRow } from "@circus-cluster/proto";

export interface AttributionParts {
  /** Name under which this controller commands agents. */
  readonly controller: string;
  /** Who started the rollout with this id; null: none is known. */
  readonly starter: (rollout: string) => string | null;
}

/**
 * The rows with the person in place of the controller. Only what this controller commanded by a step's id
 * (`rollout/host/attempt`) is a rollout's: an operator may give a command any id, but not another's name.
 */
export function attribute(rows: readonly HistoryRow[], { controller, starter }: AttributionParts): HistoryRow[] {
  return rows.map((row) => {
    const [rollout, host, attempt, ...rest] = row.cause?.split("/") ?? [];
    const isStep = row.actor === controller && host === row.host && attempt !== undefined && rest.length === 0;
    const actor = isStep && rollout !== undefined ? starter(rollout) : null;
    return actor === null ? row : { ...row, actor };
  });
}
