/** A controller as a process, agents that only pretend, and a look into its database. */
import {
  type CommandAnswer,
  type CommandEnvelope,
  type Fence,
  type FleetAnswer,
  type FleetEvent,
  type HostName,
  type HostSnapshot,
  messageId,
  type ProcessSnapshot,
  Subjects,
  type UserName,
  type WatcherSnapshot,
} from "@circus-cluster/proto";
import { type Credentials, connectFleet, type FleetConnection, type FleetMessage } from "@circus-cluster/proto/nats";
import type { NatsServer } from "../support/nats-server.ts";
import { type Program, projectRoot, startProgram } from "../support/process.ts";
import type { TempDir } from "../support/temp.ts";

const FLEET = "main";
export const subjects = new Subjects(FLEET);
export const CONTROLLER = `${projectRoot}/controller/bin/circus-controller.js`;
const BEAT_MS = 100;
const STORE_TRIALS = 100;

/** Times short enough for a test. */
const QUICK = "grace=400ms tick=20ms answer=300ms resend=100ms";

/** @param lost longer where a test that stands still for a moment must not look like a lost host */
export function writeIni(
  dir: TempDir,
  server: Pick<NatsServer, "url">,
  more = "",
  lost: `${number}ms` = "600ms",
): Promise<string> {
  const base = `[controller]\nnats_url = ${server.url}\nname = ctl1\nstate_dir = ${dir.file("state")}`;
  const text = `${base}\ntimings = lost=${lost} ${QUICK}\n${more}`;
  return dir.write("controller.ini", text);
}

export async function startController(ini: string): Promise<Program> {
  const program = await startProgram(CONTROLLER, [ini]);
  await program.waitForLine(/"reading events"/);
  return program;
}

export async function kill9(program: Program): Promise<void> {
  program.kill("SIGKILL");
  await program.exited;
  await program.stop();
}

/** As a person's circusctl asks. */
export class Asker implements AsyncDisposable {
  readonly connection: FleetConnection;
  readonly #user: UserName;
  #count = 0;

  private constructor(connection: FleetConnection, user: UserName) {
    this.connection = connection;
    this.#user = user;
  }

  static async connect(
    server: Pick<NatsServer, "url">,
    name = "alice",
    credentials: Credentials | null = null,
  ): Promise<Asker> {
    const connection = await connectFleet({
      servers: [server.url],
      name,
      credentials,
      mode: "service",
      retryMs: 50,
    });
    return new Asker(connection, name as UserName);
  }

  async raw(door: "q" | "ctl", verb: string, properties: object): Promise<FleetAnswer> {
    const subject = door === "q" ? subjects.query(this.#user, verb) : subjects.control(this.#user, verb);
    const result = await this.connection.request(subject, { v: 1, id: `a${this.#count++}`, properties }, 3000);
    if (result.kind !== "answer") throw new Error(`${verb}: ${result.kind}`);
    return result.message.json() as FleetAnswer;
  }

  /** The result; an error answer is thrown. */
  async ask<T>(door: "q" | "ctl", verb: string, properties: object): Promise<T> {
    const answer = await this.raw(door, verb, properties);
    if (!answer.ok) throw new Error(answer.reason);
    return answer.result as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.close(500);
  }
}

export interface AgentOptions {
  readonly epoch?: number;
  readonly credentials?: Credentials;
  /** What a restart leaves behind. @default healthy processes */
  readonly restart?: "healthy" | "failed";
  /** Between acceptance and the end of a restart. @default 50 */
  readonly restartMs?: number;
  /** @default `role: web` */
  readonly labels?: Readonly<Record<string, string>>;
}

/** One host with one watcher `web` of two processes, as far as a controller can see. */
export class FakeAgent implements AsyncDisposable {
  readonly host: HostName;
  readonly connection: FleetConnection;
  readonly #options: AgentOptions;
  epoch: number;
  seq = 0;
  watcher: WatcherSnapshot;
  /** What `set` changes, beside the number of processes. */
  values: Record<string, unknown> = { cmd: "old" };
  /** Commands that were begun, in order. */
  readonly begun: string[] = [];
  /** Commands that were refused since a newer leader had given some. */
  readonly late: string[] = [];
  /** The highest seen. */
  fence: Fence | null = null;
  readonly #journal = new Map<string, Promise<CommandAnswer>>();
  #pid: number;
  #beat: NodeJS.Timeout | undefined;

  private constructor(host: HostName, connection: FleetConnection, options: AgentOptions) {
    this.host = host;
    this.connection = connection;
    this.#options = options;
    this.epoch = options.epoch ?? Date.now();
    this.#pid = 100;
    this.watcher = {
      name: "web",
      state: "stopped",
      numprocesses: 2,
      processes: [],
      since: Date.now(),
      generation: 0,
      reason: null,
    };
  }

