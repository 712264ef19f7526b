/** Times a web page, and may restart a watcher where there is none (HttpObserver, reference §9.2). */
import type { BuiltinOptions } from "./catalog.ts";
import type { PluginHost } from "./host.ts";
import { timeGet } from "./http-get.ts";
import { counter } from "./metrics.ts";
import { StatsdClient } from "./statsd-client.ts";

export async function run(host: PluginHost, options: BuiltinOptions<"http_observer">): Promise<void> {
  using statsd = new StatsdClient(options.statsd);
  const { url, timeoutS, restartOnError } = options;
  await host.every(options.loopRateS, async () => {
    const answer = await timeGet(url, timeoutS * 1000, host.signal);
    if (host.signal.aborted) return;
    if (answer.reason === null) {
      statsd.send({ kind: "timer", bucket: "http_stats.request_time", ms: answer.tookMs });
      return;
    }
    host.log.warning("the page is not well", { url, reason: answer.reason });
    statsd.send(counter("http_stats.error"), counter(`http_stats.error.${answer.code}`));
    if (restartOnError === null) return;
    if (await host.restartRunning(restartOnError, answer.reason)) statsd.send(counter("http_stats.restart_on_error"));
  });
}
