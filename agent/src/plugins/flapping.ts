/** Stops watchers that flap, and starts them again after a while (reference §9.4). */
import { isCircusError } from "@circus-cluster/proto";
import type { BuiltinOptions } from "./catalog.ts";
import {
  type FlappingEffect,
  type FlappingInput,
  type FlappingOptions,
  type FlappingState,
  flapping,
  readFlapping,
} from "./flapping-core.ts";
import type { PluginHost } from "./host.ts";
import { OptionReader } from "./options.ts";

const PREFIX = "flapping.";

export async function run(host: PluginHost, defaults: BuiltinOptions<"flapping">): Promise<void> {
  let state: FlappingState = new Map();
  const timers = new Map<string, NodeJS.Timeout>();

  const feed = (input: FlappingInput): void => {
    const step = flapping(state, input);
    state = step.state;
    for (const effect of step.effects) perform(effect);
  };

  const perform = (effect: FlappingEffect): void => {
    const { watcher } = effect;
    switch (effect.kind) {
      case "stop": {
        const { reason, isFinal } = effect;
        host.log.warning(isFinal ? "stopped for good" : "stopped for a while", { watcher, reason });
        const properties = { name: watcher, match: "simple", reason, for_now: !isFinal };
        void host.attempt("stop failed", () => host.client.ask("stop", properties));
        return;
      }
      case "start": {
        host.log.info("started again", { watcher });
        const properties = { name: watcher, match: "simple", unless_stopped: true };
        void host.attempt("start failed", () => host.client.ask("start", properties));
        return;
      }
      case "set_timer":
        clearTimeout(timers.get(watcher));
        timers.set(
          watcher,
          setTimeout(() => {
            timers.delete(watcher);
            feed({ kind: "retry", watcher });
          }, effect.delayS * 1000),
        );
        return;
      case "clear_timer":
        clearTimeout(timers.get(watcher));
        timers.delete(watcher);
        return;
      default:
        effect satisfies never;
    }
  };

  for await (const { watcher, event, payload } of await host.listen()) {
    if (watcher === host.ownName) continue;
    if (!state.has(watcher) || event === "updated") {
      const options = await optionsOf(host, watcher, defaults);
      if (options === null) continue;
      feed({ kind: "configured", watcher, options });
    }
    const { process_pid: pid, time } = payload;
    const timeS = typeof time === "number" ? time : Date.now() / 1000;
    feed({ kind: "event", watcher, event, pid: typeof pid === "number" ? pid : null, timeS });
  }
  for (const timer of timers.values()) clearTimeout(timer);
}

/** What the watcher says in place of the plugin; null where there is no such watcher (any more). */
async function optionsOf(
  host: PluginHost,
  watcher: string,
  defaults: FlappingOptions,
): Promise<FlappingOptions | null> {
  let own: ReadonlyMap<string, string> = new Map();
  try {
    const pairs = Object.entries(await host.client.options(watcher))
      .filter(([key]) => key.startsWith(PREFIX))
      .map(([key, value]): [string, string] => [key.slice(PREFIX.length), String(value)]);
    own = new Map(pairs);
  } catch (error) {
    if (isCircusError(error) && error.code === "message") return null;
    host.log.warning("options not known, the plugin's own hold", { watcher, err: error });
  }
  const reader = new OptionReader(own);
  const options = readFlapping(reader, defaults);
  for (const { key, problem } of reader.problems) host.log.warning(`${PREFIX}${key}: ${problem}`, { watcher });
  return options;
}
