/** Whose change was it? What a controller did for a rollout was asked for by the person who started that. */
import type { HistoryRow } from "@circus-cluster/proto";
import { rolloutOf } from "./command-id.ts";

/** Says of a host who changed what. */
export type Attributable = Pick<HistoryRow, "host" | "actor" | "cause">;

export interface AttributionParts {
  /** Does a controller command agents under this name? */
  readonly isController: (name: string) => boolean;
  /** Who started the rollout with this id; null: none is known. */
  readonly starter: (rollout: string) => string | null;
}

/**
 * The rows with the person in place of the controller. Only what a controller commanded by a step's id is a rollout's: an operator may give a command any id, but not another's name.
 */
export function attribute<R extends Attributable>(
  rows: readonly R[],
  { isController, starter }: AttributionParts,
): R[] {
  return rows.map((row) => {
    const rollout =
      row.actor !== null && isController(row.actor) && row.cause !== null ? rolloutOf(row.cause, row.host) : null;
    const actor = rollout === null ? null : starter(rollout);
    return actor === null ? row : { ...row, actor };
  });
}
