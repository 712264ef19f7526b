/** Lets those see the agent's numbers who asked for them: the statistics stream, the page of metrics. */
import type { AgentView } from "../commands/agent-view.ts";
import { UsageLook } from "../stats/usage-look.ts";
import type { Foundation } from "./foundation.ts";

/** CPU time and memory of all watchers for whoever asks. */
export function usageOf(watchers: AgentView["watchers"]): AgentView["usage"] {
  const usage = new UsageLook();
  return () => usage.look(() => pidsOf(watchers()));
}

function pidsOf(
  watchers: ReturnType<AgentView["watchers"]>,
): readonly { readonly name: string; readonly pids: readonly number[] }[] {
  return watchers.map((watcher) => ({ name: watcher.config.name, pids: watcher.processes().map(({ pid }) => pid) }));
}

/** @param isConnected to the fleet's broker */
export function serveNumbers(
  { stats, metrics, fleet }: Pick<Foundation, "stats" | "metrics" | "fleet">,
  agent: Pick<AgentView, "watchers" | "sockets">,
  isConnected: () => boolean,
): void {
  stats?.serve({
    watchers: () => pidsOf(agent.watchers()),
    sockets: () => agent.sockets(),
  });
  metrics?.serve({
    watchers: () => agent.watchers().map((watcher) => watcher.snapshot()),
    fleet: () => (fleet === null ? null : { isConnected: isConnected(), backlog: fleet.outbox.backlog }),
  });
}
