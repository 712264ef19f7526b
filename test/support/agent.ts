/** A real circusd on a circus.ini of the test. */
import { chown } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { descendants, killSurvivors, type ProcessInfo, track } from "./leaks.ts";
import { freePorts } from "./ports.ts";
import {
  cleanEnv,
  type Exit,
  exampleDir,
  type Program,
  projectRoot,
  type RunOptions,
  startProgram,
} from "./process.ts";
import { type TempDir, tempDir } from "./temp.ts";
import { waitFor } from "./wait.ts";
import { type ZmqReply, zmqCall } from "./zmq-call.ts";

export type Section = Readonly<Record<string, string | number | boolean>>;

interface AgentOptions {
  /** Sections by name; `[circus]` gets free endpoints and a state directory where it does not name its own. */
  readonly sections: Readonly<Record<string, Section>>;
  /** Further arguments of circusd, before the file. */
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly env?: RunOptions["env"];
  /** Network namespace to run in; the endpoints are then ipc:// by default, which we reach from outside. */
  readonly netns?: string;
  /** @default a directory of its own, removed at the end */
  readonly stateDir?: string;
  /** Until it answers. @default 15_000 */
  readonly readyMs?: number;
  /** Number of a user (and group) to run as; wants root. @default as we are */
  readonly user?: number;
}

export interface Agent extends AsyncDisposable {
  readonly isRunning: boolean;
  readonly pid: number;
  readonly program: Program;
  readonly endpoint: string;
  readonly pubsubEndpoint: string;
  readonly iniFile: string;
  readonly stateDir: string;
  /** @throws when there is no answer within `timeoutMs` */
  call(command: string, properties?: Readonly<Record<string, unknown>>, timeoutMs?: number): Promise<ZmqReply>;
  /** Its processes and theirs, at this moment. */
  descendants(): ProcessInfo[];
  /** Kills the agent alone, as a crash would; its workers are ended with the disposal. */
  kill9(): Promise<Exit>;
  /** Starts circusd again on the same file, after `kill9()` or `stop()`. */
  restart(): Promise<void>;
  /** SIGTERM. @throws when it leaves processes behind (they are killed) */
  stop(): Promise<Exit>;
}

/** The text of a circus.ini. */
export function iniText(sections: Readonly<Record<string, Section>>): string {
  return Object.entries(sections)
    .map(
      ([name, keys]) =>
        `[${name}]\n${Object.entries(keys)
          .map(([key, value]) => `${key} = ${value}\n`)
          .join("")}`,
    )
    .join("\n");
}

/** Starts circusd with the example's launcher first in PATH; ready when its endpoint answers `status`. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const dir = await tempDir("circus-agent-");
  const agent = await TestAgent.create(dir, options);
  if (options.user !== undefined)
    for (const path of [dir.path, agent.iniFile]) await chown(path, options.user, options.user);
  try {
    await agent.restart();
    return agent;
  } catch (error) {
    await agent[Symbol.asyncDispose]();
    throw error;
  }
}

class TestAgent implements Agent {
  readonly endpoint: string;
  readonly pubsubEndpoint: string;
  readonly iniFile: string;
  readonly stateDir: string;
  readonly #dir: TempDir;
  readonly #options: AgentOptions;
  readonly #untrack: () => void;
  #program: Program | null = null;
  /** Left by `kill9()`: ours to end. */
  #orphans: ProcessInfo[] = [];

  private constructor(dir: TempDir, options: AgentOptions, circus: Section, iniFile: string) {
    this.endpoint = String(circus["endpoint"]);
    this.pubsubEndpoint = String(circus["pubsub_endpoint"]);
    this.stateDir = String(circus["state_dir"]);
    this.iniFile = iniFile;
    this.#dir = dir;
    this.#options = options;
    this.#untrack = track(`circusd on ${iniFile}`, () => {
      killSurvivors([...this.#orphans, ...(this.#program === null ? [] : descendants(this.#program.pid))]);
    });
  }

  static async create(dir: TempDir, options: AgentOptions): Promise<TestAgent> {
    const [endpoint, pubsub, stats] = await freePorts(3);
    const at = (port: number | undefined, name: string): string =>
      options.netns === undefined ? `tcp://127.0.0.1:${port ?? 0}` : `ipc://${dir.file(name)}`;
    const circus: Section = {
      endpoint: at(endpoint, "endpoint"),
      pubsub_endpoint: at(pubsub, "pubsub"),
      stats_endpoint: at(stats, "stats"),
      multicast_endpoint: "",
      state_dir: options.stateDir ?? dir.file("state"),
      ...options.sections["circus"],
    };
    return new TestAgent(dir, options, circus, await dir.write("circus.ini", iniText({ ...options.sections, circus })));
  }

  get program(): Program {
    if (this.#program === null) throw new Error("circusd is not running");
    return this.#program;
  }

  get isRunning(): boolean {
    return this.#program?.isRunning === true;
  }

  get pid(): number {
    return this.program.pid;
  }

  call(command: string, properties: Readonly<Record<string, unknown>> = {}, timeoutMs = 10_000): Promise<ZmqReply> {
    return zmqCall(this.endpoint, { command, properties }, timeoutMs);
  }

  descendants(): ProcessInfo[] {
    return this.#program === null ? [] : descendants(this.#program.pid);
  }

  async restart(): Promise<void> {
    if (this.#program !== null) await this.stop();
    const { args = [], cwd = exampleDir, env, netns, readyMs = 15_000, user } = this.#options;
    const path = [join(exampleDir, "bin"), join(projectRoot, "node_modules/.bin"), cleanEnv()["PATH"] ?? ""];
    const as = user === undefined ? [] : ["setpriv", "--reuid", `${user}`, "--regid", `${user}`, "--clear-groups"];
    const [name, ...words] = [...as, "circusd", ...args, this.iniFile];
    const program = await startProgram(name, words, {
      cwd,
      env: { PATH: path.join(delimiter), ...env },
      ...(netns === undefined ? {} : { netns }),
    });
    this.#program = program;
    await waitFor(
      async () => {
        if (!program.isRunning) return "ended";
        return (await zmqCall(this.endpoint, { command: "status" }, 250))["status"] === "ok" && "ready";
      },
      { what: "circusd to answer", deadlineMs: readyMs },
    )
      .then((state) => {
        if (state === "ended") throw new Error("circusd ended instead of answering");
      })
      .catch((error: unknown) => {
        throw new Error(`${String(error)}\n${program.stdout}${program.stderr}`, { cause: error });
      });
  }

  async kill9(): Promise<Exit> {
    const program = this.program;
    this.#orphans.push(...this.descendants());
    program.kill("SIGKILL");
    const exit = await program.stop();
    this.#program = null;
    return exit;
  }

  async stop(): Promise<Exit> {
    const program = this.program;
    const own = this.descendants();
    const wasRunning = program.isRunning;
    const exit = await program.stop(45_000);
    this.#program = null;
    const left = killSurvivors(own);
    if (wasRunning && left.length > 0) {
      throw new Error(`circusd left behind: ${left.map(({ pid, command }) => `${command} (pid ${pid})`).join(", ")}`);
    }
    return exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#program !== null) await this.stop();
    } finally {
      killSurvivors(this.#orphans);
      this.#untrack();
      await this.#dir[Symbol.asyncDispose]();
    }
  }
}
