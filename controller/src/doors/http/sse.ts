/**
 * Server-sent events of the live feed. A reader that does not keep up is told so and let go: what waits for one is
 * bounded, and nobody waits for it.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger, Millis } from "@circus-cluster/proto";
import type { FeedEntry, LiveFeed } from "../../live/feed.ts";
import type { Caller } from "./access.ts";
import { HttpRefusal } from "./errors.ts";

const CLIENTS_MAX = 64;
/** Waiting in our memory for one reader; more than a reader that comes back can have missed. */
const WAITING_MAX_BYTES = 1_048_576;
const BEAT_MS = 15_000;
/** For the last words to a reader that was let go. */
const LEAVE_MS = 5000;
/** After which a browser tries again. */
const RETRY_MS = 3000;

export interface StreamParts {
  readonly feed: Pick<LiveFeed, "subscribe">;
  readonly log: Logger;
  /** Between two signs of life. @default 15_000 */
  readonly beatMs?: Millis;
}

export class StreamDoor implements Disposable {
  readonly #parts: StreamParts;
  readonly #clients = new Set<Client>();

  constructor(parts: StreamParts) {
    this.#parts = parts;
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** @throws HttpRefusal where there are too many */
  open(request: IncomingMessage, response: ServerResponse, caller: Caller): void {
    if (this.#clients.size >= CLIENTS_MAX)
      throw new HttpRefusal("busy", `${CLIENTS_MAX} readers are connected already`);
    const lastId = request.headers["last-event-id"];
    request.socket.setTimeout(0); // we do not wait for a word of the reader
    response.writeHead(200, { "Content-Type": "text/event-stream; charset=utf-8", Connection: "close" });
    const client = new Client(this.#parts, response, caller, () => this.#clients.delete(client));
    this.#clients.add(client);
    client.start(typeof lastId === "string" ? lastId : null);
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client.leave("the controller stops");
  }
}

class Client {
  readonly #parts: StreamParts;
  readonly #response: ServerResponse;
  readonly #caller: Caller;
  readonly #onEnd: () => void;
  #subscription: Disposable | null = null;
  #beat: NodeJS.Timeout | null = null;
  #isStuck = false;

  constructor(parts: StreamParts, response: ServerResponse, caller: Caller, onEnd: () => void) {
    this.#parts = parts;
    this.#response = response;
    this.#caller = caller;
    this.#onEnd = onEnd;
    response.once("close", () => this.#end());
  }

  start(lastId: string | null): void {
    this.#response.write(`retry: ${RETRY_MS}\n\n`);
    const subscription = this.#parts.feed.subscribe(lastId, (entry) => this.#tell(entry));
    this.#subscription = subscription;
    for (const entry of subscription.missed) this.#tell(entry);
    this.#beat = setInterval(() => this.#sign(), this.#parts.beatMs ?? BEAT_MS);
  }

  leave(reason: string): void {
    if (this.#subscription === null) return;
    this.#end();
    const response = this.#response;
    response.end(`event: dropped\ndata: ${JSON.stringify({ reason })}\n\n`);
    const timer = setTimeout(() => response.destroy(), LEAVE_MS);
    response.once("close", () => clearTimeout(timer));
  }

  #tell({ id, event, data }: FeedEntry): void {
    if (this.#subscription === null) return;
    if (this.#response.writableLength > WAITING_MAX_BYTES) {
      this.#parts.log.warning("a reader of the live stream was dropped: too slow", { name: this.#caller.name });
      this.leave("too slow: reconnect with the last id");
      return;
    }
    this.#response.write(`id: ${id}\nevent: ${event}\ndata: ${data}\n\n`);
  }

  #sign(): void {
    if (!this.#caller.isValid()) {
      this.leave("the token is no longer valid");
      return;
    }
    const isWaiting = this.#response.writableLength > 0;
    if (isWaiting && this.#isStuck) {
      this.leave("too slow: nothing was read for a while");
      return;
    }
    this.#isStuck = isWaiting;
    this.#response.write(": alive\n\n");
  }

  #end(): void {
    if (this.#beat !== null) clearInterval(this.#beat);
    this.#beat = null;
    this.#subscription?.[Symbol.dispose]();
    this.#subscription = null;
    this.#onEnd();
  }
}
