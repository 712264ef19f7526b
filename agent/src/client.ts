/**
 * What a program asks an agent of: commands over its endpoint, and its feed of events (reference §5.1–§5.3, §5.9, §6).
 *
 * Invariants: each request has one timer and is settled once; a request that could not be delivered in its time is
 * never delivered later; one send and one receive at a time (zeromq refuses a second).
 */
import { randomBytes } from "node:crypto";
import { performance } from "node:perf_hooks";
import {
  CircusError,
  type CircusReply,
  type ErrorCode,
  type Millis,
  parseEventTopic,
  reasonOf,
  resourceName,
} from "@circus-cluster/proto";
import { context, Dealer, Subscriber } from "zeromq";

// Else a process with an undelivered message never ends.
context.blocky = false;

const ENDPOINT = "tcp://127.0.0.1:5555";
const PUBSUB_ENDPOINT = "tcp://127.0.0.1:5556";
/** As Circus's own client (reference §5.9). */
const TIMEOUT_MS = 5000;
/** Requests that may wait for their replies at once. */
const PENDING_MAX = 1000;

type Properties = Readonly<Record<string, unknown>>;

export interface CircusClientOptions {
  /** @default "tcp://127.0.0.1:5555" */
  readonly endpoint?: string;
  /** How long a request may take from its call to its reply, ms. @default 5000 */
  readonly timeoutMs?: Millis;
}

export interface CallOptions {
  /** In place of the client's. */
  readonly timeoutMs?: Millis;
}

/** By `errno` of a reply (reference §5.3); several codes share 3 and 5, and the reason says which it was. */
const CODES: Readonly<Record<number, ErrorCode>> = {
  1: "json-invalid",
  2: "command-unknown",
  3: "message",
  4: "os",
  5: "conflict",
  6: "failed",
};

interface Pending {
  resolve(reply: CircusReply): void;
  reject(error: Error): void;
}

/**
 * A connection to one agent. It connects by itself, again after the agent was away too, and is to be closed:
 * `await using client = new CircusClient()`.
 */
export class CircusClient implements AsyncDisposable {
  readonly #socket: Dealer;
  readonly #endpoint: string;
  readonly #timeoutMs: Millis;
  readonly #pending = new Map<string, Pending>();
  readonly #reading: Promise<void>;
  /** Settles when what was sent last is on its way, or is given up. */
  #sending: Promise<void> = Promise.resolve();
  #count = 0;
  #isClosed = false;

  /** @throws CircusError `message` where the endpoint is none. */
  constructor({ endpoint = ENDPOINT, timeoutMs = TIMEOUT_MS }: CircusClientOptions = {}) {
    this.#endpoint = endpoint;
    this.#timeoutMs = timeoutMs;
    // `immediate`: nothing is queued for an agent that is not there, to surprise it when it comes.
    this.#socket = new Dealer({ routingId: randomBytes(16).toString("hex"), linger: 0, immediate: true });
    connect(this.#socket, endpoint);
    this.#reading = this.#read();
  }

  /**
   * The reply as the agent sent it, without `id`; one of `status: "error"` is a reply too.
   *
   * @param properties of the command, reference §5.6; `waiting: true` for a reply at the end of the work
   * @throws CircusError `unknown` without a reply in time, or when the client is closed meanwhile
   */
  async call(command: string, properties: Properties = {}, { timeoutMs }: CallOptions = {}): Promise<CircusReply> {
    if (this.#isClosed) throw new CircusError("unknown", "the client is closed");
    if (this.#pending.size >= PENDING_MAX) throw new CircusError("conflict", `${PENDING_MAX} requests wait already`);
    const id = `${++this.#count}`;
    const limitMs = timeoutMs ?? this.#timeoutMs;
    const deadlineMs = performance.now() + limitMs;
    const reply = new Promise<CircusReply>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    const timer = setTimeout(() => this.#fail(id, this.#lateError(command, limitMs)), limitMs);
    this.#send({ id, command, properties }, deadlineMs, () => this.#pending.has(id)).catch((error: unknown) => {
      this.#fail(id, isTimeout(error) ? this.#lateError(command, limitMs) : this.#sendError(error));
    });
    try {
      return await reply;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
  }

  /**
   * Asks for something to be done and for no reply. Settles when it is on its way.
   *
   * @throws CircusError `unknown` where the agent cannot be reached in time
   */
  async cast(command: string, properties: Properties = {}, { timeoutMs }: CallOptions = {}): Promise<void> {
    if (this.#isClosed) throw new CircusError("unknown", "the client is closed");
    const limitMs = timeoutMs ?? this.#timeoutMs;
    try {
      await this.#send({ command, properties, msg_type: "cast" }, performance.now() + limitMs, () => true);
    } catch (error) {
      throw isTimeout(error) ? this.#lateError(command, limitMs) : this.#sendError(error);
    }
  }

  /**
   * As {@link call}, for who wants fields and no error reply.
   *
   * @throws CircusError with the reason of an error reply, and what `call` throws
   */
  async ask(command: string, properties: Properties = {}, options: CallOptions = {}): Promise<CircusReply> {
    const reply = await this.call(command, properties, options);
    // `status NAME` answers with the watcher's own word (reference, rule 2).
    if (reply.status !== "error") return reply;
    const { reason, errno } = reply as { readonly reason?: unknown; readonly errno?: unknown };
    throw new CircusError(CODES[Number(errno)] ?? "unknown", typeof reason === "string" ? reason : `${command} failed`);
  }

  /** Names in lower case, sorted. */
  async watchers(): Promise<readonly string[]> {
    return (await this.ask("list"))["watchers"] as readonly string[];
  }

  /** Live processes of a watcher. */
  async pids(name: string): Promise<readonly number[]> {
    return (await this.ask("list", { name }))["pids"] as readonly number[];
  }

  /** Circus's four words by watcher, in the spelling of the configuration (reference §2.1). */
  async statuses(): Promise<Readonly<Record<string, string>>> {
    return (await this.ask("status"))["statuses"] as Readonly<Record<string, string>>;
  }

  async status(name: string): Promise<string> {
    return (await this.ask("status", { name })).status;
  }

  async options(name: string): Promise<Properties> {
    return (await this.ask("options", { name }))["options"] as Properties;
  }

  /** The agent's feed of events, on the address that the agent itself names. */
  async events(options: Omit<CircusEventsOptions, "endpoint"> = {}): Promise<CircusEvents> {
    const { options: global } = (await this.ask("globaloptions")) as unknown as {
      options: { pubsub_endpoint: string };
    };
    return new CircusEvents({ ...options, endpoint: global.pubsub_endpoint });
  }

  /** Whoever waits for a reply gets an error. Harmless twice. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      for (const id of [...this.#pending.keys()]) this.#fail(id, new CircusError("unknown", "the client is closed"));
      this.#socket.close();
    }
    await this.#reading;
    await this.#sending;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** One after another; `isWanted` says when its turn comes whether anybody still waits. */
  #send(message: object, deadlineMs: Millis, isWanted: () => boolean): Promise<void> {
    const sent = this.#sending.then(async () => {
      const leftMs = Math.ceil(deadlineMs - performance.now());
      if (!isWanted()) return;
      if (leftMs <= 0) throw new Timeout();
      this.#socket.sendTimeout = leftMs;
      await this.#socket.send(JSON.stringify(message));
    });
    this.#sending = sent.catch(() => undefined);
    return sent;
  }

  async #read(): Promise<void> {
    try {
      for await (const frames of this.#socket) this.#take(frames);
    } catch (error) {
      if (this.#isClosed) return;
      for (const id of [...this.#pending.keys()]) this.#fail(id, this.#sendError(error));
    }
  }

  /** A reply to nobody's request, or none at all, changes nothing. */
  #take(frames: readonly Buffer[]): void {
    const reply = frames.length === 1 ? readObject(frames[0]) : null;
    const { id, ...rest } = reply ?? {};
    if (typeof id !== "string" || typeof rest["status"] !== "string") return;
    this.#pending.get(id)?.resolve(rest as CircusReply);
  }

  #fail(id: string, error: Error): void {
    this.#pending.get(id)?.reject(error);
  }

  #lateError(command: string, limitMs: Millis): CircusError {
    return new CircusError("unknown", `${this.#endpoint} did not answer '${command}' within ${limitMs} ms`);
  }

  #sendError(error: unknown): CircusError {
    return new CircusError("unknown", `${this.#endpoint}: ${reasonOf(error)}`, { cause: error });
  }
}

