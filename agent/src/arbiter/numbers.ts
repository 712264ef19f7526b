/** Lets those see the agent's numbers who asked for them: the statistics stream, the page of metrics. */
import type { AgentView } from "../commands/agent-view.ts";
import type { Foundation } from "./foundation.ts";

/** @param isConnected to the fleet's broker */
export function serveNumbers(
  { stats, metrics, fleet }: Pick<Foundation, "stats" | "metrics" | "fleet">,
  agent: Pick<AgentView, "watchers" | "sockets">,
  isConnected: () => boolean,
): void {
  stats?.serve({
    watchers: () => agent.watchers().map((w) => ({ name: w.config.name, pids: w.processes().map(({ pid }) => pid) })),
    sockets: () => agent.sockets(),
  });
  metrics?.serve({
    watchers: () => agent.watchers().map((watcher) => watcher.snapshot()),
    fleet: () => (fleet === null ? null : { isConnected: isConnected(), backlog: fleet.outbox.backlog }),
  });
}
