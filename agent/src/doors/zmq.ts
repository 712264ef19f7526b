/**
 * The command channel: a ROUTER socket between Circus's clients and the command table (reference §5.1–§5.4).
 * It decides nothing. Every request but a cast gets exactly one reply; whatever else arrives changes nothing.
 */
import { type CircusReply, FRAME_BYTES_MAX, type Logger } from "@circus-cluster/proto";
import { Router } from "zeromq";
import type { Dispatch } from "../commands/agent-view.ts";
import { errorReply } from "../commands/dispatch.ts";
import { bindEndpoint, closeSocket, LINGER_MS } from "./zmq-bind.ts";
import { decodeRequest, encodeReply, type Incoming } from "./zmq-frames.ts";
import { SendQueue } from "./zmq-queue.ts";

/** Requests that may be under way at once (waiting ones last long); more are refused. */
const IN_FLIGHT_MAX = 1000;
/** What a peer may leave unread before its replies are dropped. */
const UNREAD_MAX = 1000;
/** How long {@link ZmqDoor.close} waits for replies, ms. */
const CLOSE_MS = 2000;

type Request = Extract<Incoming, { kind: "request" }>;

export class ZmqDoor {
  readonly #router: Router;
  readonly #queue: SendQueue;
  readonly #log: Logger;
  readonly #inFlight = new Set<Promise<void>>();
  #dispatch: Dispatch | null = null;
  #reading: Promise<void> | null = null;
  #isClosing = false;

  private constructor(router: Router, log: Logger) {
    this.#router = router;
    this.#log = log;
    this.#queue = new SendQueue(router, log);
  }

  /**
   * Binds the endpoint; requests wait until {@link serve}.
   *
   * @throws CircusError with one line, see {@link bindEndpoint}.
   */
  static async bind(endpoint: string, owner: string | null, log: Logger): Promise<ZmqDoor> {
    const router = new Router({
      maxMessageSize: FRAME_BYTES_MAX,
      linger: LINGER_MS,
      sendHighWaterMark: UNREAD_MAX,
      sendTimeout: 0,
    });
    try {
      await bindEndpoint(router, endpoint, owner);
    } catch (error) {
      router.close();
      throw error;
    }
    return new ZmqDoor(router, log);
  }

  serve(dispatch: Dispatch): void {
    this.#dispatch = dispatch;
    this.#reading ??= this.#read();
  }

  /** Takes no more requests, lets those under way be answered for a while, closes. Harmless twice. */
  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([Promise.all(this.#inFlight), late]);
    clearTimeout(timer);
    await this.#queue.close(CLOSE_MS);
    await closeSocket(this.#router); // ends the pending receive, and with it the reading
    await this.#reading;
  }

  async #read(): Promise<void> {
    try {
      for await (const frames of this.#router) this.#take(frames);
    } catch (error) {
      if (!this.#isClosing) this.#log.critical("command channel failed", { err: error });
    }
  }

  #take(frames: readonly Buffer[]): void {
    const incoming = decodeRequest(frames);
    if (incoming.kind === "ignored") {
      this.#log.debug("message ignored", { frames: frames.length });
      return;
    }
    if (incoming.kind === "bad") {
      this.#reply(incoming.envelope, errorReply(incoming.error, incoming.reason, Date.now()), incoming.id);
      return;
    }
    const isFull = this.#inFlight.size >= IN_FLIGHT_MAX;
    if (isFull || this.#isClosing) {
      const reason = isFull ? "too many commands are under way" : "the agent is about to end";
      if (!incoming.isCast) this.#reply(incoming.envelope, errorReply("conflict", reason, Date.now()), incoming.id);
      return;
    }
    const answer = this.#answer(incoming);
    this.#inFlight.add(answer);
    void answer.finally(() => this.#inFlight.delete(answer));
  }

  async #answer({ envelope, command, properties, isCast, id }: Request): Promise<void> {
    const reply = await this.#dispatch?.({ command, properties, actor: null, door: "zmq", commandId: null });
    if (reply !== undefined && !isCast) this.#reply(envelope, reply, id);
  }

  #reply(envelope: readonly Buffer[], reply: CircusReply, id: string): void {
    this.#queue.push([...envelope, encodeReply(reply, id)]);
  }
}