/** One event of a watcher (reference §6). */
export interface WatcherEvent {
  /** Lower case, `_` for blanks; the agent's commands take this spelling too. */
  readonly watcher: string;
  /** `spawn`, `reap`, `kill`, `start`, `stop`, `reload`, `updated`, `add`, `remove`, `hook_success`, `hook_failure`. */
  readonly event: string;
  readonly payload: Properties;
}

export interface CircusEventsOptions {
  /** @default "tcp://127.0.0.1:5556" */
  readonly endpoint?: string;
  /** Only of these watchers. @default all */
  readonly watchers?: readonly string[];
}

/**
 * The events of one agent from now on, for one `for await`, which ends when this is closed. A reader that is too slow
 * (1000 events behind) loses some, and nobody waits for it.
 */
export class CircusEvents implements AsyncIterable<WatcherEvent>, AsyncDisposable {
  readonly #socket: Subscriber;
  readonly #connected: Promise<void>;

  /** @throws CircusError `message` where the endpoint is none. */
  constructor({ endpoint = PUBSUB_ENDPOINT, watchers }: CircusEventsOptions = {}) {
    this.#socket = new Subscriber({ linger: 0 });
    this.#connected = new Promise((resolve) => this.#socket.events.on("handshake", () => resolve()));
    const topics = watchers?.map((name) => `watcher.${resourceName(name)}.`) ?? ["watcher."];
    for (const topic of topics) this.#socket.subscribe(topic);
    connect(this.#socket, endpoint);
  }

  /** Settles when the agent is connected for the first time; what happens a moment later is heard. */
  async connected(): Promise<void> {
    await this.#connected;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<WatcherEvent> {
    for await (const [topic, payload] of this.#socket) {
      const parsed = parseEventTopic(topic?.toString("utf8") ?? "");
      const value = readObject(payload);
      if (parsed !== null && value !== null) yield { ...parsed, payload: value };
    }
  }

  /** Harmless twice. */
  close(): void {
    if (!this.#socket.closed) this.#socket.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await Promise.resolve();
  }
}

class Timeout extends Error {}

function isTimeout(error: unknown): boolean {
  return error instanceof Timeout || (error instanceof Error && "code" in error && error.code === "EAGAIN");
}

function connect(socket: Dealer | Subscriber, endpoint: string): void {
  try {
    socket.connect(endpoint);
  } catch (error) {
    socket.close();
    const reason = `cannot connect to ${JSON.stringify(endpoint)}: ${reasonOf(error)}`;
    throw new CircusError("message", reason, { cause: error });
  }
}

function readObject(frame: Buffer | undefined): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(frame?.toString("utf8") ?? "");
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}
