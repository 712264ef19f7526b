/**
 * Server-sent events of the live feed. A reader that does not keep up is told so and let go: what waits for one is
 * bounded, and nobody waits for it.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger, Millis } from "@circus-cluster/proto";
import type { FeedEntry, LiveFeed, Subscription } from "../../live/feed.ts";
import type { Caller } from "./access.ts";
import { HttpRefusal } from "./errors.ts";
import { EventStream } from "./event-stream.ts";

const CLIENTS_MAX = 64;
/** Waiting in our memory for one reader; more than a reader that comes back can have missed. */
const WAITING_MAX_BYTES = 1_048_576;

export interface StreamParts {
  readonly feed: Pick<LiveFeed, "subscribe">;
  readonly log: Logger;
  /** Between two signs of life. @default 15_000 */
  readonly beatMs?: Millis;
}

export class StreamDoor implements Disposable {
  readonly #parts: StreamParts;
  readonly #clients = new Set<EventStream>();

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
    const { feed, beatMs } = this.#parts;
    let subscription: Subscription | null = null;
    const client = new EventStream({
      ...{ request, response, caller, beatMs },
      onEnd: () => {
        this.#clients.delete(client);
        subscription?.[Symbol.dispose]();
      },
    });
    this.#clients.add(client);
    subscription = feed.subscribe(typeof lastId === "string" ? lastId : null, (entry) =>
      this.#tell(client, caller, entry),
    );
    for (const entry of subscription.missed) this.#tell(client, caller, entry);
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client.leave("the controller stops");
  }

  #tell(client: EventStream, { name }: Caller, entry: FeedEntry): void {
    if (client.isOver) return;
    if (client.waiting <= WAITING_MAX_BYTES) {
      client.send(entry);
      return;
    }
    this.#parts.log.warning("a reader of the live stream was dropped: too slow", { name });
    client.leave("too slow: reconnect with the last id");
  }
}
