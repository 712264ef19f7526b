/** A fleet of simulated agents around a real nats-server and a real controller, and an operator who asks. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  AnswerReader,
  type FleetAnswer,
  type FleetAnswers,
  type HostName,
  type Identity,
  type ServerUser,
  Subjects,
  serverConfig,
  TTL_DEFAULT_MS,
  type UserName,
} from "@circus-cluster/proto";
import {
  connectFleet,
  createSeed,
  type FleetConnection,
  type FleetMessage,
  publicKey,
} from "@circus-cluster/proto/nats";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { freePort } from "../../support/ports.ts";
import { type Program, projectRoot, run, startProgram } from "../../support/process.ts";
import { type TempDir, tempDir } from "../../support/temp.ts";
import { waitFor } from "../../support/wait.ts";
import { cpuMsOf, type Resident, residentOf } from "../measure.ts";
import type { SimulatedHost, SimulationPlan } from "./simulated-agent.ts";

const FLEET = "main";
const STREAM_MIB = 4096;
const ASK_MS = 60_000;
const READY_MS = 900_000;
const PROGRESS_MS = 5000;
export const WATCHERS = 20;

/** Such a host as the figures are of: `h0000`, 20 watchers with a process each. */
function plainHost(at: number): SimulatedHost {
  const watchers = Object.fromEntries(Array.from({ length: WATCHERS }, (_, index) => [`w${index}`, 1]));
  return { name: `h${String(at).padStart(4, "0")}`, labels: { role: "web" }, watchers };
}

interface FleetOptions {
  /** Of the controller's HTTP door; without it, it has none. */
  readonly httpPort?: number;
}

export interface Cost {
  readonly wallMs: number;
  /** Of the controller. */
  readonly cpuMs: number;
}

/** Of one core. */
export function percentOf({ cpuMs, wallMs }: Cost): number {
  return (100 * cpuMs) / wallMs;
}

export class SimulatedFleet implements AsyncDisposable {
  readonly hosts: readonly HostName[];
  readonly subjects = new Subjects(FLEET);
  readonly user = "op" as UserName;
  readonly dir: TempDir;
  readonly connection: FleetConnection;
  readonly controller: Program;
  /** From the first connection to the picture of all hosts. */
  comingUp: Cost = { wallMs: 0, cpuMs: 0 };
  readonly #wanted: ReadonlyMap<string, SimulatedHost>;
  readonly #server: NatsServer;
  readonly #begun: readonly AsyncDisposable[];
  #count = 0;

  private constructor(
    hosts: readonly SimulatedHost[],
    parts: { dir: TempDir; server: NatsServer; controller: Program; simulation: Program; connection: FleetConnection },
  ) {
    this.hosts = hosts.map(({ name }) => name as HostName);
    this.#wanted = new Map(hosts.map((host) => [host.name, host]));
    const { dir, server, controller, simulation, connection } = parts;
    this.dir = dir;
    this.controller = controller;
    this.connection = connection;
    this.#server = server;
    this.#begun = [dir, server, controller, simulation];
  }

