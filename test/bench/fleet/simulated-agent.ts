/** A host as a fleet sees it, without processes: beats, snapshots, events into the stream, answers to commands. */
import {
  type CommandEnvelope,
  type FleetEvent,
  type HostName,
  type HostSnapshot,
  messageId,
  type ReportedWatcher,
  Subjects,
  type UsageReport,
  type WatcherSnapshot,
} from "@circus-cluster/proto";
import { connectFleet, type FleetConnection, type FleetMessage } from "@circus-cluster/proto/nats";

/** A host and what runs on it: how many processes of which watcher. */
export interface SimulatedHost {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly watchers: Readonly<Record<string, number>>;
}

/** What the process of the simulated agents is given. */
export interface SimulationPlan {
  readonly url: string;
  readonly fleet: string;
  readonly agents: readonly (SimulatedHost & { readonly seed: string })[];
}

const BEAT_MS = 5000;
const JITTER = 0.1;
const STORE_MS = 30_000;
/** Until its first report, at most, as at a real agent; then between two. */
const REPORT_FIRST_MS = 10_000;
const REPORT_MS = 60_000;

/** Two are no commands of a real agent: `break`: it gives up, as after one crash too many; `ail`: a process is ill. */
const CHANGES = ["restart", "stop", "start", "break", "ail"] as const;
type Change = (typeof CHANGES)[number];

function isChange(verb: string): verb is Change {
  return (CHANGES as readonly string[]).includes(verb);
}

export class SimulatedAgent {
  readonly #host: HostName;
  readonly #subjects: Subjects;
  readonly #connection: FleetConnection;
  readonly #labels: SimulatedHost["labels"];
  readonly #watchers: Map<string, WatcherSnapshot>;
  readonly #epoch = Date.now();
  #seq = 0;
  #pid = 1000 + Math.floor(30_000 * Math.random());
  /** All events so far; they go out in order, without waiting for each other, as from an outbox. */
  #stored: Promise<void> = Promise.resolve();
  /** What was done, by id of the command. */
  readonly #changes = new Map<string, Promise<void>>();
  #beat: NodeJS.Timeout | undefined;
  #report: NodeJS.Timeout | undefined;

