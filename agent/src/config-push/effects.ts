/** What a new configuration file would do to a running agent, for people who decide about it. */
import type { ConfigEffects } from "@circus-cluster/proto";
import { launchProblem } from "../arbiter/launch.ts";
import type { ConfigPlan, WatcherChange } from "../config/diff.ts";
import type { AgentConfig } from "../config/types.ts";

/** Does it take new processes? */
function isRenewed({ renewal }: WatcherChange): boolean {
  return renewal !== "none";
}

/** Of watchers that would get new processes: what they need and this host has not got. */
export function launchWarnings(next: AgentConfig, { watchers: { added, changed } }: ConfigPlan): readonly string[] {
  const renewed = new Set(changed.filter(isRenewed).map(({ name }) => name));
  return [...added, ...next.watchers.filter(({ name }) => renewed.has(name))].flatMap((watcher) => {
    const problem = launchProblem(watcher);
    return problem === null ? [] : [`${watcher.name} would not start: ${problem}`];
  });
}

export function effectsOf({ watchers, sockets, deferred }: ConfigPlan): ConfigEffects {
  const names = (items: readonly { readonly name: string }[]): readonly string[] => items.map(({ name }) => name);
  return {
    added: names(watchers.added),
    removed: watchers.removed,
    renewed: names(watchers.changed.filter(isRenewed)),
    changed: names(watchers.changed.filter((change) => !isRenewed(change))),
    sockets: [...names(sockets.added), ...sockets.removed, ...names(sockets.tuned), ...names(sockets.rebound)],
    deferred,
  };
}
