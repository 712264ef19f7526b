/**
 * One connection to the fleet on the `nats` package.
 *
 * Invariants: (1) nothing is published while the connection is known to be down, since the package would
 * throw it away at the next dial without a word (fleet-protocol §0.1); (2) every subject is checked here once
 * more; (3) no exception of a handler reaches the package, whose reader would stop; (4) an open request ends
 * with the connection it was sent on.
 */
import { randomBytes } from "node:crypto";
import { DebugEvents, Events, type NatsConnection, type Status, type Subscription } from "nats";
import { reasonOf } from "../errors.ts";
import { inboxPrefix } from "../subjects.ts";
import type { Millis } from "../time.ts";
import { askMany } from "./ask.ts";
import { ensureStream, streamInfo } from "./jetstream.ts";
import { openLock } from "./lock.ts";
import { orderedConsume } from "./ordered.ts";
import { parsePubAck } from "./pub-ack.ts";
import { Requests } from "./requests.ts";
import type {
  Ask,
  AskEachOptions,
  AskManyOptions,
  AskManyResult,
  ConnectOptions,
  Consumption,
  FleetConnection,
  FleetMessage,
  FleetStatus,
  FleetSubscription,
  Lock,
  OrderedConsumeOptions,
  Payload,
  PubAck,
  PublishOptions,
  RequestOptions,
  RequestResult,
  StreamOptions,
  StreamState,
} from "./types.ts";
import { checkPattern, checkSubject, msgIdHeader, toBytes, toMessage, wordsOf } from "./wire.ts";

/** nats-server tells nobody whom it lets go. */
const CLOSED = "closed without a word (nats-server's log may say why: a slow consumer, for example)";
const CLOSE_TIMEOUT_MS = 2000;
const QUEUE = /^[A-Za-z0-9_-]{1,64}$/;

/** A subscription that outlives refusals: the broker's rights may be widened while we run. */
interface Kept {
  readonly pattern: string;
  readonly handler: (message: FleetMessage) => void;
  readonly queue: string | undefined;
  sub: Subscription | null;
}

export class NatsFleetConnection implements FleetConnection {
  readonly name: string;
  readonly closed: Promise<string | null>;
  readonly #nc: NatsConnection;
  readonly #onStatus: (status: FleetStatus) => void;
  readonly #inbox: string;
  readonly #requests: Requests;
  readonly #kept = new Set<Kept>();
  readonly #onLoss = new Set<() => void>();
  #isConnected = true;
  #isListening = false;
  #inboxes = 0;
  #reason: string | null = null;
  #closing: Promise<void> | null = null;

  constructor(nc: NatsConnection, options: ConnectOptions) {
    this.#nc = nc;
    this.name = options.name;
    this.#onStatus = options.onStatus ?? (() => undefined);
    this.#inbox = `${inboxPrefix(options.name)}.${randomBytes(12).toString("hex")}`;
    this.#requests = new Requests(`${this.#inbox}.r`);
    this.closed = this.#watchEnd();
    void this.#watchStatus();
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  get server(): string {
    return this.#nc.getServer();
  }

  publish(subject: string, payload: Payload, options: PublishOptions = {}): boolean {
    checkSubject(subject);
    if (options.reply !== undefined) checkSubject(options.reply);
    const data = toBytes(payload);
    const headers = options.msgId === undefined ? undefined : msgIdHeader(options.msgId);
    if (!this.#isConnected || this.#closing !== null) return false;
    const limit = this.#nc.info?.max_payload ?? Number.POSITIVE_INFINITY;
    if (data.length > limit) {
      throw new RangeError(`a message of ${data.length} bytes is above the server's limit of ${limit}`);
    }
    this.#nc.publish(subject, data, {
      ...(options.reply === undefined ? {} : { reply: options.reply }),
      ...(headers === undefined ? {} : { headers }),
    });
    return true;
  }

