/** Restarts a watcher that uses too much or too little (ResourceWatcher, reference §9.5). */
import type { BuiltinOptions } from "./catalog.ts";
import type { PluginHost } from "./host.ts";
import { counter } from "./metrics.ts";
import { lookAfter, type ResourceState } from "./resource-core.ts";
import { samplesOf } from "./statistics.ts";
import { StatsdClient } from "./statsd-client.ts";

export async function run(host: PluginHost, options: BuiltinOptions<"resource_watcher">): Promise<void> {
  using statsd = new StatsdClient(options.statsd);
  const { watcher: name, childSignal: signum } = options;
  let state: ResourceState = new Map();
  await host.every(options.loopRateS, async () => {
    let info: unknown;
    try {
      ({ info } = await host.client.ask("stats", { name }));
    } catch (error) {
      statsd.send(counter(`_resource_watcher.${name}.error`));
      throw error;
    }
    const step = lookAfter(state, samplesOf(info), options);
    ({ state } = step);
    for (const effect of step.effects) {
      if (effect.kind === "metric") statsd.send(effect.metric);
      else if (effect.kind === "restart") {
        host.log.warning("beyond its limits for too long: restarting", { watcher: name });
        await host.client.ask("restart", { name, match: "simple" });
      } else {
        const { pid, childPid } = effect;
        host.log.warning("child beyond its limits for too long", { watcher: name, pid, child: childPid, signum });
        await host.client.ask("signal", { name, pid, childpid: childPid, signum });
      }
    }
  });
}
