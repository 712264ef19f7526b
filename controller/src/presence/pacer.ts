/** Tells hosts how often to beat. One that does not listen is asked again at a later beat, an older one not again. */
import { randomBytes } from "node:crypto";
import { HEARTBEAT, type Heartbeat, type HostName, type Millis } from "@circus-cluster/proto";
import type { Commander } from "../live/commander.ts";
import { isOutOfPace } from "./pace.ts";

/** Asked at a time: after a change of the pace all hosts are. */
const ASKING_MAX = 128;
const ANSWER_MS = 5000;

export interface PacerParts {
  readonly commander: Pick<Commander, "send">;
  /** Only a leader tells. */
  readonly mayAct: () => boolean;
  /** Ms between two beats that are wanted now. */
  readonly pace: () => Millis;
}

export class Pacer {
  readonly #parts: PacerParts;
  readonly #asking = new Set<HostName>();
  /** Lives of agents that do not know the command. */
  readonly #deaf = new Map<HostName, number>();

  constructor(parts: PacerParts) {
    this.#parts = parts;
  }

  beat(host: HostName, { interval, epoch, leaving }: Heartbeat): void {
    const { mayAct, pace } = this.#parts;
    if (leaving === true || !isOutOfPace(interval, pace()) || !mayAct()) return;
    if (this.#asking.has(host) || this.#asking.size >= ASKING_MAX || this.#deaf.get(host) === epoch) return;
    this.#asking.add(host);
    void this.#ask(host, epoch, pace()).finally(() => this.#asking.delete(host));
  }

  async #ask(host: HostName, epoch: number, interval: Millis): Promise<void> {
    const id = `pace-${randomBytes(8).toString("hex")}`;
    try {
      const command = { host, id, command: HEARTBEAT.name, properties: { interval } };
      const delivery = await this.#parts.commander.send(command, ANSWER_MS);
      if (delivery.kind === "answered" && delivery.answer.outcome === "refused") this.#deaf.set(host, epoch);
    } catch {
      // No connection: a later beat tries again.
    }
  }
}
