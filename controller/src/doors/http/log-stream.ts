/**
 * The output of a watcher on its hosts as server-sent events, for the web page: this controller follows it at the agents
 * in the reader's place. A host is asked for more only when the reader has taken what came: a slow one costs lines, of
 * which it is told, and bounded memory here and there.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type HostName, type LogAgent, type LogStreamQuery, type Millis, readLog } from "@circus-cluster/proto";
import type { FleetView } from "../../fleet-view.ts";
import type { Commander } from "../../live/commander.ts";
import type { Caller } from "./access.ts";
import { HttpRefusal } from "./errors.ts";
import { EventStream } from "./event-stream.ts";

const CLIENTS_MAX = 16;
const HOSTS_MAX = 100;
const ANSWER_MS = 5000;

export interface LogStreamParts {
  readonly view: Pick<FleetView, "hostsWith">;
  readonly commander: Pick<Commander, "ask">;
  /** Between two signs of life. @default 15_000 */
  readonly beatMs?: Millis;
}

export class LogStreamDoor implements Disposable {
  readonly #parts: LogStreamParts;
  readonly #clients = new Set<EventStream>();

  constructor(parts: LogStreamParts) {
    this.#parts = parts;
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** @throws HttpRefusal where there are too many readers or hosts, CircusError where no host has the watcher */
  open(request: IncomingMessage, response: ServerResponse, caller: Caller, query: LogStreamQuery): void {
    const hosts = this.#parts.view.hostsWith(query);
    if (hosts.length > HOSTS_MAX) {
      throw new HttpRefusal("message", `${hosts.length} hosts have '${query.watcher}': choose up to ${HOSTS_MAX}`);
    }
    if (this.#clients.size >= CLIENTS_MAX) throw new HttpRefusal("busy", `${CLIENTS_MAX} readers follow logs already`);
    const { beatMs } = this.#parts;
    const client: EventStream = new EventStream({
      ...{ request, response, caller, beatMs },
      onEnd: () => this.#clients.delete(client),
    });
    this.#clients.add(client);
    client.send({ event: "hosts", data: JSON.stringify({ hosts }) });
    for (const host of hosts) void this.#follow(client, host, query);
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client.leave("the controller stops");
  }

  /** Never rejects. */
  async #follow(client: EventStream, host: HostName, { watcher, lines }: LogStreamQuery): Promise<void> {
    const { commander } = this.#parts;
    const agent: LogAgent = {
      ask: (command, properties, waitMs) => commander.ask(host, command, properties, ANSWER_MS + waitMs),
      pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref()),
      get isOver() {
        return client.isOver;
      },
    };
    try {
      for await (const { kind, ...news } of readLog({ watcher, lines, since: null, isFollowed: true }, agent)) {
        client.send({ event: kind, data: JSON.stringify({ host, ...news }) });
        await client.taken();
        if (client.isOver) return;
      }
    } catch {
      client.send({ event: "refused", data: JSON.stringify({ host, reason: "this controller cannot follow it" }) });
    }
  }
}
