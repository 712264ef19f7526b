/** Takes part in the election of the leader over a connection of its own, to the account of the lock. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type Fence, type Logger, type Millis, reasonOf } from "@circus-cluster/proto";
import type { FleetConnection, Lock } from "@circus-cluster/proto/nats";
import { holderOf, isGone, isUsed, type Lease, LOCK_TTL_MS, mayAct, nextMove, RENEW_MS, written } from "./core.ts";

const POLL_MS = 500;
const ANSWER_MS = 1500;
const CLOSE_MS = 500;

export interface ElectionParts {
  readonly name: string;
  /** @throws where the signal ends it */
  readonly connect: (signal: AbortSignal) => Promise<FleetConnection>;
  /** Servers that keep the lock, where it is made now. */
  readonly replicas: number;
  /** The highest fence that a command went out with, as far as we know; null: none did. */
  readonly used: () => Fence | null;
  /** From now on we lead; whatever is done asks `mayAct` first all the same. */
  readonly onWon: () => void;
  readonly onLost: () => void;
  readonly log: Logger;
}

/** What the rest of a controller asks before it does something to the fleet. */
export class Election implements AsyncDisposable {
  readonly #parts: ElectionParts;
  readonly #life = randomBytes(12).toString("hex");
  readonly #stopping = new AbortController();
  #running: Promise<void> | null = null;
  #lock: Lock | null = null;
  #lease: Lease | null = null;
  #leader: string | null = null;
  #isLeading = false;
  #lastFailure = "";

  constructor(parts: ElectionParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  get mayAct(): boolean {
    return this.#isLeading && mayAct(this.#lease, performance.now());
  }

  /** Stands in every command; null: there is none now. */
  get fence(): Fence | null {
    return this.#lease?.fence ?? null;
  }

  /** Name of the leader as last seen; null: none is. */
  get leader(): string | null {
    return this.#leader;
  }

  /** Gives the lock up, so that another need not wait for the server to forget it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { connect, log } = this.#parts;
    const { signal } = this.#stopping;
    let connection: FleetConnection;
    try {
      connection = await connect(signal);
    } catch (error) {
      if (!signal.aborted) log.error("the lock of the controllers cannot be used", { reason: reasonOf(error) });
      return;
    }
    while (!signal.aborted) {
      const restMs = await this.#turn(connection);
      await delay(restMs, undefined, { signal }).catch(() => undefined);
    }
    await this.#giveUp();
    await connection.close(CLOSE_MS);
  }

  /** @returns when the next turn is due */
  async #turn(connection: FleetConnection): Promise<Millis> {
    try {
      await this.#step(connection);
      this.#lastFailure = "";
    } catch (error) {
      this.#lock = null;
      const reason = reasonOf(error);
      if (reason !== this.#lastFailure) this.#parts.log.warning("the lock cannot be read or written", { reason });
      this.#lastFailure = reason;
    }
    const now = performance.now();
    if (this.#lease !== null && isGone(this.#lease, now)) this.#lease = null;
    const lease = this.#lease;
    if (lease === null) {
      this.#lose();
      return POLL_MS;
    }
    if (!this.#isLeading && mayAct(lease, now)) this.#win(lease);
    if (this.#lastFailure !== "") return POLL_MS;
    return this.#isLeading ? RENEW_MS : Math.max(1, Math.ceil(lease.wonMs + RENEW_MS - now));
  }

  async #step(connection: FleetConnection): Promise<void> {
    // Looked at anew before it is won: a bucket that was made anew counts its revisions from 1.
    if (this.#lock === null || this.#lease === null) {
      this.#lock = await connection.lock(LOCK_TTL_MS, ANSWER_MS, this.#parts.replicas);
    }
    const lock = this.#lock;
    const entry = await lock.read();
    this.#leader = holderOf(entry)?.leader ?? null;
    const move = nextMove(entry, this.#life);
    if (move.kind === "wait") {
      this.#lease = null;
      return;
    }
    if (!move.isOurs) this.#lease = null;
    const askedMs = performance.now();
    let revision: number | null = move.revision;
    do revision = await lock.write({ leader: this.#parts.name, life: this.#life }, revision);
    while (revision !== null && this.#lease === null && isUsed({ bucket: lock.bucket, revision }, this.#parts.used()));
    if (revision === null) {
      this.#lease = null;
      return;
    }
    this.#leader = this.#parts.name;
    this.#lease = written(this.#lease, lock.bucket, revision, move.isOurs, askedMs);
  }

  #win({ fence }: Lease): void {
    this.#isLeading = true;
    this.#parts.log.info("this controller leads", { ...fence });
    this.#parts.onWon();
  }

  #lose(): void {
    if (!this.#isLeading) return;
    this.#isLeading = false;
    this.#parts.log.warning("this controller leads no more", { leader: this.#leader });
    this.#parts.onLost();
  }

  async #giveUp(): Promise<void> {
    const lease = this.#lease;
    this.#lease = null;
    if (lease === null || this.#lock === null) return;
    try {
      await this.#lock.write({ leader: null, life: this.#life }, lease.revision);
    } catch (error) {
      this.#parts.log.warning("the lock cannot be given up; it ends by itself", { reason: reasonOf(error) });
    }
  }
}
