/** One question to the local agent, as CircusClient asks it (reference §5.1–§5.3, §5.9). */
import { reasonOf } from "@circus-cluster/proto";
import type { Dealer } from "zeromq";

export type ZmqResult =
  /** The reply as it was sent: texts show its numbers as they are written there. */
  | { readonly kind: "reply"; readonly text: string }
  | { readonly kind: "timeout" }
  /** The endpoint is none, or what came back is no reply. */
  | { readonly kind: "failed"; readonly reason: string };

export interface ZmqQuestion {
  readonly endpoint: string;
  readonly command: string;
  readonly properties: Readonly<Record<string, unknown>>;
  /** The wait starts anew with each message that belongs to another question (reference §5.7). */
  readonly timeoutMs: number;
}

/** 32 hex digits that no other client has at the moment; no secret, so `node:crypto` need not be loaded (2 ms). */
function newId(): string {
  const digits = (n: number): string => Math.floor(n).toString(16).padStart(8, "0").slice(-8);
  const random = (): string => digits(Math.random() * 2 ** 32);
  return digits(process.pid) + random() + random() + random();
}

function idOf(text: string): unknown {
  const reply: unknown = JSON.parse(text);
  if (typeof reply !== "object" || reply === null || Array.isArray(reply)) throw new Error("it is no JSON object");
  return (reply as Readonly<Record<string, unknown>>)["id"];
}

/** One connection for several questions, one after another. */
export class AgentLink implements Disposable {
  readonly #endpoint: string;
  #socket: Dealer | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(endpoint: string) {
    this.#endpoint = endpoint;
  }

  /** Never throws for what the endpoint does or is. */
  ask(question: Omit<ZmqQuestion, "endpoint">): Promise<ZmqResult> {
    const answer = this.#last.then(() => this.#ask(question));
    this.#last = answer;
    return answer;
  }

  [Symbol.dispose](): void {
    this.#socket?.close();
    this.#socket = null;
  }

  async #ask({ command, properties, timeoutMs }: Omit<ZmqQuestion, "endpoint">): Promise<ZmqResult> {
    const result = await this.#converse(JSON.stringify({ command, properties }), timeoutMs);
    // What comes too late must not meet the next question.
    if (result.kind !== "reply") this[Symbol.dispose]();
    return result;
  }

  async #converse(question: string, timeoutMs: number): Promise<ZmqResult> {
    const endpoint = this.#endpoint;
    const { context, Dealer } = await import("zeromq");
    // Else a process with an undelivered message never ends.
    context.blocky = false;
    const id = newId();
    try {
      if (this.#socket === null) {
        this.#socket = new Dealer({ routingId: id, linger: 0 });
        try {
          this.#socket.connect(endpoint);
        } catch (error) {
          return { kind: "failed", reason: `cannot connect to ${JSON.stringify(endpoint)}: ${reasonOf(error)}` };
        }
      }
      const socket = this.#socket;
      socket.sendTimeout = timeoutMs;
      socket.receiveTimeout = timeoutMs;
      await socket.send(`{"id":"${id}",${question.slice(1)}`);
      for (;;) {
        const frames = await socket.receive();
        const [frame] = frames;
        if (frame === undefined || frames.length !== 1) continue;
        const text = frame.toString("utf8");
        try {
          if (idOf(text) === id) return { kind: "reply", text };
        } catch (error) {
          return { kind: "failed", reason: `${endpoint} does not speak Circus's protocol: ${reasonOf(error)}` };
        }
      }
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "EAGAIN") return { kind: "timeout" };
      return { kind: "failed", reason: `${endpoint}: ${reasonOf(error)}` };
    }
  }
}

/** One question on a connection of its own. Never throws for what the endpoint does or is. */
export async function askAgent({ endpoint, ...question }: ZmqQuestion): Promise<ZmqResult> {
  using link = new AgentLink(endpoint);
  return await link.ask(question);
}
