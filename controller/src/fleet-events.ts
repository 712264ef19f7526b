/**
 * The controller's own events, under `_fleet`: presence and rollouts. Sent in order, some at a time, each until the
 * stream has acknowledged it; they come back through ingest like any host's. Savings of rollouts never overtake each
 * other: a later one makes an earlier one worth nothing (see rollout/replica.ts).
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  type EventDraft,
  type FleetEvent,
  type Logger,
  messageId,
  reasonOf,
  type Subjects,
} from "@circus-cluster/proto";
import type { FleetConnection } from "@circus-cluster/proto/nats";

/** Waiting to be sent; a rollout that takes thousands of hosts at once, at five events each, fits in. */
const QUEUE_MAX = 100_000;
/** Unacknowledged at a time. */
const WINDOW = 64;
const STORE_MS = 5000;
const RETRY_MS = 500;
/** A server syncs its stream once a minute: a power cut takes what is younger (fleet-protocol §4). */
const SETTLE_MS = 120_000;
/** More of these are not kept to be stored again. */
const RECENT_MAX = 5000;

export interface FleetEventsParts {
  readonly connection: Pick<FleetConnection, "store" | "isConnected">;
  readonly subjects: Subjects;
  /** Asked before each sending: only a leader speaks for the fleet. */
  readonly mayAct: () => boolean;
  readonly log: Logger;
}

export class FleetEvents implements AsyncDisposable {
  readonly #parts: FleetEventsParts;
  readonly #queue: FleetEvent[] = [];
  /** Stored, but perhaps not on the server's disk yet. */
  #recent: { readonly event: FleetEvent; readonly atMs: number }[] = [];
  readonly #stopping = new AbortController();
  /** Of this time as leader; null: we do not lead. */
  #epoch: number | null = null;
  #seq = 0;
  readonly #waiting: { readonly seq: number; readonly settle: (isStored: boolean) => void }[] = [];
  #sending: Promise<void> = Promise.resolve();
  #isSending = false;
  #lastFailure = "";

  constructor(parts: FleetEventsParts) {
    this.#parts = parts;
  }

  /** We lead from now on. @param epoch never used before, by no controller */
  begin(epoch: number): void {
    this.#epoch = epoch;
    this.#seq = 0;
  }

  /** We lead no more: what waits is another's to tell. */
  halt(): void {
    this.#epoch = null;
    this.#queue.length = 0;
    this.#recent = [];
    for (const { settle } of this.#waiting.splice(0)) settle(false);
  }

  /** Resolves when all that was emitted is in the stream; false: we do not lead any more. */
  stored(): Promise<boolean> {
    if (this.#epoch === null) return Promise.resolve(false);
    const last = this.#queue.at(-1);
    if (last === undefined) return Promise.resolve(true);
    return new Promise((settle) => this.#waiting.push({ seq: last.seq, settle }));
  }

  /** Queues an event; false where too many wait: nothing was numbered then, and it may be tried again. */
  emit(draft: EventDraft): boolean {
    const epoch = this.#epoch;
    if (epoch === null || this.#queue.length >= QUEUE_MAX || this.#stopping.signal.aborted) return false;
    this.#queue.push({ ...draft, v: 1, epoch, seq: ++this.#seq, time: Date.now() });
    this.#startSending();
    return true;
  }

  #startSending(): void {
    if (this.#isSending) return;
    this.#isSending = true;
    this.#sending = this.#send();
  }

  #forgetSettled(): void {
    const now = performance.now();
    const first = this.#recent.findIndex(({ atMs }) => now - atMs < SETTLE_MS);
    const settled = first < 0 ? this.#recent.length : first;
    this.#recent.splice(0, Math.max(settled, this.#recent.length - RECENT_MAX));
  }

  /** After a reconnect: what a server without power may have forgotten goes before all that waits. */
  connected(): void {
    this.#forgetSettled();
    this.#queue.unshift(...this.#recent.splice(0).map(({ event }) => event));
    this.#startSending();
  }

  /** Gives what waits `graceMs` to get out. */
  async close(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.#stopping.abort(), graceMs);
    await this.#sending;
    clearTimeout(timer);
    this.#stopping.abort();
    this.halt();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }

  async #send(): Promise<void> {
    // Its end is noted in the same breath: what is queued in a microtask later would wait for the next event.
    for (let some = this.#next(); some.length > 0; some = this.#next()) {
      if (this.#stopping.signal.aborted) break;
      const failures = this.#parts.mayAct()
        ? await Promise.all(some.map((event) => this.#store(event)))
        : some.map(() => "this controller does not lead");
      const at = this.#queue.indexOf(some[0] as FleetEvent);
      if (at < 0) continue; // halted meanwhile
      this.#queue.splice(at, some.length, ...some.filter((_, index) => failures[index] !== null));
      const atMs = performance.now();
      for (const [index, event] of some.entries()) if (failures[index] === null) this.#recent.push({ event, atMs });
      this.#forgetSettled();
      const first = this.#queue[0]?.seq ?? Number.POSITIVE_INFINITY;
      while ((this.#waiting[0]?.seq ?? Number.POSITIVE_INFINITY) < first) this.#waiting.shift()?.settle(true);
      const failure = failures.find((one) => one !== null) ?? "";
      if (failure !== "" && failure !== this.#lastFailure && this.#parts.connection.isConnected) {
        this.#parts.log.warning("an event of the fleet cannot be stored; trying again", { reason: failure });
      }
      this.#lastFailure = failure;
      if (failure !== "") {
        await delay(RETRY_MS, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
    this.#isSending = false;
  }

  /** What goes out together: at most one saving. */
  #next(): readonly FleetEvent[] {
    const some: FleetEvent[] = [];
    let hasSaving = false;
    for (const event of this.#queue.slice(0, WINDOW)) {
      const isSaving = event.kind === "rollout_saved";
      if (isSaving && hasSaving) break;
      hasSaving ||= isSaving;
      some.push(event);
    }
    return some;
  }

  async #store(event: FleetEvent): Promise<string | null> {
    const { connection, subjects } = this.#parts;
    try {
      const subject = subjects.event(null, event.watcher, event.kind);
      const result = await connection.store(subject, event, messageId("_fleet", event), STORE_MS);
      if (result.kind === "stored") return null;
      return result.kind === "refused" ? result.reason : result.kind;
    } catch (error) {
      return reasonOf(error);
    }
  }
}
