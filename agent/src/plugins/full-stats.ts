/** Sends what every watcher uses (FullStats, reference §9.2). */
import type { BuiltinOptions } from "./catalog.ts";
import { fullStats } from "./full-stats-core.ts";
import type { PluginHost } from "./host.ts";
import { counter } from "./metrics.ts";
import { StatsdClient } from "./statsd-client.ts";

export async function run(host: PluginHost, options: BuiltinOptions<"full_stats">): Promise<void> {
  using statsd = new StatsdClient(options.statsd);
  await host.every(options.loopRateS, async () => {
    try {
      const { infos } = (await host.client.ask("stats")) as unknown as { infos: Readonly<Record<string, unknown>> };
      statsd.send(...fullStats(infos));
    } catch (error) {
      statsd.send(counter("_stats.error"));
      throw error;
    }
  });
}