  private constructor({ name, labels, watchers }: SimulatedHost, subjects: Subjects, connection: FleetConnection) {
    const host = name as HostName;
    this.#host = host;
    this.#labels = labels;
    this.#subjects = subjects;
    this.#connection = connection;
    this.#watchers = new Map(Object.entries(watchers).map(([watcher, n]) => [watcher, this.#raised(watcher, 1, n)]));
    connection.subscribe(subjects.all.commandsTo(host), (message) => this.#take(message));
    connection.subscribe(subjects.all.commandsToAll(), (message) => this.#take(message));
  }

  /** Connects, says that all its watchers are active, and beats. */
  static async start(plan: SimulationPlan, host: SimulationPlan["agents"][number]): Promise<SimulatedAgent> {
    const { url, fleet } = plan;
    const { name, seed } = host;
    const credentials = { v: 1, fleet, role: "agent", name, seed } as const;
    const connection = await connectFleet({ servers: [url], name, credentials, mode: "service", timeoutMs: 30_000 });
    const agent = new SimulatedAgent(host, new Subjects(fleet), connection);
    agent.#emit("agent_started", null);
    for (const watcher of agent.#watchers.keys()) agent.#emit("watcher_started", watcher, { generation: 1 });
    await agent.#stored;
    agent.#beatOnce();
    agent.#reportIn(Math.random() * REPORT_FIRST_MS);
    return agent;
  }

  async stop(): Promise<void> {
    clearTimeout(this.#beat);
    clearTimeout(this.#report);
    await this.#connection.close(1000);
  }

  #raised(name: string, generation: number, numprocesses: number): WatcherSnapshot {
    const now = Date.now();
    const processes = Array.from(
      { length: numprocesses },
      (_, at) => ({ wid: at + 1, pid: ++this.#pid, started: now, health: "healthy", generation }) as const,
    );
    return { name, state: "active", numprocesses, processes, since: now, generation, reason: null };
  }

  #beatOnce(): void {
    const beat = { v: 1, epoch: this.#epoch, seq: this.#seq, time: Date.now(), interval: BEAT_MS };
    this.#connection.publish(this.#subjects.heartbeat(this.#host), { ...beat, version: "sim", load: 0.5, backlog: 0 });
    const jitter = 1 + JITTER * (2 * Math.random() - 1);
    this.#beat = setTimeout(() => this.#beatOnce(), BEAT_MS * jitter);
  }

  /** What watchers use, of some size that differs from minute to minute. */
  #reportIn(ms: number): void {
    this.#report = setTimeout(() => {
      const watchers = [...this.#watchers.keys()].map((name): ReportedWatcher => {
        const share = Math.random();
        return [name, Math.round(share * ms), Math.round(2e7 + share * 3e8), 1];
      });
      const report: UsageReport = { v: 1, kind: "usage", span: Math.max(1000, Math.round(ms)), watchers };
      this.#connection.publish(this.#subjects.heartbeat(this.#host), report);
      this.#reportIn(REPORT_MS * (1 + JITTER * (2 * Math.random() - 1)));
    }, ms);
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
    else if (isChange(verb)) {
      answer("accepted", {});
      // A repeat joins the first one, as it does at a real agent.
      let done = this.#changes.get(envelope.id);
      if (done === undefined) {
        this.#change(verb, String(envelope.properties["name"]), envelope.id);
        done = this.#stored;
        this.#changes.set(envelope.id, done);
      }
      void done.then(() => answer("done", {}));
    }
  }

  #change(verb: Change, name: string, cause: string): void {
    const before = this.#watchers.get(name);
    if (before === undefined) return;
    if (verb === "ail") {
      this.#ail(before);
      return;
    }
    if (verb !== "start") this.#end(before, verb === "break", cause);
    if (verb === "restart" || verb === "start") this.#begin(before, cause);
  }

  #ail(watcher: WatcherSnapshot): void {
    const [first, ...rest] = watcher.processes;
    if (first === undefined) return;
    this.#watchers.set(watcher.name, { ...watcher, processes: [{ ...first, health: "unhealthy" }, ...rest] });
    const data = { reason: "GET /health: status 503" };
    this.#emit("process_unhealthy", watcher.name, data, { pid: first.pid, wid: first.wid });
  }

  #end(watcher: WatcherSnapshot, isBroken: boolean, cause: string): void {
    const { name, processes } = watcher;
    const reason = isBroken ? "exited 5 times within 60 s, the last time with status 1" : null;
    const state = isBroken ? "failed" : "stopped";
    this.#watchers.set(name, { ...watcher, state, since: Date.now(), processes: [], reason });
    if (!isBroken) this.#emit("watcher_stopping", name, {}, { cause });
    for (const { pid, wid } of processes) {
      this.#emit("process_exited", name, { expected: !isBroken, code: isBroken ? 1 : 0 }, { pid, wid, cause });
    }
    if (isBroken) this.#emit("watcher_failed", name, { reason });
    else this.#emit("watcher_stopped", name, {}, { cause });
  }

  #begin({ name, generation: old, numprocesses }: WatcherSnapshot, cause: string): void {
    const after = this.#raised(name, old + 1, numprocesses);
    const { generation } = after;
    this.#watchers.set(name, after);
    this.#emit("watcher_starting", name, { generation }, { cause });
    for (const { pid, wid } of after.processes)
      this.#emit("process_spawned", name, { generation }, { pid, wid, cause });
    this.#emit("watcher_started", name, { generation }, { cause });
    for (const { pid, wid } of after.processes) this.#emit("process_healthy", name, {}, { pid, wid });
  }

  #snapshot(): HostSnapshot {
    const head = { v: 1, epoch: this.#epoch, seq: this.#seq, time: Date.now(), version: "sim" } as const;
    return { ...head, labels: this.#labels, watchers: [...this.#watchers.values()] };
  }
}
