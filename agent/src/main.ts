/** circusd: command line, signals, pid file, exit codes; nothing else (reference §7). */
import { CIRCUS_VERSION, isCircusError, LOG_LEVELS, type LogLevel, reasonOf } from "@circus-cluster/proto";
import { ProcessSignals } from "./arbiter/process-signals.ts";
import { Arbiter, type ArbiterOptions } from "./arbiter.ts";
import { checkReport, formatDiagnostics } from "./config/check.ts";
import { loadConfig } from "./config/load.ts";
import { parseLogOutput } from "./config/log-output.ts";
import type { AgentConfig, CircusSection, LoadResult } from "./config/types.ts";
import { Background, startInBackground } from "./daemon.ts";
import { type AgentLog, type LogOptions, openLog } from "./log/logger.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { PidFile } from "./pidfile.ts";
import { START_NOFILE, sealInheritedDescriptors, takeStartArenas, takeStartNofile } from "./process/inherited.ts";
import { SocketError } from "./sockets/bind.ts";
import type { ResourceLimit } from "./sockets/syscalls.ts";
import { ServiceManager, takeFromManager } from "./systemd/manager.ts";
import { followWatchers } from "./systemd/status.ts";

type RunOptions = Extract<Options, { kind: "run" }>;

async function main(options: Options, nofile: ResourceLimit | null): Promise<number> {
  switch (options.kind) {
    case "help":
      process.stdout.write(`${options.text}\n`);
      return 0;
    case "version":
      process.stdout.write(`${CIRCUS_VERSION}\n`);
      return 0;
    case "usage-error":
      process.stderr.write(`${USAGE}\ncircusd: error: ${options.message}\n`);
      return 2;
    case "check":
      return check(options.configPath, options.json);
    case "run":
      return await runOrDetach(options, nofile);
    default:
      return options satisfies never;
  }
}

function complain(line: string): void {
  process.stderr.write(`circusd: ${line}\n`);
}

function check(path: string, json: boolean): number {
  const result = loadConfig(path);
  if (json) process.stdout.write(`${JSON.stringify(checkReport(result, process.cwd()), null, 2)}\n`);
  else for (const line of formatDiagnostics(result.diagnostics, process.cwd())) process.stderr.write(`${line}\n`);
  return result.config === null ? 1 : 0;
}

async function runOrDetach(options: RunOptions, nofile: ResourceLimit | null): Promise<number> {
  const background = Background.take(process.env);
  if (!options.isDaemon || background !== null) return await run(options, nofile, background);
  const env = { ...startArenas, [START_NOFILE]: nofile?.soft.toString() };
  return await startInBackground(process.argv.slice(2), env);
}

async function run(options: RunOptions, nofile: ResourceLimit | null, background: Background | null): Promise<number> {
  const { config, diagnostics } = loadConfig(options.configPath);
  for (const line of formatDiagnostics(diagnostics, process.cwd())) process.stderr.write(`${line}\n`);
  if (config === null) return 1;
  try {
    using log = openLog(logOptions(options, config));
    let ownUmask: number | null = null;
    const setUmask = (mask: number | null): void => {
      const wanted = mask ?? ownUmask;
      if (wanted === null) return;
      const before = process.umask(wanted);
      ownUmask ??= before;
    };
    setUmask(config.circus.umask);
    const pidfile = options.pidfile ?? config.circus.pidfile;
    using manager = new ServiceManager(manages, log.logger);
    using _pid = pidfile === null ? null : PidFile.create(pidfile);
    const applyCircus = (circus: CircusSection, changed: readonly string[]): void => {
      log.setLevel(levelOf(options, circus));
      if (changed.includes("umask")) setUmask(circus.umask);
    };
    const onBound = (): void => {
      background?.ready();
      manager.ready();
    };
    const { configPath: path, isAdoptionRefused } = options;
    return await live({ config, log, nofile, path, onBound, applyCircus, isAdoptionRefused, manager });
  } catch (error) {
    const isBug = !isCircusError(error) && !(error instanceof SocketError);
    complain((isBug && error instanceof Error ? error.stack : undefined) ?? reasonOf(error));
    return 1;
  }
}

function logOptions(options: RunOptions, { circus }: AgentConfig): LogOptions {
  const output = parseLogOutput(options.logoutput ?? circus.logoutput);
  if (!output.ok) throw new Error(`invariant broken: an output of the log was not checked: ${output.problem}`);
  return { level: levelOf(options, circus), target: output.target };
}

function levelOf({ loglevel }: RunOptions, circus: CircusSection): LogLevel {
  const wanted = loglevel ?? circus.loglevel;
  return LOG_LEVELS.find((level) => level === wanted) ?? "info";
}

interface Life {
  readonly config: AgentConfig;
  /** Of the configuration, as given. */
  readonly path: string;
  readonly log: AgentLog;
  readonly nofile: ResourceLimit | null;
  /** Called when all is bound, before the first worker. */
  readonly onBound: () => void;
  readonly applyCircus: ArbiterOptions["applyCircus"];
  readonly isAdoptionRefused: boolean;
  readonly manager: ServiceManager;
}

/** One arbiter after another, until one ends for good. Resolves with the exit code. */
async function live({ config: first, path, log, onBound, ...life }: Life): Promise<number> {
  const { manager } = life;
  const { logger } = log;
  let failure: string | null = null;
  const signals = new ProcessSignals(logger, () => log.reopen());
  let handed = manager.handed();
  for (let config: AgentConfig | null = first; config !== null && !signals.hasQuit; ) {
    const reload = (): LoadResult => loadConfig(path);
    const arbiter: Arbiter = await Arbiter.open({ ...life, config, log: logger, reload, handed, keepsState: true });
    onBound();
    using _status = followWatchers(manager, arbiter);
    arbiter.start();
    signals.attach(arbiter);
    const end = await arbiter.ended;
    signals.detach();
    config = end.kind === "restart" ? end.config : null;
    handed = end.kind === "restart" ? end.handed : [];
    if (end.kind === "quit") ({ failure } = end);
  }
  if (failure !== null) complain(failure);
  logger.info("circusd stopped");
  return failure === null ? 0 : 1;
}

sealInheritedDescriptors();
const startNofile = takeStartNofile(process.env);
const manages = takeFromManager(process.env);
const startArenas = takeStartArenas(process.env);
process.title = "circusd";
const exitCode = await main(parseOptions(process.argv.slice(2)), startNofile);
process.exitCode = exitCode;
// Once the last datagrams of the log are out, but before Node gives signals their default back: a late SIGTERM would
// kill it then.
process.once("beforeExit", () => process.exit(exitCode));
