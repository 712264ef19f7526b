/**
 * Messages of a stream in their order, from one on, asked for anew only when all that came are taken. The package has two readers of its
 * own for this: its `consume` asks as messages come in, so that what a reader is slower than the server by piles up without a
 * bound; its ordered `fetch` drops what is not taken yet when the last of an answer comes in (2.29.3).
 *
 * O1  Each message is handed on once, in order, with no gap.
 * O2  At most {@link BATCH} messages are here that were not handed on.
 */
import { randomBytes } from "node:crypto";
import { AckPolicy, type Consumer, type ConsumerMessages, DeliverPolicy, type JsMsg, type NatsConnection } from "nats";
import { API_TIMEOUT_MS, fail, manager, NS_PER_MS } from "./jetstream.ts";
import type { Consumption, OrderedConsumeOptions } from "./types.ts";

const BATCH = 1000;
/** With fewer messages in the stream, the question stays open for so long. */
const EXPIRES_MS = 10_000;
/** A consumer that nobody asks is removed by the server. */
const IDLE_MS = 300_000;

/** One consumer after the other that gives nothing is no accident. */
const FAILURES_MAX = 3;

class OrderedReader {
  readonly #nc: NatsConnection;
  readonly #options: OrderedConsumeOptions;
  #consumer: Consumer | null = null;
  #messages: ConsumerMessages | null = null;
  /** Where to go on, and what the consumer gave last by its own numbers. */
  #next: number;
  #delivered = 0;
  #failures = 0;
  #isStopped = false;

  constructor(nc: NatsConnection, options: OrderedConsumeOptions) {
    this.#nc = nc;
    this.#options = options;
    this.#next = options.startSeq;
  }

  /** Makes a consumer that begins with the next message. @throws where the stream cannot be read */
  async open(): Promise<void> {
    const { stream } = this.#options;
    try {
      const { consumers } = await manager(this.#nc);
      const { name } = await consumers.add(stream, {
        name: `read_${randomBytes(8).toString("hex")}`,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: this.#next,
        ack_policy: AckPolicy.None,
        inactive_threshold: IDLE_MS * NS_PER_MS,
        max_deliver: 1,
        mem_storage: true,
        num_replicas: 1,
      });
      this.#consumer = await this.#nc.jetstream({ timeout: API_TIMEOUT_MS }).consumers.get(stream, name);
      this.#delivered = 0;
    } catch (error) {
      throw fail(`stream ${stream} cannot be read`, error);
    }
  }

  /** Until it is stopped. @throws as {@link open}, and what the reader throws */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      if (this.#consumer === null) await this.open();
      else await this.#ask(this.#consumer);
    }
  }

  stop(): void {
    this.#isStopped = true;
    void this.#messages?.close();
    // Else the server removes it after a while.
    void this.#consumer?.delete().catch(() => undefined);
  }

  /** One answer. After a gap, or where the consumer is gone (with its server, say), another one goes on. */
  async #ask(consumer: Consumer): Promise<void> {
    let taking: unknown = null;
    try {
      const messages = await consumer.fetch({ max_messages: BATCH, expires: EXPIRES_MS });
      this.#messages = messages;
      try {
        for await (const message of messages) {
          if (this.#isStopped) return;
          const { deliverySequence } = message.info;
          if (deliverySequence !== this.#delivered + 1) throw new Error("a message is missing");
          this.#delivered = deliverySequence;
          this.#failures = 0;
          try {
            const pause = this.#hand(message);
            // Awaited only where there is something to wait for: a tick per message halves the rate.
            if (pause !== undefined) await pause;
          } catch (error) {
            taking = error;
            throw error;
          }
        }
      } finally {
        // Not awaited: it is over when all was taken, which after a mistake nobody does.
        void messages.close();
      }
    } catch (error) {
      if (taking !== null) throw error;
      this.#consumer = null;
      this.#failures += 1;
      if (this.#failures >= FAILURES_MAX) throw fail(`stream ${this.#options.stream} cannot be read`, error);
    }
  }

  #hand(message: JsMsg): ReturnType<OrderedConsumeOptions["onMessage"]> {
    this.#next = message.seq + 1;
    return this.#options.onMessage({
      seq: message.seq,
      subject: message.subject,
      data: message.data,
      time: Math.floor(message.info.timestampNanos / NS_PER_MS),
      pending: message.info.pending,
    });
  }
}

/** @throws RangeError for what is no sequence; as `OrderedReader.open` */
export async function orderedConsume(nc: NatsConnection, options: OrderedConsumeOptions): Promise<Consumption> {
  if (!Number.isInteger(options.startSeq) || options.startSeq < 1) {
    throw new RangeError(`${options.startSeq} is no stream sequence`);
  }
  const reader = new OrderedReader(nc, options);
  await reader.open();
  const done = reader.run();
  done.catch(() => undefined); // the owner awaits it too; a rejection before that must not end the program
  return {
    done,
    stop: async () => {
      reader.stop();
      await done.catch(() => undefined);
    },
  };
}
