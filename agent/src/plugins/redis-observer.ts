/** Sends what a Redis says of itself, and may restart it where it does not answer (RedisObserver, reference §9.2). */
import type { BuiltinOptions } from "./catalog.ts";
import type { PluginHost } from "./host.ts";
import { counter } from "./metrics.ts";
import { redisMetrics } from "./redis-core.ts";
import { redisInfo } from "./redis-info.ts";
import { StatsdClient } from "./statsd-client.ts";

export async function run(host: PluginHost, options: BuiltinOptions<"redis_observer">): Promise<void> {
  using statsd = new StatsdClient(options.statsd);
  const { timeoutS, restartOnTimeout } = options;
  // What stands in the section can be read in the list of processes; a password need not.
  const address = { ...options.address, password: options.address.password ?? process.env["REDISCLI_AUTH"] ?? null };
  await host.every(options.loopRateS, async () => {
    const answer = await redisInfo(address, timeoutS * 1000, host.signal);
    if (host.signal.aborted) return;
    if (answer.kind === "info") {
      statsd.send(...redisMetrics(answer.text));
      return;
    }
    host.log.warning("no INFO from redis", { reason: answer.reason });
    statsd.send(counter("redis_stats.error"));
    // One that refuses is there: it loads its data, or wants another password.
    if (restartOnTimeout === null || answer.kind === "refused") return;
    if (await host.restartRunning(restartOnTimeout, answer.reason))
      statsd.send(counter("redis_stats.restart_on_error"));
  });
}
