/** The two daemons that the differential table is run against: ours, and circusd 0.19 from a checkout. */
import { join } from "node:path";
import { iniText, type Section, startAgent } from "../support/agent.ts";
import { descendants } from "../support/leaks.ts";
import { freePorts } from "../support/ports.ts";
import { cleanEnv, exampleDir, type Program, projectRoot, type RunOptions, startProgram } from "../support/process.ts";
import { python } from "../support/python.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { zmqCall } from "../support/zmq-call.ts";
import type { Run } from "./normal.ts";

export interface World extends AsyncDisposable {
  readonly endpoint: string;
  readonly pubsubEndpoint: string;
  readonly program: Program;
  readonly run: Run;
  /** Of its processes and itself, as text. */
  pids(): ReadonlySet<string>;
}

/** circusd refuses what comes while it is busy, by its own timer too (reference §5.4); ours queues. */
export const BUSY = /arbiter is (already running|restarting)/;

/** How `circusctl` is called. */
export interface Ctl {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NonNullable<RunOptions["env"]>;
}

/** A checkout of Circus; undefined: there is none on this machine. */
export const circusSource = process.env["CIRCUS_SRC"];

type Sections = Readonly<Record<string, Section>>;

/** What a world has besides the watchers of the table. */
export interface More {
  readonly sections?: Sections;
  readonly env?: NonNullable<RunOptions["env"]>;
}

function sections(dir: string, port: number, more: Sections = {}): Sections {
  return {
    ...more,
    circus: { check_delay: 1, multicast_endpoint: "" },
    "watcher:Dummy": { cmd: "sleep", args: 1000, numprocesses: 2, "flapping.active": "False" },
    "watcher:single": { cmd: "sleep 1001", singleton: "True" },
    "watcher:idle": { cmd: "sleep 1002", autostart: "False" },
    "watcher:bad": { cmd: "/no/such/program", autostart: "False" },
    "watcher:parent": { cmd: "sh -c 'sleep 1003 & wait'", stop_children: "True" },
    "socket:web": { host: "127.0.0.1", port },
    "socket:ux": { path: join(dir, "ux.sock"), replace: "True" },
  };
}

function runOf(daemonPid: number, dir: string, port: number, endpoints: Readonly<Record<string, string>>): Run {
  const named = Object.entries(endpoints).map(([name, endpoint]): [string, string] => [endpoint, name]);
  return {
    daemonPid,
    names: [...named, [`127.0.0.1:${port}`, "127.0.0.1:PORT"], [dir, "DIR"], [exampleDir, "CWD"]],
  };
}

function pidsOf(pid: number): ReadonlySet<string> {
  return new Set([pid, ...descendants(pid).map((one) => one.pid)].map(String));
}

async function ready(endpoint: string): Promise<void> {
  const isReady = async (): Promise<boolean> => {
    const { statuses } = await zmqCall(endpoint, { command: "status" }, 500);
    return ["Dummy", "parent", "single"].every((name) => (statuses as Record<string, string>)[name] === "active");
  };
  await waitFor(isReady, { what: "all watchers to be active", deadlineMs: 30_000 });
}

export async function ourWorld(more: More = {}): Promise<World> {
  const dir = await tempDir("table-");
  const [port = 0, stats] = await freePorts(2);
  const statsEndpoint = `tcp://127.0.0.1:${stats ?? 0}`;
  const { circus, ...rest } = sections(dir.path, port, more.sections);
  const agent = await startAgent({
    sections: { ...rest, circus: { ...circus, stats_endpoint: statsEndpoint } },
    env: more.env ?? {},
  });
  const { endpoint, pubsubEndpoint, program } = agent;
  await ready(endpoint);
  return {
    endpoint,
    pubsubEndpoint,
    program,
    run: runOf(agent.pid, dir.path, port, { ENDPOINT: endpoint, PUBSUB: pubsubEndpoint, STATS: statsEndpoint }),
    pids: () => pidsOf(agent.pid),
    [Symbol.asyncDispose]: async () => {
      await agent[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** @param source the checkout */
export async function circusWorld(source: string, more: More = {}): Promise<World> {
  const dir = await tempDir("table-");
  const [port = 0, command = 0, events = 0] = await freePorts(3);
  const endpoint = `tcp://127.0.0.1:${command}`;
  const pubsubEndpoint = `tcp://127.0.0.1:${events}`;
  const { circus, ...rest } = sections(dir.path, port, more.sections);
  const ini = { ...rest, circus: { ...circus, endpoint, pubsub_endpoint: pubsubEndpoint } };
  const file = await dir.write("circus.ini", iniText(ini));
  const main = "from circus.circusd import main; main()";
  const program = await startProgram(python(), ["-W", "ignore", "-c", main, file], {
    cwd: exampleDir,
    env: { ...more.env, PYTHONPATH: source, PATH: cleanEnv()["PATH"] },
  });
  await ready(endpoint);
  const names = { ENDPOINT: endpoint, PUBSUB: pubsubEndpoint, STATS: "tcp://127.0.0.1:5557" };
  return {
    endpoint,
    pubsubEndpoint,
    program,
    run: runOf(program.pid, dir.path, port, names),
    pids: () => pidsOf(program.pid),
    [Symbol.asyncDispose]: async () => {
      await program.stop();
      await dir[Symbol.asyncDispose]();
    },
  };
}

export const ourCtl: Ctl = { program: join(projectRoot, "cli/bin/circusctl.cjs"), args: [], env: {} };

/** @param source the checkout */
export function circusCtl(source: string): Ctl {
  const main = 'import sys; sys.argv[0] = "circusctl"; from circus.circusctl import main; main()';
  return { program: python(), args: ["-W", "ignore", "-c", main], env: { PYTHONPATH: source } };
}
