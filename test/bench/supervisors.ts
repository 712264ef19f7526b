/**
 * The peers of the bench behind one interface: each runs N workers `sleep 3600` and restarts them.
 * A peer that is not on this machine is left out by name, never invented.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startNatsServer } from "../support/nats-server.ts";
import { freePorts } from "../support/ports.ts";
import { startProgram } from "../support/process.ts";
import { until, workersOf } from "./measure.ts";

export interface Supervisor {
  readonly name: string;
  /** Starts it with n workers; resolves when the kernel shows all of them. */
  start(n: number): Promise<Running>;
}

export interface StatusCommand {
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

export interface Running {
  /** The process whose children the workers are. */
  readonly pid: number;
  readonly endpoint: string | null;
  /** Its status command; null: it has none. */
  readonly status: StatusCommand | null;
  stop(): Promise<void>;
}

/** What children get: ours, without what slows every Node start (fleet-protocol §0). */
export function cleanEnv(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  return { XDG_STATE_HOME: join(tmpdir(), "circus-bench-state"), ...env, ...extra };
}

async function started(child: ChildProcess, pid: number, n: number, what: string): Promise<void> {
  await until(`${n} workers of ${what}`, 120_000, () => {
    if (child.exitCode !== null && child.exitCode !== 0) throw new Error(`${what} ended with ${child.exitCode}`);
    return workersOf(pid).length >= n ? true : undefined;
  });
}

export async function ended(child: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
  await exit;
  clearTimeout(late);
}

/** @param more sections, line by line */
function ourIni(n: number, endpoint: number, pubsub: number, stateDir: string, more: readonly string[]): string {
  return [
    "[circus]",
    "check_delay = 5",
    `endpoint = tcp://127.0.0.1:${endpoint}`,
    `pubsub_endpoint = tcp://127.0.0.1:${pubsub}`,
    stateDir === "" ? "" : `state_dir = ${stateDir}`,
    "[watcher:w]",
    "cmd = sleep 3600",
    `numprocesses = ${n}`,
    "copy_env = True",
    "graceful_timeout = 2",
    ...more,
    "",
  ].join("\n");
}

interface CircusOptions {
  readonly ours: boolean;
  /** Further lines of its file. @default none */
  readonly more?: readonly string[];
}

/** circusd of this project, and with a checkout of Circus the Python one: they read the same file. */
function circus(
  name: string,
  dir: string,
  command: readonly string[],
  status: readonly string[],
  { ours, more = [] }: CircusOptions,
): Supervisor {
  return {
    name,
    async start(n) {
      const [endpoint = 0, pubsub = 0] = await freePorts(2);
      mkdirSync(dir, { recursive: true });
      const ini = join(dir, `${name}.ini`);
      writeFileSync(ini, ourIni(n, endpoint, pubsub, ours ? join(dir, "state") : "", more));
      const [file = "", ...args] = command;
      const child = spawn(file, [...args, ini], { env: pythonEnv(), stdio: "ignore" });
      await started(child, child.pid ?? 0, n, name);
      return {
        pid: child.pid ?? 0,
        endpoint: `tcp://127.0.0.1:${endpoint}`,
        status: { argv: [...status, "--endpoint", `tcp://127.0.0.1:${endpoint}`, "status"], env: pythonEnv() },
        stop: () => ended(child),
      };
    },
  };
}

function ours(dir: string, root: string): Supervisor {
  const bin = (name: string) => join(root, "node_modules/.bin", name);
  return circus("ours", dir, [bin("circusd")], [bin("circusctl")], { ours: true });
}

/** Ours as a member of a fleet of one, with a broker and a controller beside it while `use` runs. */
export async function inFleet<T>(dir: string, root: string, use: (supervisor: Supervisor) => Promise<T>): Promise<T> {
  const bin = (name: string) => join(root, "node_modules/.bin", name);
  const home = join(dir, "fleet");
  mkdirSync(home, { recursive: true });
  await using server = await startNatsServer();
  const fleet = [`nats_url = ${server.url}`, "fleet = main"];
  const ini = join(home, "controller.ini");
  writeFileSync(ini, ["[controller]", ...fleet, `state_dir = ${join(home, "controller")}`, ""].join("\n"));
  await using controller = await startProgram("circus-controller", [ini]);
  await controller.waitForLine(/reading events/, 60_000);
  const more = ["[fleet]", ...fleet, "host = one"];
  return await use(circus("ours, in a fleet", home, [bin("circusd")], [bin("circusctl")], { ours: true, more }));
}

/** For programs of the checkout of Circus, if there is one. */
export function pythonEnv(): NodeJS.ProcessEnv {
  return cleanEnv(process.env["CIRCUS_SRC"] === undefined ? {} : { PYTHONPATH: process.env["CIRCUS_SRC"] });
}

function supervisord(dir: string): Supervisor {
  return {
    name: "supervisord",
    async start(n) {
      mkdirSync(dir, { recursive: true });
      const conf = join(dir, "supervisord.conf");
      const sock = join(dir, "s.sock");
      writeFileSync(
        conf,
        `[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile=${dir}/s.pid\nuser=${process.getuid?.() === 0 ? "root" : ""}\n` +
          `[unix_http_server]\nfile=${sock}\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n` +
          `[supervisorctl]\nserverurl=unix://${sock}\n` +
          `[program:w]\ncommand=sleep 3600\nprocess_name=%(program_name)s_%(process_num)d\nnumprocs=${n}\nstartsecs=0\nautorestart=true\nstdout_logfile=NONE\nstderr_logfile=NONE\n`,
      );
      const child = spawn("supervisord", ["-c", conf], { env: cleanEnv(), stdio: "ignore" });
      await started(child, child.pid ?? 0, n, "supervisord");
      return {
        pid: child.pid ?? 0,
        endpoint: null,
        status: { argv: ["supervisorctl", "-c", conf, "status"], env: cleanEnv() },
        stop: () => ended(child),
      };
    },
  };
}

function pm2(dir: string): Supervisor | null {
  const prefix = join(dir, "pm2");
  try {
    execFileSync("npm", ["install", "--silent", "--no-audit", "--no-fund", "--prefix", prefix, "pm2"], {
      stdio: "ignore",
      timeout: 180_000,
    }); // in the environment as it is: registries may need its certificates
  } catch {
    return null;
  }
  const bin = join(prefix, "node_modules/.bin/pm2");
  const env = cleanEnv({ PM2_HOME: join(dir, "pm2-home"), PM2_DISABLE_VERSION_CHECK: "true" });
  const run = (...args: string[]) => execFileSync(bin, args, { env, stdio: "ignore", timeout: 120_000 });
  return {
    name: "PM2",
    async start(n) {
      const config = join(dir, "pm2.json");
      const app = { name: "w", script: "sleep", args: "3600", interpreter: "none", instances: n, exec_mode: "fork" };
      writeFileSync(config, JSON.stringify({ apps: [app] }));
      run("start", config);
      const pid = Number(readFileSync(join(dir, "pm2-home/pm2.pid"), "utf8"));
      await until(`${n} workers of PM2`, 60_000, () => (workersOf(pid).length >= n ? true : undefined));
      return {
        pid,
        endpoint: null,
        status: { argv: [bin, "ls"], env }, // without its home it would start a daemon in the user's
        stop: () => {
          run("kill");
          return Promise.resolve();
        },
      };
    },
  };
}

/** The physical limit: a Node program that only spawns, and spawns again on exit. */
const BARE = `
const { spawn } = require("node:child_process");
const one = () => spawn("sleep", ["3600"], { stdio: "ignore", detached: true }).once("exit", () => { if (!ending) one(); });
let ending = false;
const kids = [];
process.once("SIGTERM", () => { ending = true; for (const k of kids) k.kill("SIGKILL"); process.exit(0); });
for (let i = 0; i < Number(process.argv[1]); i++) kids.push(one());
`;

function bare(): Supervisor {
  return {
    name: "bare spawn loop",
    async start(n) {
      const child = spawn(process.execPath, ["-e", BARE, String(n)], { env: cleanEnv(), stdio: "ignore" });
      const pid = child.pid ?? 0;
      await started(child, pid, n, "bare spawn");
      return {
        pid,
        endpoint: null,
        status: null,
        stop: async () => {
          const workers = workersOf(pid);
          await ended(child, "SIGKILL");
          for (const worker of workers) process.kill(worker, "SIGKILL"); // they were its own, and outlive it
        },
      };
    },
  };
}

/** argv of a program of Circus; null: there is no checkout. */
export function pythonCircus(module: string): readonly string[] | null {
  const source = process.env["CIRCUS_SRC"];
  if (source === undefined || !existsSync(source)) return null;
  const python = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
  return [python, "-c", `from circus.${module} import main; main()`];
}

/** Those that can run here, ours first and the bare limit last; the names of the others. */
export function supervisors(dir: string, root: string): { list: Supervisor[]; missing: string[] } {
  const list: Supervisor[] = [];
  const missing: string[] = [];
  list.push(ours(dir, root));
  const [daemon, status] = [pythonCircus("circusd"), pythonCircus("circusctl")];
  if (daemon === null || status === null) missing.push("Circus (set CIRCUS_SRC to a checkout)");
  else list.push(circus("circusd (Python)", dir, daemon, status, { ours: false }));
  try {
    execFileSync("supervisord", ["--version"], { stdio: "ignore" });
    list.push(supervisord(dir));
  } catch {
    missing.push("supervisord");
  }
  const peer = pm2(dir);
  if (peer === null) missing.push("PM2 (npm could not install it)");
  else list.push(peer);
  list.push(bare());
  return { list, missing };
}
