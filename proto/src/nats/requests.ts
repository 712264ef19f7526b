/**
 * Questions and their answers over one private subscription: `nc.request` of the package makes a timer, a
 * promise and a stack trace each and does not notice a lost connection before its timeout (fleet-protocol §0.6, §6).
 */
import type { Msg } from "nats";
import type { Millis } from "../time.ts";
import type { FleetMessage, RequestOptions, RequestResult } from "./types.ts";
import { isNoResponders, toMessage } from "./wire.ts";

interface Waiting {
  readonly settle: (result: RequestResult) => void;
  readonly options: RequestOptions;
}

/** Open questions at once; more means that somebody asks in a loop. */
const WAITING_MAX = 100_000;

export class Requests {
  readonly #prefix: string;
  readonly #waiting = new Map<string, Waiting>();
  #count = 0;

  /** @param prefix private to this connection and unpredictable. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Where to listen for all answers. */
  get pattern(): string {
    return `${this.#prefix}.*`;
  }

  /** @returns the reply subject to send with, and the one result. */
  open(
    timeoutMs: Millis,
    options: RequestOptions,
  ): { reply: string; result: Promise<RequestResult>; drop: () => void } {
    if (this.#waiting.size >= WAITING_MAX) throw new RangeError(`more than ${WAITING_MAX} requests are open`);
    const reply = `${this.#prefix}.${(this.#count++).toString(36)}`;
    let settle: (result: RequestResult) => void = () => undefined;
    const result = new Promise<RequestResult>((resolve) => {
      const timer = setTimeout(() => settle({ kind: "timeout" }), timeoutMs);
      settle = (value) => {
        clearTimeout(timer);
        this.#waiting.delete(reply);
        resolve(value);
      };
    });
    this.#waiting.set(reply, { settle, options });
    return { reply, result, drop: () => settle({ kind: "disconnected" }) };
  }

  /** An answer came; late ones belong to nobody. */
  take(m: Msg): void {
    const waiting = this.#waiting.get(m.subject);
    if (waiting === undefined) return;
    if (isNoResponders(m)) {
      waiting.settle({ kind: "no-responders" });
      return;
    }
    const message: FleetMessage = toMessage(m);
    if (waiting.options.isLast?.(message) === false) waiting.options.onEarlier?.(message);
    else waiting.settle({ kind: "answer", message });
  }

  /** The connection is gone: nothing sent before may be waited for. */
  disconnected(): void {
    for (const waiting of [...this.#waiting.values()]) waiting.settle({ kind: "disconnected" });
  }
}