  static async start(server: Pick<NatsServer, "url">, host: string, options: AgentOptions = {}): Promise<FakeAgent> {
    const connection = await connectFleet({
      servers: [server.url],
      name: host,
      credentials: options.credentials ?? null,
      mode: "service",
      retryMs: 50,
    });
    const agent = new FakeAgent(host as HostName, connection, options);
    connection.subscribe(subjects.all.commandsTo(agent.host), (message) => void agent.#take(message));
    return agent;
  }

  /** Tells of a start, runs the watcher, and beats. */
  async run(): Promise<void> {
    await this.emit("agent_started", null);
    await this.raise(Date.now());
    this.beat();
  }

  beat(): void {
    clearInterval(this.#beat);
    const send = (): void => this.sendBeat();
    send();
    this.#beat = setInterval(send, BEAT_MS);
  }

  sendBeat(leaving = false): void {
    const { epoch, seq } = this;
    const base = { v: 1, epoch, seq, time: Date.now(), interval: BEAT_MS, version: "test", load: 0.5, backlog: 0 };
    this.connection.publish(subjects.heartbeat(this.host), leaving ? { ...base, leaving } : base);
  }

  /** As a host that is cut off: no beats, no answers. */
  fallSilent(): void {
    clearInterval(this.#beat);
  }

  event(kind: string, watcher: string | null, more: Partial<FleetEvent> = {}): FleetEvent {
    return { v: 1, epoch: this.epoch, seq: ++this.seq, time: Date.now(), kind, watcher, data: {}, ...more };
  }

  async emit(kind: string, watcher: string | null, more: Partial<FleetEvent> = {}): Promise<void> {
    const event = this.event(kind, watcher, more);
    const subject = subjects.event(this.host, watcher, kind);
    // As the outbox of a real one: until the stream has it.
    for (let trial = 1; ; trial++) {
      const result = await this.connection.store(subject, event, messageId(this.host, event), 3000);
      if (result.kind === "stored") return;
      if (trial === STORE_TRIALS) throw new Error(`${kind}: ${result.kind}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Starts processes of a new generation. */
  async raise(generation: number): Promise<void> {
    const processes = Array.from(
      { length: this.watcher.numprocesses },
      (_, at): ProcessSnapshot => ({
        wid: at + 1,
        pid: ++this.#pid,
        started: Date.now(),
        health: "healthy",
        generation,
      }),
    );
    this.watcher = { ...this.watcher, state: "active", processes, generation, since: Date.now(), reason: null };
    await this.emit("watcher_starting", "web", { data: { generation } });
    for (const { pid, wid } of processes) await this.emit("process_spawned", "web", { pid, wid, data: { generation } });
    await this.emit("watcher_started", "web", { data: { generation } });
    for (const { pid, wid } of processes) await this.emit("process_healthy", "web", { pid, wid });
  }

  async lower(more: Partial<FleetEvent> = {}): Promise<void> {
    const { processes } = this.watcher;
    this.watcher = { ...this.watcher, state: "stopped", processes: [], since: Date.now() };
    await this.emit("watcher_stopping", "web", more);
    for (const { pid, wid } of processes) {
      await this.emit("process_exited", "web", { pid, wid, data: { expected: true, code: 0 } });
    }
    await this.emit("watcher_stopped", "web", more);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#beat);
    await this.connection.close(500);
  }

  get snapshot(): HostSnapshot {
    const { epoch, seq, watcher } = this;
    return {
      v: 1,
      epoch,
      seq,
      time: Date.now(),
      version: "test",
      labels: this.#options.labels ?? { role: "web" },
      watchers: [watcher],
    };
  }

  async #take(message: FleetMessage): Promise<void> {
    const envelope = message.json() as CommandEnvelope;
    const answer = (outcome: CommandAnswer["outcome"], reply: object): void => {
      const base = { status: "ok", time: Date.now() / 1000, ...reply };
      if (message.reply !== undefined)
        this.connection.publish(message.reply, { v: 1, id: envelope.id, outcome, reply: base });
    };
    if (envelope.command === "snapshot") answer("done", { snapshot: this.snapshot });
    if (envelope.command === "options") answer("done", { options: this.values });
    if (envelope.command !== "restart" && envelope.command !== "set") return;
    const { fence } = envelope;
    if (fence !== undefined) {
      const { fence: seen } = this;
      if (seen !== null && (fence.bucket - seen.bucket || fence.revision - seen.revision) < 0) {
        this.late.push(envelope.id);
        answer("refused", { status: "error", reason: "fence: a newer leader has given commands already" });
        return;
      }
      this.fence = fence;
    }
    answer("accepted", {});
    let work = this.#journal.get(envelope.id);
    if (work === undefined) {
      this.begun.push(envelope.id);
      work = envelope.command === "set" ? this.#set(envelope) : this.#restart(envelope);
      this.#journal.set(envelope.id, work);
    }
    const { outcome, reply } = await work;
    answer(outcome, reply);
  }

  /** A `cmd` of "broken" does not start. */
  async #set({ id, properties }: CommandEnvelope): Promise<CommandAnswer> {
    const { numprocesses = this.watcher.numprocesses, ...rest } = properties["options"] as Record<string, unknown>;
    this.watcher = { ...this.watcher, numprocesses: numprocesses as number };
    this.values = { ...this.values, ...rest };
    await this.lower({ cause: id });
    if (this.values["cmd"] === "broken") {
      this.watcher = { ...this.watcher, state: "failed", reason: "spawn broken ENOENT" };
      await this.emit("watcher_failed", "web", { data: { reason: "spawn broken ENOENT" } });
    } else await this.raise(this.watcher.generation + 1);
    return { v: 1, id, outcome: "done", reply: { status: "ok", time: Date.now() / 1000 } };
  }

  async #restart({ id }: CommandEnvelope): Promise<CommandAnswer> {
    await this.lower({ cause: id });
    await new Promise((resolve) => setTimeout(resolve, this.#options.restartMs ?? 50));
    if (this.#options.restart === "failed") {
      this.watcher = { ...this.watcher, state: "failed", reason: "spawn broken ENOENT" };
      await this.emit("watcher_failed", "web", { data: { reason: "spawn broken ENOENT" } });
    } else await this.raise(this.watcher.generation + 1);
    return { v: 1, id, outcome: "done", reply: { status: "ok", time: Date.now() / 1000 } };
  }
}
