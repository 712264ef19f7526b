/** Handler of `usage`. */
import type { HostUsage, WatcherUsage } from "@circus-cluster/proto";
import type { AgentView } from "./agent-view.ts";
import type { Fields } from "./properties.ts";

export async function usage(agent: AgentView): Promise<Fields> {
  const { at, usages } = await agent.usage();
  const watchers = agent.watchers().map((watcher): WatcherUsage => {
    const { name, state, since, reason, numprocesses, processes, restarts = 0 } = watcher.snapshot();
    const { cpuS = 0, rssBytes = 0 } = usages.get(name) ?? {};
    return {
      ...{ name, state, since, reason, numprocesses, running: processes.length, restarts },
      healthy: processes.filter(({ health }) => health === "healthy").length,
      ...{ cpu_s: cpuS, rss_bytes: rssBytes },
    };
  });
  return { usage: { at, watchers } satisfies HostUsage };
}
