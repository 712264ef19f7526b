/** One writer per ZeroMQ socket: a second send beside the first throws EBUSY there (design §6). */
import { type Logger, reasonOf } from "@circus-cluster/proto";

/** What waits at once; beyond it messages are dropped, which their reader would have done for want of time. */
const QUEUE_MAX = 10_000;

export interface Sendable {
  send(frames: (string | Buffer)[]): Promise<void>;
}

export class SendQueue {
  readonly #socket: Sendable;
  readonly #log: Logger;
  readonly #max: number;
  readonly #waiting: (string | Buffer)[][] = [];
  #writer: Promise<void> | null = null;
  #dropped = 0;
  #isClosed = false;

  constructor(socket: Sendable, log: Logger, max = QUEUE_MAX) {
    this.#socket = socket;
    this.#log = log;
    this.#max = max;
  }

  push(frames: (string | Buffer)[]): void {
    if (this.#isClosed) return;
    if (this.#waiting.length >= this.#max) {
      if (this.#dropped++ === 0) this.#log.warning("messages dropped: their reader is too slow");
      return;
    }
    this.#waiting.push(frames);
    this.#writer ??= this.#write();
  }

  /** Takes nothing more; settles when all was handed to ZeroMQ, or after `deadlineMs`. */
  async close(deadlineMs: number): Promise<void> {
    this.#isClosed = true;
    if (this.#writer === null) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
    });
    await Promise.race([this.#writer, late]);
    clearTimeout(timer);
    this.#waiting.length = 0;
  }

  /** Never rejects: a message that cannot be sent is lost, the next one is tried. */
  async #write(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      try {
        await this.#socket.send(next);
      } catch (error) {
        this.#log.debug("message not sent", { reason: reasonOf(error) });
      }
    }
    this.#writer = null;
    if (this.#dropped > 0) this.#log.warning("messages were dropped", { count: this.#dropped });
    this.#dropped = 0;
  }
}
