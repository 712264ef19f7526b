/**
 * Keeps the live picture of every host: asks for a snapshot where there is none or it is stale, and lets the
 * events of ingest pass through it. One question per host at a time.
 */
import { type HostName, type HostSnapshot, hostSnapshot, type Logger, parse, reasonOf } from "@circus-cluster/proto";
import { FLEET, type StoredEvent } from "../ingest/decode.ts";
import type { Commander } from "./commander.ts";
import { type LiveHost, takeEvent, takeSnapshot } from "./model.ts";

/** Events that ingest may be behind a beat before the picture counts as out of date. */
const LAG_MS = 5000;
/** Hosts asked at a time: after a start or reconnect the pictures of all come in turn, not at once. */
const ASKING_MAX = 128;

export interface KeeperParts {
  readonly commander: Pick<Commander, "look">;
  readonly log: Logger;
  /** A picture has changed. */
  readonly onChange: (host: HostName, live: LiveHost) => void;
  /** A new picture came from the host itself. */
  readonly onSnapshot: (host: HostName, live: LiveHost) => void;
}

export class Keeper {
  readonly #parts: KeeperParts;
  readonly #hosts = new Map<HostName, LiveHost>();
  readonly #asking = new Map<HostName, Promise<LiveHost | null>>();
  #open = 0;
  /** One for each host at most, since an open question is joined. */
  readonly #waiting: (() => void)[] = [];
  /** Since when (monotonic) a beat speaks of events that the picture lacks. */
  readonly #behindSince = new Map<HostName, number>();

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  get(host: string): LiveHost | null {
    return this.#hosts.get(host as HostName) ?? null;
  }

  /** A beat says what the host's last event is. */
  heard(host: HostName, beat: { readonly epoch: number; readonly seq: number }, nowMs: number): void {
    const live = this.#hosts.get(host);
    const isBehind =
      live === undefined || beat.epoch > live.epoch || (beat.epoch === live.epoch && beat.seq > live.seq);
    if (!isBehind) {
      this.#behindSince.delete(host);
      return;
    }
    const since = this.#behindSince.get(host) ?? nowMs;
    this.#behindSince.set(host, since);
    const isUnknown = live === undefined || beat.epoch > live.epoch || live.isStale;
    if (isUnknown || nowMs - since >= LAG_MS) void this.look(host);
  }

  /** What the host sent of its own accord, after it came back. */
  took(host: HostName, value: unknown): void {
    const parsed = parse(hostSnapshot, value);
    if (parsed.ok) this.#take(host, parsed.value);
    else this.#parts.log.warning("a snapshot cannot be read", { host });
  }

  events(events: readonly StoredEvent[]): void {
    for (const { host, event } of events) {
      if (host === FLEET) continue;
      const before = this.#hosts.get(host);
      if (before === undefined) continue;
      const after = takeEvent(before, event);
      if (after === before) continue;
      this.#hosts.set(host, after);
      this.#parts.onChange(host, after);
      if (after.isStale && !before.isStale) void this.look(host);
    }
  }

  /** Asks the host; null where it does not answer. A question that is open already is joined. */
  look(host: HostName): Promise<LiveHost | null> {
    const open = this.#asking.get(host);
    if (open !== undefined) return open;
    const asking = this.#inTurn(() => this.#ask(host)).finally(() => this.#asking.delete(host));
    this.#asking.set(host, asking);
    return asking;
  }

  async #inTurn<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#open >= ASKING_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#open++;
    try {
      return await ask();
    } finally {
      const next = this.#waiting.shift(); // takes over the place
      if (next === undefined) this.#open--;
      else next();
    }
  }

  async #ask(host: HostName): Promise<LiveHost | null> {
    try {
      const snapshot = await this.#parts.commander.look(host);
      return snapshot === null ? null : this.#take(host, snapshot);
    } catch (error) {
      this.#parts.log.warning("a host cannot be asked", { host, reason: reasonOf(error) });
      return null;
    }
  }

  #take(host: HostName, snapshot: HostSnapshot): LiveHost {
    const before = this.#hosts.get(host) ?? null;
    const after = takeSnapshot(before, snapshot);
    if (after !== before) {
      this.#hosts.set(host, after);
      this.#behindSince.delete(host);
      this.#parts.onSnapshot(host, after);
      this.#parts.onChange(host, after);
    }
    return after;
  }
}
