/** How many rollouts are there in which state? */
import { ROLLOUT_STATES, type RolloutState } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";

export function rolloutCounts(db: Database): Readonly<Record<RolloutState, number>> {
  const rows = db
    .prepare<[], { state: RolloutState; n: number }>("SELECT state, count(*) AS n FROM rollout GROUP BY state")
    .all();
  const counts = new Map(rows.map(({ state, n }) => [state, n]));
  return Object.fromEntries(ROLLOUT_STATES.map((state) => [state, counts.get(state) ?? 0])) as Record<
    RolloutState,
    number
  >;
}
