/** What stands in the way of a reload of the configuration, asked before any of it is done. */
import type { ConfigPlan } from "../config/diff.ts";
import type { AgentConfig } from "../config/types.ts";
import type { Outputs } from "../output/outputs.ts";
import { budgetProblem, type Descriptors } from "./descriptor-budget.ts";

/** @returns one line; null: nothing is known to be in the way */
export function reloadProblem(
  { watchers }: AgentConfig,
  { watchers: plan }: ConfigPlan,
  descriptors: Descriptors,
  outputs: Pick<Outputs, "problemOf">,
): string | null {
  const budget = budgetProblem(watchers, descriptors);
  if (budget !== null) return budget;
  const rewired = plan.changed.filter(({ changes }) => "stdoutStream" in changes || "stderrStream" in changes);
  const names = new Set([...plan.added, ...rewired].map(({ name }) => name));
  for (const watcher of watchers.filter(({ name }) => names.has(name))) {
    const problem = outputs.problemOf(watcher);
    if (problem !== null) return `${watcher.name}: ${problem}`;
  }
  return null;
}
