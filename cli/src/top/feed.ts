/**
 * Where the pictures of `top` come from: questions on the command channel, and the statistics stream where the agent
 * publishes one. Works with Circus's circusd too.
 */
import { AgentLink, type ZmqResult } from "../clients/zmq.ts";
import { fieldsOf, type Picture, pictureOf, type Replies, type Streamed } from "./picture.ts";

/** What the stream said is forgotten after so long. */
const FRESH_MS = 3000;
/** Errno of an agent that does not know a command. */
const UNKNOWN = 2;

type Looked = { readonly kind: "picture"; readonly picture: Picture } | Trouble;

/** Why there is no picture. */
export interface Trouble {
  readonly kind: "trouble";
  readonly isTimeout: boolean;
  readonly reason: string;
}

export class Feed implements Disposable {
  readonly #endpoint: string;
  readonly #timeoutMs: number;
  readonly #link: AgentLink;
  readonly #stream = new Stream();
  /** False once the agent has said that it does not know the command. */
  #hasSnapshot = true;

  /** @param hasStream may the place that the agent names for its statistics be used? */
  constructor(endpoint: string, timeoutMs: number, hasStream: boolean) {
    this.#stream.isOpen = !hasStream;
    this.#endpoint = endpoint;
    this.#timeoutMs = timeoutMs;
    this.#link = new AgentLink(endpoint);
  }

  /** One look. Never throws for what the agent does. */
  async look(): Promise<Looked> {
    const state = this.#hasSnapshot ? "snapshot" : "status";
    const results: ZmqResult[] = [];
    for (const command of ["stats", "dstats", state]) {
      const result = await this.#ask(command);
      if (result.kind === "timeout")
        return { kind: "trouble", isTimeout: true, reason: `no answer from ${this.#endpoint}` };
      if (result.kind === "failed") return { kind: "trouble", isTimeout: false, reason: result.reason };
      results.push(result);
    }
    const [stats = {}, dstats = {}, known = {}] = results.map(replyOf);
    if (this.#hasSnapshot && known["errno"] === UNKNOWN) {
      this.#hasSnapshot = false;
      return await this.look();
    }
    await this.#openStream();
    const replies: Replies = {
      stats,
      dstats,
      snapshot: this.#hasSnapshot ? known : null,
      status: this.#hasSnapshot ? null : known,
    };
    return { kind: "picture", picture: pictureOf(replies, this.#stream.newest(Date.now())) };
  }

  /** @returns one line: what came of it */
  async restart(watcher: string): Promise<string> {
    const result = await this.#ask("restart", { name: watcher, match: "simple", waiting: false });
    if (result.kind === "timeout") return `restart of ${watcher}: no answer`;
    if (result.kind === "failed") return `restart of ${watcher}: ${result.reason}`;
    const { status, reason } = replyOf(result);
    return `restart of ${watcher}: ${status === "ok" ? "ok" : String(reason)}`;
  }

  [Symbol.dispose](): void {
    this.#stream[Symbol.dispose]();
    this.#link[Symbol.dispose]();
  }

  #ask(command: string, properties: Readonly<Record<string, unknown>> = {}): Promise<ZmqResult> {
    return this.#link.ask({ command, properties, timeoutMs: this.#timeoutMs });
  }

  async #openStream(): Promise<void> {
    if (this.#stream.isOpen) return;
    const options = fieldsOf(replyOf(await this.#ask("globaloptions"))["options"]);
    const endpoint = options["stats_endpoint"];
    // Nobody may be there: then nothing comes, and nothing is lost.
    if (typeof endpoint === "string") await this.#stream.open(endpoint);
  }
}

function replyOf(result: ZmqResult): Readonly<Record<string, unknown>> {
  return result.kind === "reply" ? fieldsOf(JSON.parse(result.text)) : {};
}

interface Heard {
  readonly value: unknown;
  readonly atMs: number;
}

/** The newest record of each process and socket, by topic. */
class Stream implements Disposable {
  /** Nothing to be opened any more. */
  isOpen = false;
  readonly #heard = new Map<string, Heard>();
  #close: (() => void) | null = null;

  async open(endpoint: string): Promise<void> {
    this.isOpen = true;
    const { Subscriber } = await import("zeromq");
    const socket = new Subscriber({ linger: 0, receiveHighWaterMark: 10_000 });
    this.#close = () => socket.close();
    try {
      socket.connect(endpoint);
      socket.subscribe("stat.");
      void this.#read(socket);
    } catch {
      socket.close(); // an address that is none: as if nobody were there
    }
  }

  newest(nowMs: number): Streamed {
    const processes = new Map<number, unknown>();
    const sockets: unknown[] = [];
    for (const [topic, { value, atMs }] of this.#heard) {
      if (nowMs - atMs > FRESH_MS) this.#heard.delete(topic);
      else if (topic.startsWith("stat.sockets.")) sockets.push(value);
      else processes.set(Number(fieldsOf(value)["pid"]), value);
    }
    return { processes, sockets };
  }

  [Symbol.dispose](): void {
    this.#close?.();
    this.#close = null;
  }

  async #read(messages: AsyncIterable<readonly Buffer[]>): Promise<void> {
    try {
      for await (const [topic, payload] of messages) {
        // Sums have no third part; they can be made of the rest.
        if (topic === undefined || payload === undefined || !/^stat\..*\.\d+$/.test(topic.toString())) continue;
        this.#heard.set(topic.toString(), { value: JSON.parse(payload.toString()) as unknown, atMs: Date.now() });
      }
    } catch {
      // Closed, or not what it should be: the questions go on without it.
    }
  }
}
