/** Tells the other controllers of this one, and knows of them what they tell. */
import { randomBytes } from "node:crypto";
import {
  CONTROLLER_TOPIC,
  type ControllerInfo,
  type ControllerSign,
  controllerSign,
  type Logger,
  parse,
  type Subjects,
  type UserName,
  VERSION,
} from "@circus-cluster/proto";
import type { FleetConnection } from "@circus-cluster/proto/nats";
import { infosOf, type Peer, type Peers, rivalOf, SIGN_MS, withPeer } from "./peers.ts";

export interface SignsParts {
  readonly connection: Pick<FleetConnection, "publish" | "subscribe">;
  readonly subjects: Subjects;
  readonly name: UserName;
  readonly hasLock: boolean;
  readonly isLeading: () => boolean;
  /** Another one has the better right: we have no lock. Called once. */
  readonly onRival: (rival: Peer) => void;
  readonly log: Logger;
}

export class Signs implements Disposable {
  readonly #parts: SignsParts;
  readonly #life = randomBytes(12).toString("hex");
  readonly #since = Date.now();
  readonly #timer: NodeJS.Timeout;
  #peers: Peers = new Map();
  #rival: Peer | null = null;

  constructor(parts: SignsParts) {
    this.#parts = parts;
    parts.connection.subscribe(parts.subjects.all.controllers(), (message) => {
      const subject = parts.subjects.parse(message.subject);
      if (subject?.kind === "adv") this.#take(subject.controller, message.json());
    });
    this.#timer = setInterval(() => this.give(), SIGN_MS);
    this.give();
  }

  /** Null: nobody is in our way. */
  get rival(): Peer | null {
    return this.#rival;
  }

  get controllers(): readonly ControllerInfo[] {
    return infosOf({ ...this.#own, name: this.#parts.name }, this.#peers, performance.now());
  }

  /** At once: something has changed. */
  give(): void {
    const { connection, subjects, name } = this.#parts;
    connection.publish(subjects.advice(name, CONTROLLER_TOPIC), this.#own);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  get #own(): ControllerSign {
    const { hasLock, isLeading } = this.#parts;
    return { v: 1, life: this.#life, since: this.#since, isLeading: isLeading(), hasLock, version: VERSION };
  }

  #take(name: string, value: unknown): void {
    const parsed = parse(controllerSign, value);
    if (!parsed.ok || parsed.value.life === this.#life) return;
    const sign = parsed.value;
    const isNew = !this.#peers.has(sign.life);
    this.#peers = withPeer(this.#peers, name, sign, performance.now());
    if (!isNew) return;
    // It need not wait for our next one to know of us.
    this.give();
    const { hasLock, log, onRival } = this.#parts;
    if (hasLock && !sign.hasLock) {
      const todo = "stop it, or give it credentials with a lock: circusctl fleet issue --replace";
      log.error("another controller has no key for the lock, and must not lead beside us", { controller: name, todo });
    }
    if (this.#rival !== null) return;
    this.#rival = rivalOf(this.#own, this.#peers);
    if (this.#rival !== null) onRival(this.#rival);
  }
}
