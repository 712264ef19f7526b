/** What a new configuration file would do to a running agent, for people who decide about it. */
import type { ConfigEffects } from "@circus-cluster/proto";
import { launchProblem } from "../arbiter/launch.ts";
import type { ConfigPlan } from "../config/diff.ts";
import type { AgentConfig } from "../config/types.ts";

/** Of watchers that would get new processes: what they need and this host has not got. */
export function launchWarnings(next: AgentConfig, { watchers: { added, changed } }: ConfigPlan): readonly string[] {
  const renewed = new Set(changed.filter(({ renewal }) => renewal !== "none").map(({ name }) => name));
  return [...added, ...next.watchers.filter(({ name }) => renewed.has(name))].flatMap((watcher) => {
    const problem = launchProblem(watcher);
    return problem === null ? [] : [`${watcher.name} would not start: ${problem}`];
  });
}

export function effectsOf({ watchers, sockets, deferred }: ConfigPlan): ConfigEffects {
  const names = (items: readonly { readonly name: string }[]): readonly string[] => items.map(({ name }) => name);
  const isRenewed = ({ renewal }: (typeof watchers.changed)[number]): boolean => renewal !== "none";
  return {
    added: names(watchers.added),
    removed: watchers.removed,
    renewed: names(watchers.changed.filter(isRenewed)),
    changed: names(watchers.changed.filter((change) => !isRenewed(change))),
    sockets: [...names(sockets.added), ...sockets.removed, ...names(sockets.tuned), ...names(sockets.rebound)],
    deferred,
  };
}