  /** Everybody online, every watcher active in the controller's picture. @param given hosts, or how many plain ones */
  static async start(given: number | readonly SimulatedHost[], options: FleetOptions = {}): Promise<SimulatedFleet> {
    const dir = await tempDir("circus-scale-");
    const hosts = typeof given === "number" ? Array.from({ length: given }, (_, at) => plainHost(at)) : given;
    const names = hosts.map(({ name }) => name);
    const seeds = new Map(["ctl1", "op", ...names].map((name) => [name, createSeed()]));
    const user = (role: Identity["role"], name: string): ServerUser => ({
      identity: { role, name },
      publicKey: publicKey(seeds.get(name) ?? ""),
    });
    const users = [user("controller", "ctl1"), user("operator", "op"), ...names.map((host) => user("agent", host))];
    const listen = `127.0.0.1:${await freePort()}`;
    const text = serverConfig({ fleet: FLEET, listen, storeDir: dir.file("js"), users, streamMiB: STREAM_MIB });
    const server = await startNatsServer({ config: await dir.write("nats.conf", text) });
    const controller = await startSimulatedController(dir, server.url, seeds.get("ctl1") ?? "", options);
    const agents = hosts.map((host) => ({ ...host, seed: seeds.get(host.name) ?? "" }));
    const plan: SimulationPlan = { url: server.url, fleet: FLEET, agents };
    const script = [join(projectRoot, "test/bench/run.mjs"), join(projectRoot, "test/bench/fleet/simulate.ts")];
    const file = await dir.write("plan.json", JSON.stringify(plan));
    const begun = performance.now();
    const cpuMs = cpuMsOf(controller.pid);
    const simulation = await startProgram(process.execPath, [
      ...(process.env["BENCH_SIM_NODE"]?.split(" ") ?? []),
      ...script,
      file,
    ]);
    using _ = showProgress(
      { "nats-server": server.pid, controller: controller.pid, agents: simulation.pid },
      () => simulation.stdout.trimEnd().split("\n").at(-1) ?? "",
    );
    await simulation.waitForLine(/all connected/, READY_MS);
    const credentials = { v: 1, fleet: FLEET, role: "operator", name: "op", seed: seeds.get("op") ?? "" } as const;
    await dir.write("op.creds", JSON.stringify(credentials), 0o600);
    const connection = await connectFleet({ servers: [server.url], name: "op", credentials, mode: "service" });
    const fleet = new SimulatedFleet(hosts, { dir, server, controller, simulation, connection });
    await waitFor(async () => await fleet.#isWhole(), {
      what: `${hosts.length} hosts online`,
      deadlineMs: READY_MS,
      everyMs: Math.max(100, hosts.length / 2), // the answer is large, and costs what is being waited for
    });
    fleet.comingUp = { wallMs: performance.now() - begun, cpuMs: cpuMsOf(controller.pid) - cpuMs };
    return fleet;
  }

  /** The result, and how many bytes the answer had. */
  async ask<K extends keyof FleetAnswers>(
    door: "query" | "control",
    verb: K,
    properties: object,
  ): Promise<{ readonly result: FleetAnswers[K]; readonly bytes: number }> {
    const reader = new AnswerReader();
    let bytes = 0;
    const isLast = ({ data }: FleetMessage): boolean => {
      bytes += data.length;
      return reader.take(data);
    };
    const subject = this.subjects[door](this.user, verb);
    const request = { v: 1, id: `a${this.#count++}`, properties };
    const result = await this.connection.request(subject, request, ASK_MS, { isLast });
    if (result.kind !== "answer") throw new Error(`${verb}: ${result.kind}`);
    const answer = reader.value as FleetAnswer<FleetAnswers[K]>;
    if (!answer.ok) throw new Error(`${verb}: ${answer.reason}`);
    return { result: answer.result, bytes };
  }

  /** One command to each host, answers on one subject each; resolves when all have said "done". */
  async tellEach(command: string, properties: object): Promise<number> {
    const id = `t${this.#count++}`;
    const payload = { v: 1, id, issued: Date.now(), ttl: TTL_DEFAULT_MS, command, properties };
    const asks = this.hosts.map((key) => ({ key, subject: this.subjects.command(key, this.user, command), payload }));
    const isLast = (message: FleetMessage): boolean =>
      (message.json() as { outcome?: string } | undefined)?.outcome !== "accepted";
    const results = await this.connection.askEach(asks, { timeoutMs: ASK_MS, isLast });
    return [...results.values()].filter(({ kind }) => kind === "answer").length;
  }

  /** One command to one host, to its end. */
  async tell(host: HostName, command: string, properties: object): Promise<void> {
    const payload = { v: 1, id: `t${this.#count++}`, issued: Date.now(), ttl: TTL_DEFAULT_MS, command, properties };
    const isLast = (message: FleetMessage): boolean =>
      (message.json() as { outcome?: string } | undefined)?.outcome !== "accepted";
    await this.connection.request(this.subjects.command(host, this.user, command), payload, ASK_MS, { isLast });
  }

  /** A token of the controller's HTTP door. */
  async token(name: string, role: "viewer" | "operator"): Promise<string> {
    const args = ["token", "--name", name, "--role", role, this.dir.file("controller.ini")];
    const { code, stdout, stderr } = await run("circus-controller", args);
    if (code !== 0) throw new Error(stderr);
    return stdout.trim();
  }

  /** One broadcast, collected against all hosts. @param isBare agents then answer without reading it */
  async broadcast(command: string, isBare: boolean): Promise<number> {
    const id = isBare ? "ping" : `b${this.#count++}`;
    const envelope = { v: 1, id, issued: Date.now(), ttl: TTL_DEFAULT_MS, command, properties: {} };
    const { answers } = await this.connection.askMany({
      publishes: [{ subject: this.subjects.commandAll(this.user, command), payload: envelope }],
      replySubject: this.subjects.all.repliesTo(this.user, id),
      keyOf: (subject) => {
        const parsed = this.subjects.parse(subject);
        return parsed?.kind === "rpl" ? parsed.host : null;
      },
      expected: new Set(this.hosts),
      timeoutMs: ASK_MS,
    });
    return answers.size;
  }

  /** `circusctl` as a program of its own, from its start to its end, ms; NaN: a busy server let it wait too long. */
  async circusctl(words: readonly string[]): Promise<number> {
    const env = { CIRCUSCTL_NATS: this.connection.server, CIRCUSCTL_CREDS: this.dir.file("op.creds") };
    const { code, stderr, tookMs } = await run("circusctl", ["--timeout", "60", ...words], { env, deadlineMs: 90_000 });
    if (code !== 0) console.error(`  circusctl ${words.join(" ")}: ${code} ${stderr}`);
    return code === 0 ? tookMs : Number.NaN;
  }

  async cost(work: () => Promise<unknown>): Promise<Cost> {
    const cpu = this.controllerCpuMs;
    const begun = performance.now();
    await work();
    return { wallMs: performance.now() - begun, cpuMs: this.controllerCpuMs - cpu };
  }

  get controllerCpuMs(): number {
    return cpuMsOf(this.controller.pid);
  }

  /** Now, and at most so far. */
  get controllerMiB(): Resident {
    return residentOf(this.controller.pid);
  }

  get serverMiB(): Resident {
    return residentOf(this.#server.pid);
  }

  get serverCpuMs(): number {
    return cpuMsOf(this.#server.pid);
  }

  /** Of its databases and their logs. */
  get databaseMiB(): number {
    const files = readdirSync(this.dir.file("state")).filter((name) => name.includes(".db"));
    const bytes = files.map((name) => statSync(this.dir.file("state", name), { throwIfNoEntry: false })?.size ?? 0);
    return bytes.reduce((sum, size) => sum + size, 0) / 1024 ** 2;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close(1000);
    for (const one of [...this.#begun].reverse()) await one[Symbol.asyncDispose]();
  }

  async #isWhole(): Promise<boolean> {
    const { result } = await this.ask("query", "status", { hosts: null, watcher: null });
    const wanted = (host: string): SimulatedHost["watchers"] => this.#wanted.get(host)?.watchers ?? {};
    return (
      result.hosts.length === this.hosts.length &&
      result.hosts.every(
        ({ host, presence, watchers }) =>
          watchers.length === Object.keys(wanted(host)).length &&
          presence === "online" &&
          watchers.every(({ name, healthy }) => healthy === wanted(host)[name]),
      )
    );
  }
}

/** Every few seconds, where it takes so long: how far it is, and what each program takes of a core. */
function showProgress(pids: Readonly<Record<string, number>>, how: () => string): Disposable {
  const before = new Map<string, number>();
  const begun = performance.now();
  const timer = setInterval(() => {
    const shares = Object.entries(pids).map(([name, pid]) => {
      const cpu = cpuMsOf(pid);
      const share = (100 * (cpu - (before.get(name) ?? 0))) / PROGRESS_MS;
      before.set(name, cpu);
      return `${name} ${share.toFixed(0)} % ${residentOf(pid).now.toFixed(0)} MiB`;
    });
    console.error(`  ${((performance.now() - begun) / 1000).toFixed(0)} s, ${how()}; ${shares.join(", ")}`);
  }, PROGRESS_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

async function startSimulatedController(
  dir: TempDir,
  url: string,
  seed: string,
  { httpPort }: FleetOptions,
): Promise<Program> {
  const credentials = JSON.stringify({ v: 1, fleet: FLEET, role: "controller", name: "ctl1", seed });
  const lines = [
    "[controller]",
    `nats_url = ${url}`,
    `state_dir = ${dir.file("state")}`,
    `credentials = ${await dir.write("ctl1.creds", credentials, 0o600)}`,
    ...(httpPort === undefined ? [] : [`http = 127.0.0.1:${httpPort}`, `http_tokens = ${dir.file("tokens")}`]),
  ];
  const ini = await dir.write("controller.ini", `${lines.join("\n")}\n`);
  const flags = process.env["BENCH_CONTROLLER_NODE"]; // for example --cpu-prof
  const program =
    flags === undefined
      ? await startProgram("circus-controller", [ini])
      : await startProgram(process.execPath, [...flags.split(" "), join(projectRoot, "controller/dist/main.js"), ini]);
  await program.waitForLine(/"reading events"/, 60_000);
  return program;
}
