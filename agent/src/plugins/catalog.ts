/** The plugins that are built in, by the names of Circus's own classes, and their options (reference §9.2). Pure. */
import { readFlapping } from "./flapping-core.ts";
import { readStatsd } from "./metrics.ts";
import { type OptionProblem, OptionReader, type RawOptions } from "./options.ts";
import { parseRedisUrl } from "./redis-core.ts";
import { readResources } from "./resource-core.ts";
import { readWatchdog } from "./watchdog-core.ts";

const READERS = {
  statsd: (reader: OptionReader) => ({ statsd: readStatsd(reader) }),
  full_stats: (reader: OptionReader) => ({ statsd: readStatsd(reader), loopRateS: reader.loopRate(60) }),
  flapping: (reader: OptionReader) => readFlapping(reader),
  resource_watcher: (reader: OptionReader) => ({
    ...readResources(reader),
    statsd: readStatsd(reader),
    loopRateS: reader.loopRate(60),
  }),
  command_reloader: (reader: OptionReader) => ({ loopRateS: reader.loopRate(1) }),
  watchdog: readWatchdog,
  redis_observer: (reader: OptionReader) => {
    const url = reader.text("redis_url", "redis://localhost:6379/0");
    const address = parseRedisUrl(url);
    // Not the text itself: a password may stand in it.
    if (address === null) reader.problem("redis_url", "it is no redis://, rediss:// or unix:// address");
    return {
      ...{ address: address ?? NOWHERE, timeoutS: reader.seconds("timeout", 5, 0.001) },
      ...{ restartOnTimeout: reader.optional("restart_on_timeout") },
      ...{ statsd: readStatsd(reader, "redis_observer"), loopRateS: reader.loopRate(60) },
    };
  },
  http_observer: (reader: OptionReader) => {
    const url = reader.text("check_url", "http://localhost/");
    if (!/^https?:\/\/./i.test(url) || !URL.canParse(url)) {
      reader.problem("check_url", `'${url}' is no http:// or https:// address`);
    }
    return {
      ...{ url, timeoutS: reader.seconds("timeout", 10, 0.001) },
      ...{ restartOnError: reader.optional("restart_on_error") },
      ...{ statsd: readStatsd(reader, "http_observer"), loopRateS: reader.loopRate(60) },
    };
  },
} as const;

const NOWHERE = { host: "", port: 0, path: null, isTls: false, username: null, password: null };

export type BuiltinId = keyof typeof READERS;
export type BuiltinOptions<K extends BuiltinId> = ReturnType<(typeof READERS)[K]>;

const CLASSES: Readonly<Record<string, BuiltinId>> = {
  "circus.plugins.statsd.StatsdEmitter": "statsd",
  "circus.plugins._statsd.StatsdEmitter": "statsd",
  "circus.plugins.statsd.FullStats": "full_stats",
  "circus.plugins._statsd.FullStats": "full_stats",
  "circus.plugins.flapping.Flapping": "flapping",
  "circus.plugins.resource_watcher.ResourceWatcher": "resource_watcher",
  "circus.plugins.command_reloader.CommandReloader": "command_reloader",
  "circus.plugins.watchdog.WatchDog": "watchdog",
  "circus.plugins.redis_observer.RedisObserver": "redis_observer",
  "circus.plugins.http_observer.HttpObserver": "http_observer",
};

/** Null: it is somebody's own. `pkg.mod:Class` is the same as `pkg.mod.Class`. */
export function builtinOf(className: string): BuiltinId | null {
  const name = className.replace(":", ".");
  return Object.hasOwn(CLASSES, name) ? (CLASSES[name] ?? null) : null;
}

export const BUILTIN_CLASSES: readonly string[] = Object.keys(CLASSES);

export interface ReadResult<K extends BuiltinId> {
  readonly options: BuiltinOptions<K>;
  /** False: it is switched off. */
  readonly active: boolean;
  readonly problems: readonly OptionProblem[];
  /** What this plugin has options for. */
  readonly keys: ReadonlySet<string>;
}

export function readBuiltin<K extends BuiltinId>(id: K, raw: RawOptions): ReadResult<K> {
  const reader = new OptionReader(raw);
  const active = reader.bool("active", true);
  const options = READERS[id](reader) as BuiltinOptions<K>;
  // Read twice by Flapping, told once.
  const problems = reader.problems.filter(
    ({ key, problem }, i) => reader.problems.findIndex((other) => other.key === key && other.problem === problem) === i,
  );
  return { options, active, problems, keys: reader.keys };
}
