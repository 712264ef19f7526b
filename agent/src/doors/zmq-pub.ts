/** The event feed: a PUB socket with `[topic, json]` (reference §6). A slow subscriber loses events, nobody waits for it. */
import { eventTopic, type Logger } from "@circus-cluster/proto";
import { Publisher } from "zeromq";
import type { CircusEvent } from "../events/api.ts";
import { bindEndpoint, closeSocket, LINGER_MS } from "./zmq-bind.ts";
import { SendQueue } from "./zmq-queue.ts";

/** Events that a subscriber may leave unread. */
const UNREAD_MAX = 10_000;
const CLOSE_MS = 1000;

export class ZmqPub {
  readonly #socket: Publisher;
  readonly #queue: SendQueue;
  #isClosed = false;

  private constructor(socket: Publisher, log: Logger) {
    this.#socket = socket;
    this.#queue = new SendQueue(socket, log);
  }

  /** @throws CircusError with one line, see {@link bindEndpoint}. */
  static async bind(endpoint: string, owner: string | null, log: Logger): Promise<ZmqPub> {
    const socket = new Publisher({ linger: LINGER_MS, sendHighWaterMark: UNREAD_MAX, sendTimeout: 0 });
    try {
      await bindEndpoint(socket, endpoint, owner);
    } catch (error) {
      socket.close();
      throw error;
    }
    return new ZmqPub(socket, log);
  }

  /** @param event with its time already in the data */
  publish(event: CircusEvent): void {
    this.#queue.push([eventTopic(event.watcher, event.event), JSON.stringify(event.data)]);
  }

  /** What was published before is still delivered, for a while. Harmless twice. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#queue.close(CLOSE_MS);
    await closeSocket(this.#socket);
  }
}
