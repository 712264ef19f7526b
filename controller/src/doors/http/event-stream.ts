/**
 * One response as a stream of server-sent events. A reader that goes silent, or whose token is no longer valid, is told
 * so and let go.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Millis } from "@circus-cluster/proto";
import type { Caller } from "./access.ts";

export const EVENT_STREAM = "text/event-stream; charset=utf-8";

const BEAT_MS = 15_000;
/** For the last words to a reader that was let go. */
const LEAVE_MS = 5000;
/** After which a browser tries again. */
const RETRY_MS = 3000;

export interface SentEvent {
  readonly id?: string;
  readonly event: string;
  /** One JSON object. */
  readonly data: string;
}

interface EventStreamParts {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: Caller;
  /** Between two signs of life. @default 15_000 */
  readonly beatMs?: Millis | undefined;
  /** Once, whoever ended it. */
  readonly onEnd: () => void;
}

export class EventStream {
  readonly #response: ServerResponse;
  readonly #caller: Caller;
  readonly #onEnd: () => void;
  readonly #beat: NodeJS.Timeout;
  #isStuck = false;
  #isOver = false;

  /** Begins the answer. */
  constructor({ request, response, caller, beatMs, onEnd }: EventStreamParts) {
    this.#response = response;
    this.#caller = caller;
    this.#onEnd = onEnd;
    request.socket.setTimeout(0); // we do not wait for a word of the reader
    response.writeHead(200, { "Content-Type": EVENT_STREAM, Connection: "close" });
    response.once("close", () => this.#end());
    response.write(`retry: ${RETRY_MS}\n\n`);
    this.#beat = setInterval(() => this.#sign(), beatMs ?? BEAT_MS);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Bytes that the reader has not taken. */
  get waiting(): number {
    return this.#response.writableLength;
  }

  send({ id, event, data }: SentEvent): void {
    if (this.#isOver) return;
    this.#response.write(`${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`);
  }

  /** Settles when the reader has taken what waits, or has gone. */
  async taken(): Promise<void> {
    const response = this.#response;
    while (!this.#isOver && response.writableNeedDrain) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          response.off("drain", done);
          response.off("close", done);
          resolve();
        };
        response.once("drain", done);
        response.once("close", done);
      });
    }
  }

  leave(reason: string): void {
    if (this.#isOver) return;
    this.#end();
    const response = this.#response;
    response.end(`event: dropped\ndata: ${JSON.stringify({ reason })}\n\n`);
    const timer = setTimeout(() => response.destroy(), LEAVE_MS);
    response.once("close", () => clearTimeout(timer));
  }

  #sign(): void {
    if (!this.#caller.isValid()) {
      this.leave("the token is no longer valid");
      return;
    }
    const isWaiting = this.waiting > 0;
    if (isWaiting && this.#isStuck) {
      this.leave("too slow: nothing was read for a while");
      return;
    }
    this.#isStuck = isWaiting;
    this.#response.write(": alive\n\n");
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#beat);
    this.#onEnd();
  }
}
