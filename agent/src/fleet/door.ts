/**
 * The agent's side of the fleet: one connection that is looked for for ever, the heartbeat, the snapshot, the
 * outbox's way out and the command door. Whatever NATS does, nothing here stops or delays a worker.
 *
 * The heartbeat is sent from the agent's main loop: a blocked loop shows as a late host.
 */
import { hostname, loadavg } from "node:os";
import {
  type Clock,
  HEARTBEAT_MS,
  type Heartbeat,
  type HostName,
  type HostSnapshot,
  type Logger,
  parseHostName,
  reasonOf,
  Subjects,
  type UsageReport,
  VERSION,
} from "@circus-cluster/proto";
import {
  type Credentials,
  connectFleet,
  FleetConnectError,
  type FleetConnection,
  type FleetStatus,
} from "@circus-cluster/proto/nats";
import type { Dispatch } from "../commands/agent-view.ts";
import { Answers } from "../commands/answers.ts";
import type { FleetConfig } from "../config/types.ts";
import { NatsDoor } from "../doors/nats.ts";
import type { EventBus } from "../events/api.ts";
import type { Outbox } from "../events/outbox.ts";
import type { Look } from "../stats/usage-look.ts";
import { Claim, type Rival } from "./claim.ts";
import { Complaints } from "./complaints.ts";
import { agentCredentials } from "./credentials.ts";
import { UsageReporter } from "./usage-reporter.ts";

const JITTER = 0.1;
/** A snapshot follows a (re)connect within this, spread so that a fleet does not send them all at once. */
const SNAPSHOT_MS = 1000;
/** An unreachable NATS is said once, then again after this. */
const COMPLAIN_MS = 600_000;
/** Longest wait for the last events at a clean stop. */
const DRAIN_MS = 2000;
const RETRY_MS = 2000;
const REBUILD_MS = 30_000;
/** An agent that was refused asks again, should the other one be gone. */
const CLAIM_AGAIN_MS = 10_000;

export interface FleetDoorOptions {
  readonly config: FleetConfig;
  readonly stateDir: string;
  readonly dispatch: Dispatch;
  /** Its epoch, seq and time are filled in here. */
  readonly snapshot: () => HostSnapshot;
  /** What the watchers use, asked about once a minute. */
  readonly usage: () => Promise<Look>;
  readonly outbox: Outbox;
  readonly bus: EventBus;
  readonly log: Logger;
  readonly clock: Clock;
  /** Between two heartbeats, ± 10 %, until a controller says otherwise; default `HEARTBEAT_MS.usual`. */
  readonly heartbeatMs?: number | undefined;
}

export interface FleetDoor extends AsyncDisposable {
  readonly isConnected: boolean;
  /** Sends what is left (for at most some seconds), says goodbye, closes. The outbox stays open. */
  close(): Promise<void>;
}

/**
 * Starts looking for NATS in the background and returns at once.
 *
 * @throws Error with one line where the credentials or the state directory cannot be used: then nothing runs.
 */
export function startFleetDoor(options: FleetDoorOptions): FleetDoor {
  const credentials = agentCredentials(options.config);
  const host = parseHostName(options.config.host);
  if (host === null) throw new Error(`${JSON.stringify(options.config.host)} is no host name of a fleet`);
  const { stateDir, clock, log } = options;
  const answers = Answers.open({ stateDir, clock, log });
  return new Door(options, host, credentials, answers);
}

class Door implements FleetDoor {
  readonly #options: FleetDoorOptions;
  readonly #host: HostName;
  readonly #credentials: Credentials | null;
  readonly #answers: Answers;
  readonly #subjects: Subjects;
  readonly #commands: NatsDoor;
  readonly #complaints: Complaints;
  /** Not cleared by a reconnect, after which they ask again. */
  readonly #rivals: Complaints;
  readonly #reporter: UsageReporter;
  readonly #stop = new AbortController();
  /** Between two heartbeats. */
  #intervalMs: number;
  readonly #loop: Promise<void>;
  #connection: FleetConnection | null = null;
  /** The host's name is ours: beats, commands and events go over the connection. */
  #isServing = false;
  #beat: NodeJS.Timeout | undefined;
  #picture: NodeJS.Timeout | undefined;
  #closing: Promise<void> | null = null;

