/**
 * A whole fleet of real programs: nats-server as `circusctl fleet init` configures it, a controller, and an agent with
 * the example on each host. The hosts are network namespaces where the machine permits it, else directories and ports
 * of their own on loopback; a test sees no difference.
 */
import { copyFile, mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Agent, type Section, startAgent } from "./agent.ts";
import { exampleSections } from "./example.ts";
import type { LoadReport } from "./load.ts";
import { startLoadInside } from "./load-inside.ts";
import { createNetwork, type Network, permitted } from "./namespaces.ts";
import { type NatsServer, startNatsServer } from "./nats-server.ts";
import { freePort } from "./ports.ts";
import { exampleDir, type Program, type Result, run, startProgram } from "./process.ts";
import { type TempDir, tempDir } from "./temp.ts";

/** Where nats-server and the operator are, and the one controller where none are named. */
export const CENTRE = "centre";
/** Its credentials and directory have the same name. */
const ONE_CONTROLLER = "controller";

interface FleetHost {
  readonly name: string;
  readonly agent: Agent;
  /** Where the operator reaches the example's socket. */
  readonly address: string;
  readonly port: number;
  /** The host's own copy of the application. */
  readonly appFile: string;
}

type Sections = Readonly<Record<string, Section>>;

export interface FleetOptions {
  /** No namespaces, also where the machine permits them. @default false */
  readonly isOnLoopback?: boolean;
  /** Hosts that start at a time. @default 1 */
  readonly starting?: number;
  /** File that is copied into the directory of each host, for its processes. @default the example's app.py */
  readonly appFile?: string;
  /** Where the controller's HTTP door is; wants `isOnLoopback`. @default no door */
  readonly httpPort?: number;
  /** Of circus.ini, beside `[fleet]` and the socket's address. @default the example's */
  readonly sections?: Sections | ((host: string) => Sections);
  /** Labels of a host, as in `[fleet]`. @default none */
  readonly labelsOf?: (host: string) => string;
  /** Names of controllers, each on a host of its own. @default one, where the operator is */
  readonly controllers?: readonly string[];
  /** State directory of a host's agent. @default one of its own */
  readonly stateDirOf?: (host: string) => string;
  /** Of the environment of an agent or a controller. @default nothing more */
  readonly envOf?: (name: string, dir: TempDir) => Readonly<Record<string, string>>;
}

interface HostLoad extends AsyncDisposable {
  stop(): Promise<LoadReport>;
}

export class RealFleet implements AsyncDisposable {
  readonly hosts: FleetHost[] = [];
  readonly dir: TempDir;
  readonly #network: Network | null;
  /** What is to be ended, in the order of its beginning. */
  readonly #begun: AsyncDisposable[] = [];
  #server: NatsServer | undefined;
  readonly #controllers = new Map<string, Program>();
  readonly #options: FleetOptions;

  private constructor(dir: TempDir, network: Network | null, options: FleetOptions) {
    this.dir = dir;
    this.#network = network;
    this.#options = options;
  }

