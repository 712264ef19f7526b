/** A host as a fleet sees it, without processes: beats, snapshots, events into the stream, answers to commands. */
import {
  type CommandEnvelope,
  type FleetEvent,
  type HostName,
  type HostSnapshot,
  messageId,
  Subjects,
  type WatcherSnapshot,
} from "@circus-cluster/proto";
import { connectFleet, type FleetConnection, type FleetMessage } from "@circus-cluster/proto/nats";

/** What the process of the simulated agents is given. */
export interface SimulationPlan {
  readonly url: string;
  readonly fleet: string;
  readonly agents: readonly { readonly name: string; readonly seed: string }[];
  readonly watchers: number;
}

const BEAT_MS = 5000;
const JITTER = 0.1;
const STORE_MS = 30_000;

export class SimulatedAgent {
  readonly #host: HostName;
  readonly #subjects: Subjects;
  readonly #connection: FleetConnection;
  readonly #watchers: Map<string, WatcherSnapshot>;
  readonly #epoch = Date.now();
  #seq = 0;
  #pid = 1000;
  /** All events so far; they go out in order, without waiting for each other, as from an outbox. */
  #stored: Promise<void> = Promise.resolve();
  /** By id of the command. */
  readonly #restarts = new Map<string, Promise<void>>();
  #beat: NodeJS.Timeout | undefined;

  private constructor(host: HostName, subjects: Subjects, connection: FleetConnection, watchers: number) {
    this.#host = host;
    this.#subjects = subjects;
    this.#connection = connection;
    const names = Array.from({ length: watchers }, (_, at) => `w${at}`);
    this.#watchers = new Map(names.map((name) => [name, this.#raised(name, 1)]));
    connection.subscribe(subjects.all.commandsTo(host), (message) => this.#take(message));
    connection.subscribe(subjects.all.commandsToAll(), (message) => this.#take(message));
  }

  /** Connects, says that all its watchers are active, and beats. */
  static async start(plan: SimulationPlan, { name, seed }: SimulationPlan["agents"][number]): Promise<SimulatedAgent> {
    const { url, fleet, watchers } = plan;
    const credentials = { v: 1, fleet, role: "agent", name, seed } as const;
    const connection = await connectFleet({ servers: [url], name, credentials, mode: "service", timeoutMs: 30_000 });
    const agent = new SimulatedAgent(name as HostName, new Subjects(fleet), connection, watchers);
    agent.#emit("agent_started", null);
    for (const watcher of agent.#watchers.keys()) agent.#emit("watcher_started", watcher, { generation: 1 });
    await agent.#stored;
    agent.#beatOnce();
    return agent;
  }

  async stop(): Promise<void> {
    clearTimeout(this.#beat);
    await this.#connection.close(1000);
  }

  #raised(name: string, generation: number): WatcherSnapshot {
    const now = Date.now();
    const process = { wid: 1, pid: ++this.#pid, started: now, health: "healthy", generation } as const;
    return { name, state: "active", numprocesses: 1, processes: [process], since: now, generation, reason: null };
  }

  #beatOnce(): void {
    const beat = { v: 1, epoch: this.#epoch, seq: this.#seq, time: Date.now(), interval: BEAT_MS };
    this.#connection.publish(this.#subjects.heartbeat(this.#host), { ...beat, version: "sim", load: 0.5, backlog: 0 });
    const jitter = 1 + JITTER * (2 * Math.random() - 1);
    this.#beat = setTimeout(() => this.#beatOnce(), BEAT_MS * jitter);
  }

  #emit(kind: string, watcher: string | null, data: FleetEvent["data"] = {}, more: Partial<FleetEvent> = {}): void {
    const event: FleetEvent = {
      ...{ v: 1, epoch: this.#epoch, seq: ++this.#seq, time: Date.now(), kind, watcher, data },
      ...more,
    };
    const subject = this.#subjects.event(this.#host, watcher, kind);
    const stored = this.#connection.store(subject, event, messageId(this.#host, event), STORE_MS);
    const before = this.#stored;
    this.#stored = stored.then(async ({ kind: result }) => {
      if (result !== "stored") console.error(`${this.#host}: event ${event.seq}: ${result}`);
      await before;
    });
  }

  #take(message: FleetMessage): void {
    const parsed = this.#subjects.parse(message.subject);
    if (parsed?.kind !== "cmd") return;
    const { user, verb } = parsed;
    if (verb === "ping") {
      // The bare fan-out: an answer without reading the question.
      this.#connection.publish(message.reply ?? this.#subjects.reply(this.#host, user, "ping"), new Uint8Array(2));
      return;
    }
    const envelope = message.json() as CommandEnvelope;
    const target = message.reply ?? this.#subjects.reply(this.#host, user, envelope.id);
    const answer = (outcome: "accepted" | "done", reply: object): void => {
      const base = { status: "ok", time: Date.now() / 1000, ...reply };
      this.#connection.publish(target, { v: 1, id: envelope.id, outcome, reply: base });
    };
    if (verb === "snapshot") answer("done", { snapshot: this.#snapshot() });
    else if (verb === "list") answer("done", { watchers: [...this.#watchers.keys()] });
    else if (verb === "restart") {
      answer("accepted", {});
      // A repeat joins the first one, as it does at a real agent.
      let done = this.#restarts.get(envelope.id);
      if (done === undefined) {
        this.#restart(String(envelope.properties["name"]), envelope.id);
        done = this.#stored;
        this.#restarts.set(envelope.id, done);
      }
      void done.then(() => answer("done", {}));
    }
  }

  #restart(name: string, cause: string): void {
    const before = this.#watchers.get(name);
    if (before === undefined) return;
    const after = this.#raised(name, before.generation + 1);
    const [old, young] = [before.processes[0], after.processes[0]];
    const { generation } = after;
    this.#watchers.set(name, after);
    this.#emit("watcher_stopping", name, {}, { cause });
    if (old !== undefined) {
      this.#emit("process_exited", name, { expected: true, code: 0 }, { pid: old.pid, wid: 1, cause });
    }
    this.#emit("watcher_starting", name, { generation }, { cause });
    this.#emit("process_spawned", name, { generation }, { pid: young?.pid ?? 0, wid: 1, cause });
    this.#emit("watcher_started", name, { generation }, { cause });
    this.#emit("process_healthy", name, {}, { pid: young?.pid ?? 0, wid: 1 });
  }

  #snapshot(): HostSnapshot {
    const head = { v: 1, epoch: this.#epoch, seq: this.#seq, time: Date.now(), version: "sim" } as const;
    return { ...head, labels: { role: "web" }, watchers: [...this.#watchers.values()] };
  }
}
