/** circus-controller: command line, signals, exit codes; nothing else. */
import { isCircusError, type Logger, reasonOf, VERSION } from "@circus-cluster/proto";
import { type ControllerConfig, type LoadedConfig, loadConfig, worldOf } from "./config.ts";
import { Controller } from "./controller.ts";
import type { HttpDoor } from "./doors/http.ts";
import { jsonLogger, lossLine } from "./log.ts";
import { HELP, type Options, parseOptions, USAGE } from "./options.ts";
import { StateDir } from "./state-dir.ts";
import { boundedLines, openStderr } from "./stderr-lines.ts";
import { openStores } from "./store/database.ts";

const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

async function main(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv);
  switch (options.kind) {
    case "help":
      process.stdout.write(`${HELP}\n`);
      return 0;
    case "version":
      process.stdout.write(`${VERSION}\n`);
      return 0;
    case "usage-error":
      process.stderr.write(`${USAGE}\ncircus-controller: ${options.message}\n`);
      return 2;
    case "check": {
      const { report } = await import("./operations/check.ts");
      return report(load(options.file), options, (text) => process.stdout.write(text));
    }
    default:
      return await withSettings(options);
  }
}

function load(file: string): LoadedConfig {
  return loadConfig(file, worldOf(process.env, process.getuid?.() ?? -1));
}

type Working = Exclude<Extract<Options, { readonly file: string }>, { readonly kind: "check" }>;

/** What needs settings without a mistake. */
async function withSettings(options: Working): Promise<number> {
  const loaded = load(options.file);
  if (!loaded.ok) {
    for (const problem of loaded.problems) process.stderr.write(`${problem}\n`);
    return 1;
  }
  const { config } = loaded;
  switch (options.kind) {
    case "check-settings":
      return 0;
    case "run":
      return await run(config);
    case "backup":
    case "prune":
    case "rebuild":
    case "token":
    case "notify-test":
      return await operate(options, config);
    default:
      return options satisfies never;
  }
}

async function operate(options: Working, config: ControllerConfig): Promise<number> {
  const out = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  try {
    if (options.kind === "backup") {
      const { backup } = await import("./operations/backup.ts");
      backup(config, options.directory, out);
    } else if (options.kind === "prune") {
      const { pruneNow } = await import("./operations/prune.ts");
      pruneNow(config, options, out);
    } else if (options.kind === "rebuild") {
      const { rebuild } = await import("./operations/rebuild.ts");
      await rebuild(config, out, stopSignal());
    } else if (options.kind === "token") {
      const { tokens } = await import("./operations/token.ts");
      tokens(config, options.work, out);
    } else if (options.kind === "notify-test") {
      const { notifyTest } = await import("./operations/notify-test.ts");
      return (await notifyTest(config, options.rule, out, stopSignal())) ? 0 : 1;
    }
    return 0;
  } catch (error) {
    return complain(error);
  }
}

function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of SIGNALS) process.on(signal, () => stop.abort(signal));
  return stop.signal;
}

/** @returns the exit code. */
function complain(error: unknown): number {
  const isOurs = isCircusError(error);
  process.stderr.write(`circus-controller: ${(isOurs ? undefined : stackOf(error)) ?? reasonOf(error)}\n`);
  return 1;
}

async function run(config: ControllerConfig): Promise<number> {
  const log = jsonLogger(boundedLines(openStderr(), lossLine));
  const stop = stopSignal();
  try {
    using dir = StateDir.open(config.stateDir);
    using stores = openStores(dir.path);
    await using http = await openHttp(config, log);
    await using controller = await Controller.start(config, stores, log, stop, http);
    if (controller === null) return 0;
    log.info("controller started", { name: config.name, fleet: config.fleet, state_dir: dir.path, version: VERSION });
    return await untilStopped(controller, log, stop);
  } catch (error) {
    return complain(error);
  }
}

/** Loaded by need; null where it is off. */
async function openHttp({ http }: ControllerConfig, log: Logger): Promise<HttpDoor | null> {
  if (http === null) return null;
  const { HttpDoor } = await import("./doors/http.ts");
  return await HttpDoor.open(http, log);
}

async function untilStopped(controller: Controller, log: Logger, signal: AbortSignal): Promise<number> {
  const stopped = new Promise<"stopped">((resolve) => {
    if (signal.aborted) resolve("stopped");
    signal.addEventListener("abort", () => resolve("stopped"));
  });
  const end = await Promise.race([stopped, controller.failed]);
  if (end === "stopped") {
    log.info("controller stops", { signal: String(signal.reason) });
    return 0;
  }
  log.error("the connection to the fleet has ended for good", { reason: end });
  return 1;
}

/** For what is our bug; a user's mistake has one line. */
function stackOf(error: unknown): string | undefined {
  return error instanceof Error && error.cause === undefined ? error.stack : undefined;
}

// Databases and their logs are nobody else's business.
process.umask(0o077);
process.title = "circus-controller";
process.exitCode = await main(process.argv.slice(2));