  subscribe(
    subject: string,
    handler: (message: FleetMessage) => void,
    options: { readonly queue?: string } = {},
  ): FleetSubscription {
    if (options.queue !== undefined && !QUEUE.test(options.queue)) throw new RangeError("this is no queue name");
    const kept: Kept = { pattern: checkPattern(subject), handler, queue: options.queue, sub: null };
    this.#kept.add(kept);
    this.#listen(kept);
    return {
      close: () => {
        this.#kept.delete(kept);
        if (kept.sub?.isClosed() === false && !this.#nc.isClosed()) kept.sub.unsubscribe();
        kept.sub = null;
      },
    };
  }

  inbox(): string {
    return `${this.#inbox}.i${(this.#inboxes++).toString(36)}`;
  }

  request(subject: string, payload: Payload, timeoutMs: Millis, options: RequestOptions = {}): Promise<RequestResult> {
    this.#listenForAnswers();
    const { reply, result, drop } = this.#requests.open(timeoutMs, options);
    try {
      const { msgId } = options;
      if (!this.publish(subject, payload, msgId === undefined ? { reply } : { reply, msgId })) drop();
    } catch (error) {
      drop();
      throw error;
    }
    return result;
  }

  async askEach(asks: readonly Ask[], options: AskEachOptions): Promise<ReadonlyMap<string, RequestResult>> {
    const { isLast, onAnswer, timeoutMs } = options;
    const one = async ({ key, subject, payload }: Ask): Promise<[string, RequestResult]> => {
      const result = await this.request(subject, payload, timeoutMs, {
        ...(isLast === undefined ? {} : { isLast: (message) => isLast(message, key) }),
        onEarlier: (message) => onAnswer?.(message, key),
      });
      if (result.kind === "answer") onAnswer?.(result.message, key);
      return [key, result];
    };
    return new Map(await Promise.all(asks.map(one)));
  }

  askMany(options: AskManyOptions): Promise<AskManyResult> {
    return askMany(this, options, (onLoss) => {
      this.#onLoss.add(onLoss);
      return () => this.#onLoss.delete(onLoss);
    });
  }

  async store(
    subject: string,
    payload: Payload,
    msgId: string,
    timeoutMs: Millis,
  ): Promise<PubAck | Exclude<RequestResult, { kind: "answer" }>> {
    const result = await this.request(subject, payload, timeoutMs, { msgId });
    return result.kind === "answer" ? parsePubAck(result.message) : result;
  }

  ensureStream(options: StreamOptions): Promise<StreamState> {
    return ensureStream(this.#nc, options);
  }

  streamInfo(name: string): Promise<StreamState | null> {
    return streamInfo(this.#nc, name);
  }

  orderedConsume(options: OrderedConsumeOptions): Promise<Consumption> {
    return orderedConsume(this.#nc, options);
  }

  lock(ttlMs: Millis, timeoutMs: Millis, replicas = 1): Promise<Lock> {
    return openLock(this.#nc, ttlMs, timeoutMs, replicas);
  }

  async flush(timeoutMs: Millis): Promise<boolean> {
    if (!this.#isConnected || this.#nc.isClosed()) return false;
    return within(timeoutMs, this.#nc.flush());
  }

  close(timeoutMs: Millis = CLOSE_TIMEOUT_MS): Promise<void> {
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  async #close(timeoutMs: Millis): Promise<void> {
    this.#requests.disconnected();
    for (const onLoss of this.#onLoss) onLoss();
    // A drain waits for a server that may be gone, and hangs on a busy consumer: bounded (fleet-protocol §6).
    if (this.#isConnected && !this.#nc.isClosed()) await within(timeoutMs, this.#nc.drain());
    if (!this.#nc.isClosed()) await this.#nc.close();
    await this.closed;
  }

  /** The package would throw: whoever asks finds out by what he sends. */
  get #isOver(): boolean {
    return this.#nc.isClosed() || this.#nc.isDraining();
  }

  #listenForAnswers(): void {
    if (this.#isListening || this.#isOver) return;
    this.#isListening = true;
    this.#nc.subscribe(this.#requests.pattern, {
      callback: (error, m) => {
        if (error !== null) {
          this.#isListening = false;
          this.#requests.disconnected();
        } else this.#guard(() => this.#requests.take(m));
      },
    });
  }

  #listen(kept: Kept): void {
    if (this.#isOver) return;
    kept.sub = this.#nc.subscribe(kept.pattern, {
      ...(kept.queue === undefined ? {} : { queue: kept.queue }),
      callback: (error, m) => {
        if (error === null) this.#guard(() => kept.handler(toMessage(m)));
        else kept.sub = null; // refused: the status tells; tried again after the next reconnect
      },
    });
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#tell({ kind: "error", reason: `a handler failed: ${reasonOf(error)}` });
    }
  }

  #tell(status: FleetStatus): void {
    try {
      this.#onStatus(status);
    } catch {
      // A listener's bug must not stop the reading of the status; there is nobody left to tell.
    }
  }

  async #watchEnd(): Promise<string | null> {
    const error = await this.#nc.closed();
    this.#isConnected = false;
    this.#requests.disconnected();
    for (const onLoss of this.#onLoss) onLoss();
    const reason = error instanceof Error ? wordsOf(error) : this.#closing === null ? "connection closed" : null;
    this.#tell({ kind: "closed", reason });
    return reason;
  }

  async #watchStatus(): Promise<void> {
    for await (const status of this.#nc.status()) this.#take(status);
  }

  #take(status: Status): void {
    switch (status.type) {
      case Events.Disconnect:
        if (!this.#isConnected) return;
        this.#isConnected = false;
        this.#requests.disconnected();
        for (const onLoss of this.#onLoss) onLoss();
        this.#tell({ kind: "disconnected", reason: this.#reason ?? CLOSED });
        this.#reason = null;
        return;
      case Events.Reconnect:
        this.#isConnected = true;
        for (const kept of this.#kept) if (kept.sub === null) this.#listen(kept);
        this.#tell({ kind: "connected", server: this.server, isFirst: false });
        return;
      case DebugEvents.StaleConnection:
        this.#reason = "the server answers no pings";
        return;
      case Events.Error:
        this.#takeError(status);
        return;
      case Events.LDM:
      case Events.Update:
      case DebugEvents.Reconnecting:
      case DebugEvents.PingTimer:
      case DebugEvents.ClientInitiatedReconnect:
        return;
      default:
        return status.type satisfies never;
    }
  }

  #takeError(status: Status): void {
    const { permissionContext: refused } = status;
    if (refused !== undefined) {
      const operation = refused.operation === "publish" ? "publish" : "subscribe";
      this.#tell({ kind: "forbidden", operation, subject: refused.subject });
      return;
    }
    const code = typeof status.data === "string" ? status.data : "unknown error";
    const reason = wordsOf(Object.assign(new Error(code), { code }));
    this.#reason = reason;
    this.#tell({ kind: this.#isConnected ? "error" : "unreachable", reason });
  }
}

/** Did the promise resolve in time? A rejection counts as no. */
async function within(timeoutMs: Millis, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  try {
    return await Promise.race([work.then(() => true).catch(() => false), late]);
  } finally {
    clearTimeout(timer);
  }
}
