/** circus-plugin: runs one built-in plugin against an agent; nothing else (reference §9.1). */
import { parseArgs } from "node:util";
import { CIRCUS_VERSION, isCircusError, LOG_LEVELS, reasonOf } from "@circus-cluster/proto";
import { parseLogOutput } from "../config/log-output.ts";
import { isPlugin, PLUGIN_PREFIX } from "../config/plugin-name.ts";
import { openLog } from "../log/logger.ts";
import { BUILTIN_CLASSES, type BuiltinId, type BuiltinOptions, builtinOf, readBuiltin } from "./catalog.ts";
import { PluginHost } from "./host.ts";
import { decodeOptions } from "./options.ts";

const USAGE = `usage: circus-plugin [-h] [--endpoint ENDPOINT] [--pubsub PUBSUB] [--config KEY:VALUE:::KEY:VALUE]
                     [--check-delay SECONDS] [--log-level LEVEL] [--log-output FILE] [--version] [plugin]`;

const HELP = `${USAGE}

Runs a plugin of Circus's that is built in, outside of circusd or by it.

positional arguments:
  plugin                class name of the plugin:
${BUILTIN_CLASSES.filter((name) => !name.includes("._"))
  .map((name) => `                          ${name}`)
  .join("\n")}

options:
  -h, --help            show this help message and exit
  --endpoint ENDPOINT   the agent's command endpoint (default: tcp://127.0.0.1:5555)
  --pubsub PUBSUB       the agent's event endpoint (default: tcp://127.0.0.1:5556)
  --config CONFIG       the plugin's options
  --check-delay SECONDS taken and not needed: no built-in plugin counts the agent's ticks
  --log-level LEVEL     critical, error, warning, info or debug (default: info)
  --log-output FILE     where the log goes, - for stdout (default)
  --parent PID          end as soon as this process is not its parent (any more)
  --version             show the version of Circus that this one speaks for, and exit`;

const OPTIONS = {
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
  endpoint: { type: "string", default: "tcp://127.0.0.1:5555" },
  pubsub: { type: "string", default: "tcp://127.0.0.1:5556" },
  config: { type: "string", default: "" },
  "check-delay": { type: "string" },
  "log-level": { type: "string", default: "info" },
  "log-output": { type: "string", default: "-" },
  ssh: { type: "string" },
  parent: { type: "string" },
} as const;

/** How often it is looked whether the parent lives, ms. */
const PARENT_MS = 1000;

type Words = ReturnType<typeof readWords>;

function readWords(argv: readonly string[]) {
  return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
}

function complain(line: string): void {
  process.stderr.write(`circus-plugin: ${line}\n`);
}

async function main(argv: readonly string[]): Promise<number> {
  let words: Words;
  try {
    words = readWords(argv);
  } catch (error) {
    return usageError(reasonOf(error));
  }
  const { values, positionals } = words;
  const [className, more] = positionals;
  if (values.help === true) process.stdout.write(`${HELP}\n`);
  else if (values.version === true) process.stdout.write(`${CIRCUS_VERSION}\n`);
  else if (className === undefined) process.stdout.write(`${USAGE}\n`);
  else if (more !== undefined) return usageError(`unrecognized arguments: ${more}`);
  else if (values.ssh !== undefined) {
    return usageError("--ssh is not supported; forward both endpoints by ssh -L and name them");
  } else return await start(className, values);
  return 0;
}

function usageError(message: string): number {
  process.stderr.write(`${USAGE}\ncircus-plugin: error: ${message}\n`);
  return 2;
}

async function start(className: string, values: Words["values"]): Promise<number> {
  const id = builtinOf(className);
  if (id === null) {
    complain(`'${className}' is not built in; Python runs it: python3 -c 'from circus import plugins; plugins.main()'`);
    return 1;
  }
  const level = LOG_LEVELS.find((known) => known === values["log-level"].toLowerCase());
  if (level === undefined)
    return usageError(`--log-level: '${values["log-level"]}' is not one of ${LOG_LEVELS.join(", ")}`);
  const output = parseLogOutput(values["log-output"]);
  if (!output.ok) return usageError(`--log-output: ${output.problem}`);
  const raw = decodeOptions(values.config);
  const { options, active, problems } = readBuiltin(id, raw);
  for (const { key, problem } of problems) complain(`${key}: ${problem}`);
  if (problems.length > 0) return 1;
  try {
    using log = openLog({ level, target: output.target });
    const name = raw.get("name") ?? `${PLUGIN_PREFIX}${id}`;
    process.title = `circus-plugin ${name.slice(isPlugin(name) ? PLUGIN_PREFIX.length : 0)}`;
    const logger = log.logger.child({ plugin: name });
    if (!active) {
      logger.info("not active");
      return 0;
    }
    const { signal } = endOf(values.parent === undefined ? null : Number(values.parent));
    await using host = new PluginHost({
      ...{ endpoint: values.endpoint, pubsub: values.pubsub },
      name,
      log: logger,
      signal,
    });
    logger.info("plugin started", { endpoint: values.endpoint });
    await runPlugin(id, host, options);
    logger.info("plugin stopped");
    return 0;
  } catch (error) {
    complain(isCircusError(error) || !(error instanceof Error) ? reasonOf(error) : (error.stack ?? error.message));
    return 1;
  }
}

type Run<K extends BuiltinId> = (host: PluginHost, options: BuiltinOptions<K>) => Promise<void>;

/** Each loaded by need: a process runs one. */
const RUNS: { readonly [K in BuiltinId]: () => Promise<{ readonly run: Run<K> }> } = {
  statsd: () => import("./statsd.ts"),
  full_stats: () => import("./full-stats.ts"),
  flapping: () => import("./flapping.ts"),
  resource_watcher: () => import("./resource-watcher.ts"),
  command_reloader: () => import("./command-reloader.ts"),
  watchdog: () => import("./watchdog.ts"),
  redis_observer: () => import("./redis-observer.ts"),
  http_observer: () => import("./http-observer.ts"),
};

async function runPlugin<K extends BuiltinId>(id: K, host: PluginHost, options: BuiltinOptions<K>): Promise<void> {
  const { run } = await RUNS[id]();
  await run(host, options);
}

/** Aborts at SIGTERM or SIGINT, or when the parent has gone: an orphan would act beside its successor. */
function endOf(parent: number | null): AbortController {
  const end = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => end.abort());
  const look = (): void => {
    if (process.ppid !== parent) end.abort();
  };
  if (parent !== null) {
    look(); // it may have gone before we could look
    setInterval(look, PARENT_MS).unref();
  }
  return end;
}

process.exitCode = await main(process.argv.slice(2));