  constructor(options: FleetDoorOptions, host: HostName, credentials: Credentials | null, answers: Answers) {
    this.#options = options;
    this.#host = host;
    this.#credentials = credentials;
    this.#answers = answers;
    this.#subjects = new Subjects(options.config.fleet);
    this.#intervalMs = options.heartbeatMs ?? HEARTBEAT_MS.usual;
    const pace = (intervalMs: number): void => this.#pace(intervalMs);
    this.#commands = new NatsDoor({ ...options, subjects: this.#subjects, host, answers, pace });
    this.#complaints = new Complaints(COMPLAIN_MS, () => options.clock.monotonic());
    this.#rivals = new Complaints(COMPLAIN_MS, () => options.clock.monotonic());
    const report = (usage: UsageReport): void => this.#publish(this.#subjects.heartbeat(this.#host), usage);
    this.#reporter = new UsageReporter(options.usage, report);
    this.#loop = this.#run();
  }

  get isConnected(): boolean {
    return this.#isServing && this.#connection?.isConnected === true;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#silence();
    const connection = this.#connection;
    if (connection?.isConnected === true && this.#isServing) {
      await this.#drain(connection);
      this.#sendHeartbeat(true);
    }
    this.#stop.abort();
    await connection?.close();
    await this.#loop;
    this.#answers.close();
  }

