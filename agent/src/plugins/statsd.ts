/** Counts every event of every watcher (StatsdEmitter, reference §9.2). */
import type { BuiltinOptions } from "./catalog.ts";
import type { PluginHost } from "./host.ts";
import { counter } from "./metrics.ts";
import { StatsdClient } from "./statsd-client.ts";

export async function run(host: PluginHost, { statsd: options }: BuiltinOptions<"statsd">): Promise<void> {
  using statsd = new StatsdClient(options);
  for await (const { watcher, event } of await host.listen()) statsd.send(counter(`${watcher}.${event}`));
}