  static async start(names: readonly string[], options: FleetOptions = {}): Promise<RealFleet> {
    const dir = await tempDir("circus-fleet-");
    const isApart = options.isOnLoopback !== true && permitted();
    const network = isApart ? createNetwork([...names, ...(options.controllers ?? []), CENTRE]) : null;
    const fleet = new RealFleet(dir, network, options);
    fleet.#begun.push(dir, ...(network === null ? [] : [network]));
    try {
      await fleet.#startCentre(names);
      const waiting = [...names];
      const startSome = async (): Promise<void> => {
        for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
          fleet.hosts.push(await fleet.#startHost(name));
        }
      };
      await allOf(Array.from({ length: options.starting ?? 1 }, startSome));
      return fleet;
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  get server(): NatsServer {
    if (this.#server === undefined) throw new Error("no nats-server");
    return this.#server;
  }

  /** Null: everything is on loopback. */
  get network(): Network | null {
    return this.#network;
  }

  get controllerNames(): readonly string[] {
    return this.#options.controllers ?? [ONE_CONTROLLER];
  }

  /** The directory of a controller's databases. */
  controllerState(name = ONE_CONTROLLER): string {
    return this.dir.file(name);
  }

  /** Null: it does not run. */
  controller(name = ONE_CONTROLLER): Program | null {
    return this.#controllers.get(name) ?? null;
  }

  host(name: string): FleetHost {
    const host = this.hosts.find((one) => one.name === name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  }

  credentials(name: string): string {
    return this.dir.file("fleet/creds", `${name}.creds`);
  }

  /** `circusctl` of an operator; words are separated by one space. */
  async ctl(line: string, env: Readonly<Record<string, string>> = {}): Promise<Result> {
    return await run("circusctl", line.split(" "), { ...this.#operator(env), deadlineMs: 90_000 });
  }

  async startCtl(line: string): Promise<Program> {
    return await startProgram("circusctl", line.split(" "), this.#operator({}));
  }

  /** The document that `circusctl … --json` prints. @throws when it ends otherwise than with 0 */
  async json<T>(line: string): Promise<T> {
    const { code, stdout, stderr } = await this.ctl(`${line} --json`);
    if (code !== 0) throw new Error(`circusctl ${line}: exit ${code}\n${stdout}${stderr}`);
    return JSON.parse(stdout) as T;
  }

  async startLoad(name: string): Promise<HostLoad> {
    const { address, port } = this.host(name);
    return await startLoadInside(this.netns(CENTRE), { host: address, port, workers: 4, expect: "Hello, World!\n" });
  }

  /** A new token of the controller's HTTP door. */
  async token(name: string, role: "viewer" | "operator"): Promise<string> {
    const args = ["token", "--name", name, "--role", role, this.dir.file("controller.ini")];
    const { code, stdout, stderr } = await run("circus-controller", args);
    if (code !== 0) throw new Error(stderr);
    return stdout.trim();
  }

  /** @throws where it does not read events within `readyMs` */
  async startController(name = ONE_CONTROLLER, readyMs = 30_000): Promise<void> {
    const place = name === ONE_CONTROLLER ? CENTRE : name;
    const env = this.#options.envOf?.(name, this.dir) ?? {};
    const program = await startProgram("circus-controller", [this.dir.file(`${name}.ini`)], {
      ...this.#in(place),
      env,
    });
    this.#controllers.set(name, program);
    await program.waitForLine(/"reading events"/, readyMs);
  }

  async killController(name = ONE_CONTROLLER): Promise<void> {
    await this.stopController(name, "SIGKILL");
  }

  async stopController(name = ONE_CONTROLLER, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const program = this.#controllers.get(name);
    this.#controllers.delete(name);
    program?.kill(signal);
    await program?.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.controllerNames.map((name) => this.stopController(name)));
    for (const one of this.#begun.splice(0).reverse()) await one[Symbol.asyncDispose]();
  }

  async #startCentre(names: readonly string[]): Promise<void> {
    const listen =
      this.#network === null ? `127.0.0.1:${await freePort()}` : `${this.#network.host(CENTRE).address}:4222`;
    const { controllers } = this.#options;
    const args = ["fleet", "init", "--dir", this.dir.file("fleet"), "--hosts", names.join(","), "--listen", listen];
    const made = await run("circusctl", [
      ...args,
      ...(controllers === undefined ? [] : ["--controllers", controllers.join(",")]),
      "--viewers",
      "eve",
      ...(this.#network === null ? [] : ["--insecure"]),
    ]);
    if (made.code !== 0) throw new Error(made.stderr);
    this.#server = await startNatsServer({ config: this.dir.file("fleet/nats-server.conf"), ...this.#in(CENTRE) });
    this.#begun.push(this.#server);
    for (const name of this.controllerNames) {
      const settings = {
        nats_url: this.#server.url,
        credentials: this.credentials(this.controllerNames.length === 1 ? "controller" : `controller-${name}`),
        state_dir: this.controllerState(name),
        ...(this.#options.httpPort === undefined
          ? {}
          : { http: `127.0.0.1:${this.#options.httpPort}`, http_tokens: this.dir.file("tokens") }),
      };
      const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`);
      await this.dir.write(`${name}.ini`, `[controller]\n${lines.join("")}`);
      await this.startController(name);
    }
  }

  async #startHost(name: string): Promise<FleetHost> {
    const directory = this.dir.file(name);
    await mkdir(directory);
    const source = this.#options.appFile ?? join(exampleDir, "app.py");
    const appFile = join(directory, basename(source));
    await copyFile(source, appFile);
    const address = this.#network?.host(name).address ?? "127.0.0.1";
    const port = this.#network === null ? await freePort() : 8000;
    const { sections: own, labelsOf } = this.#options;
    const labels = labelsOf === undefined ? {} : { labels: labelsOf(name) };
    const credentials = this.credentials(`agent-${name}`);
    const agent = await startAgent({
      cwd: directory,
      readyMs: 60_000,
      env: this.#options.envOf?.(name, this.dir) ?? {},
      ...this.#in(name),
      ...(this.#options.stateDirOf === undefined ? {} : { stateDir: this.#options.stateDirOf(name) }),
      sections: {
        fleet: { nats_url: this.server.url, fleet: "main", host: name, credentials, ...labels },
        ...((typeof own === "function" ? own(name) : own) ?? (await exampleSections())),
        "socket:myworker": { host: address, port },
      },
    });
    this.#begun.push(agent);
    return { name, agent, address, port, appFile };
  }

  #operator(env: Readonly<Record<string, string>>): { env: Record<string, string>; netns?: string } {
    const own = { CIRCUSCTL_NATS: this.server.url, CIRCUSCTL_CREDS: this.credentials("operator-admin"), TZ: "UTC" };
    return { ...this.#in(CENTRE), env: { ...own, ...env } };
  }

  /** The host's network namespace; undefined: there is none. */
  netns(name: string): string | undefined {
    return this.#network?.host(name).netns;
  }

  #in(name: string): { netns?: string } {
    const netns = this.netns(name);
    return netns === undefined ? {} : { netns };
  }
}

/** Waits for all, also where one fails: what still starts must be known before the end. */
async function allOf(works: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