  async #drain(connection: FleetConnection): Promise<void> {
    const { outbox, clock } = this.#options;
    const deadline = clock.monotonic() + DRAIN_MS;
    while (outbox.backlog > 0 && connection.isConnected && clock.monotonic() < deadline) await sleep(20);
  }

  async #run(): Promise<void> {
    const { outbox, log } = this.#options;
    while (!this.#stop.signal.aborted) {
      try {
        const connection = await this.#connect();
        this.#connection = connection;
        const rival = await this.#serve(connection);
        if (rival !== null) {
          this.#refused(rival);
          await sleep(CLAIM_AGAIN_MS, this.#stop.signal);
        }
      } catch (error) {
        if (error instanceof FleetConnectError && error.code === "aborted") return;
        log.error("the fleet cannot be joined", { reason: reasonOf(error) });
        await sleep(REBUILD_MS, this.#stop.signal);
      } finally {
        outbox.detach();
        this.#isServing = false;
        this.#connection = null;
        this.#silence();
      }
    }
  }

  /** Until the connection ends. @returns another agent that holds our name; null: there was none */
  async #serve(connection: FleetConnection): Promise<Rival | null> {
    const { outbox, log, clock } = this.#options;
    let rival: Rival | null = null;
    using claim = new Claim({
      ...{ connection, subjects: this.#subjects, host: this.#host, monotonic: () => clock.monotonic() },
      self: { epoch: outbox.epoch, machine: hostname(), pid: process.pid },
      onRefused: (other) => this.#refuse(other),
      onYield: (other) => {
        rival = other;
        void connection.close();
      },
    });
    const holder = await claim.take();
    if (holder !== null || this.#stop.signal.aborted) {
      await connection.close();
      return holder;
    }
    this.#isServing = true;
    this.#complaints.clear();
    log.info("connected to the fleet", { server: connection.server });
    this.#commands.serve(connection);
    outbox.attach(connection);
    this.#isBack();
    const reason = await connection.closed;
    if (reason !== null) log.error("the connection to the fleet has ended for good; making a new one", { reason });
    return rival;
  }

  /** We are the second of our name: the workers run on, the fleet sees the first. */
  #refused({ machine, pid }: Rival): void {
    const { host } = this.#options.config;
    const text = `another agent is host ${host} in the fleet; give one of the two another 'host' in [fleet]`;
    if (this.#complaints.isNews(text)) this.#options.log.error(text, { machine, pid });
  }

  /** We are the first: another one wanted our name. */
  #refuse({ epoch, machine, pid }: Rival): void {
    if (!this.#rivals.isNews(`${machine} ${pid} ${epoch}`)) return;
    const text = "another agent claims this host's name, and was refused";
    this.#options.log.warning(text, { machine, pid });
    this.#options.bus.emit({ kind: "host_conflict", watcher: null, data: { machine, pid, epoch } });
  }

  #connect(): Promise<FleetConnection> {
    const { natsUrls, host, tlsCa, tlsCert, tlsKey } = this.#options.config;
    return connectFleet({
      servers: natsUrls,
      name: host,
      credentials: this.#credentials,
      tls: { ca: tlsCa, cert: tlsCert, key: tlsKey },
      mode: "service",
      retryMs: RETRY_MS,
      signal: this.#stop.signal,
      onStatus: (status) => this.#onStatus(status),
    });
  }

  #onStatus(status: FleetStatus): void {
    const { log, outbox } = this.#options;
    switch (status.kind) {
      case "connected":
        if (status.isFirst || !this.#isServing) return; // `#serve` goes on with it
        this.#complaints.clear();
        log.info("connected to the fleet", { server: status.server });
        outbox.connected();
        this.#isBack();
        return;
      case "disconnected":
        outbox.disconnected();
        this.#silence();
        if (this.#isServing && !this.#stop.signal.aborted) {
          log.warning("disconnected from the fleet; trying again", { reason: status.reason ?? undefined });
        }
        return;
      case "unreachable":
        this.#complain("the fleet is unreachable; trying again", status.reason);
        return;
      case "forbidden":
        this.#complain("the broker refused", `${status.operation} ${status.subject}`);
        return;
      case "error":
        this.#complain("trouble with the fleet's connection", status.reason);
        return;
      case "closed":
        return;
      default:
        status satisfies never;
    }
  }

  #complain(text: string, reason: string): void {
    if (this.#complaints.isNews(`${text} ${reason}`)) this.#options.log.warning(text, { reason });
  }

  /** Nothing is sent by the clock any more. */
  #silence(): void {
    clearTimeout(this.#beat);
    clearTimeout(this.#picture);
    this.#reporter.stop();
  }

  /** After a connect or reconnect: everybody may have forgotten us. */
  #isBack(): void {
    this.#sendHeartbeat(false);
    clearTimeout(this.#picture);
    this.#picture = setTimeout(() => this.#sendSnapshot(), Math.random() * SNAPSHOT_MS);
    this.#reporter.start();
  }

  /** A controller wants it so. The next beat goes at once and says it: nobody waits for one that comes later. */
  #pace(intervalMs: number): void {
    if (intervalMs === this.#intervalMs) return;
    this.#intervalMs = intervalMs;
    if (this.isConnected) this.#sendHeartbeat(false);
  }

  #sendHeartbeat(isLeaving: boolean): void {
    const { outbox, clock } = this.#options;
    clearTimeout(this.#beat);
    const beat: Heartbeat = {
      v: 1,
      epoch: outbox.epoch,
      seq: outbox.seq,
      time: clock.wall(),
      interval: this.#intervalMs,
      version: VERSION,
      load: loadavg()[0] ?? 0,
      backlog: outbox.backlog,
      ...(isLeaving ? { leaving: true } : {}),
    };
    this.#publish(this.#subjects.heartbeat(this.#host), beat);
    if (isLeaving) return;
    const jitter = 1 + JITTER * (2 * Math.random() - 1);
    this.#beat = setTimeout(() => this.#sendHeartbeat(false), this.#intervalMs * jitter);
  }

  #sendSnapshot(): void {
    const { outbox, clock, snapshot } = this.#options;
    const { epoch, seq } = outbox;
    this.#publish(this.#subjects.snapshot(this.#host), { ...snapshot(), epoch, seq, time: clock.wall() });
  }

  #publish(subject: string, payload: object): void {
    try {
      this.#connection?.publish(subject, payload);
    } catch (error) {
      this.#complain("a message to the fleet cannot be sent", `${subject}: ${reasonOf(error)}`);
    }
  }
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });
}
