/**
 * The socket of the statistics stream: to its clients a PUB socket with `[topic, json]` (reference §5.1); to us an XPUB,
 * which tells what they subscribe to.
 */
import { type Logger, reasonOf } from "@circus-cluster/proto";
import { XPublisher } from "zeromq";
import type { StatsMessage } from "../stats/series.ts";
import { type StatsSource, StatsStream } from "../stats/stream.ts";
import { Subscriptions } from "../stats/subscriptions.ts";
import { pythonJson } from "./python-json.ts";
import { bindEndpoint, closeSocket } from "./zmq-bind.ts";
import { SendQueue } from "./zmq-queue.ts";

/** Messages that a subscriber may leave unread: about a minute of a hundred processes. */
const UNREAD_MAX = 10_000;
/** Longest prefix that a client may subscribe to; the connection of one that sends more is closed. */
const PREFIX_BYTES_MAX = 1024;

export class ZmqStats {
  readonly #subscriptions = new Subscriptions();
  readonly #socket: XPublisher;
  readonly #queue: SendQueue;
  readonly #log: Logger;
  #stream: StatsStream | null = null;
  #reading: Promise<void> | null = null;
  #isClosed = false;

  private constructor(socket: XPublisher, log: Logger) {
    this.#socket = socket;
    this.#log = log;
    this.#queue = new SendQueue(socket, log);
  }

  /** @throws CircusError with one line, see {@link bindEndpoint}. */
  static async bind(endpoint: string, owner: string | null, log: Logger): Promise<ZmqStats> {
    const socket = new XPublisher({
      linger: 0, // old statistics are of no use to anybody
      sendHighWaterMark: UNREAD_MAX,
      sendTimeout: 0,
      maxMessageSize: PREFIX_BYTES_MAX,
    });
    try {
      await bindEndpoint(socket, endpoint, owner);
    } catch (error) {
      socket.close();
      throw error;
    }
    return new ZmqStats(socket, log);
  }

  /** Publishes from now on, while somebody listens. */
  serve(source: StatsSource): void {
    if (this.#stream !== null) return;
    const publish = ({ topic, payload }: StatsMessage): void => this.#queue.push([topic, pythonJson(payload)]);
    this.#stream = new StatsStream({ subscriptions: this.#subscriptions, source, publish, log: this.#log });
    this.#reading = this.#read(this.#stream);
  }

  /** Harmless twice. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stream?.[Symbol.dispose]();
    await this.#queue.close(0);
    await closeSocket(this.#socket);
    await this.#reading;
  }

  async #read(stream: StatsStream): Promise<void> {
    try {
      for await (const [message] of this.#socket) {
        if (message === undefined) continue;
        this.#subscriptions.take(message);
        stream.turned();
      }
    } catch (error) {
      if (!this.#isClosed) this.#log.error("statistics stream failed", { reason: reasonOf(error) });
    }
  }
}
