/** circus-controller: command line, signals, exit codes; nothing else. */
import { isCircusError, type Logger, reasonOf, VERSION } from "@circus-cluster/proto";
import { type ControllerConfig, loadConfig, worldOf } from "./config.ts";
import { Controller } from "./controller.ts";
import { jsonLogger } from "./log.ts";
import { HELP, parseOptions, USAGE } from "./options.ts";
import { StateDir } from "./state-dir.ts";
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
    case "check":
    case "run": {
      const loaded = loadConfig(options.file, worldOf(process.env, process.getuid?.() ?? -1));
      if (!loaded.ok) {
        for (const problem of loaded.problems) process.stderr.write(`${problem}\n`);
        return 1;
      }
      return options.kind === "check" ? 0 : await run(loaded.config);
    }
    default:
      return options satisfies never;
  }
}

async function run(config: ControllerConfig): Promise<number> {
  const log = jsonLogger((line) => process.stderr.write(line));
  const stop = new AbortController();
  for (const signal of SIGNALS) process.on(signal, () => stop.abort(signal));
  try {
    using dir = StateDir.open(config.stateDir);
    using stores = openStores(dir.path);
    await using controller = await Controller.start(config, stores, log, stop.signal);
    if (controller === null) return 0;
    log.info("controller started", { name: config.name, fleet: config.fleet, state_dir: dir.path, version: VERSION });
    return await untilStopped(controller, log, stop.signal);
  } catch (error) {
    const isOurs = isCircusError(error);
    process.stderr.write(`circus-controller: ${(isOurs ? undefined : stackOf(error)) ?? reasonOf(error)}\n`);
    return 1;
  }
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
