/**
 * What changes in the fleet, as numbered entries for whoever watches live. An entry tells the whole of one thing as it
 * is now, so that to take one twice, or to miss one that a later one replaces, does no harm.
 *
 * Costs nothing while nobody watches; changes of a host are gathered, and at most so many hosts are told at once.
 */
import type { HostStatus, Millis, RolloutRecord } from "@circus-cluster/proto";

export interface FeedEntry {
  readonly id: string;
  readonly event: "reset" | "host" | "watcher" | "watcher_removed" | "rollout";
  /** One JSON object. */
  readonly data: string;
}

export interface FeedParts {
  /** Never the same in two lives of a controller, so that an id of another life is not taken for one of ours. */
  readonly life: string;
  readonly status: (host: string) => HostStatus;
  /** @default 200 */
  readonly tickMs?: Millis;
  /** For a reader that is away for a moment. @default 60_000 */
  readonly keepMs?: Millis;
}

export interface Subscription extends Disposable {
  /** What the subscriber missed; begins with `reset` where that is not known: then ask for the state itself. */
  readonly missed: readonly FeedEntry[];
}

interface Told {
  presence: string;
  /** By watcher, as it was told. */
  readonly watchers: Map<string, string>;
}

const TICK_MS = 200;
const KEEP_MS = 60_000;
const HOSTS_PER_TICK = 200;
/** What is kept for those who come back; also what one of them may get at once. */
const KEPT_MAX = 2000;
const KEPT_MAX_CHARS = 512_000;
const STEPS_MAX = 200;

export class LiveFeed implements Disposable {
  readonly #parts: FeedParts;
  readonly #listeners = new Set<(entry: FeedEntry) => void>();
  readonly #dirty = new Set<string>();
  readonly #told = new Map<string, Told>();
  readonly #rollouts = new Map<string, RolloutRecord>();
  #kept: FeedEntry[] = [];
  #keptChars = 0;
  #count = 0;
  #timer: NodeJS.Timeout | null = null;
  #idle: NodeJS.Timeout | null = null;

  constructor(parts: FeedParts) {
    this.#parts = parts;
  }

  /** Who listens now. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Somebody does, or may come back for what was missed. */
  get isWatched(): boolean {
    return this.#timer !== null;
  }

  /** Something of this host has changed. */
  see(host: string): void {
    if (this.isWatched) this.#dirty.add(host);
  }

  rollout(record: RolloutRecord): void {
    if (!this.isWatched) return;
    this.#add("rollout", progress(record, this.#rollouts.get(record.id)));
    if (record.ended === null) this.#rollouts.set(record.id, record);
    else this.#rollouts.delete(record.id);
  }

  /** @param lastId of the last entry that the subscriber has; null: it has none */
  subscribe(lastId: string | null, listener: (entry: FeedEntry) => void): Subscription {
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#idle = null;
    this.#timer ??= setInterval(() => this.#tick(), this.#parts.tickMs ?? TICK_MS);
    this.#listeners.add(listener);
    return { missed: this.#since(lastId), [Symbol.dispose]: () => this.#leave(listener) };
  }

  [Symbol.dispose](): void {
    this.#listeners.clear();
    this.#rest();
  }

  #leave(listener: (entry: FeedEntry) => void): void {
    if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
    this.#idle = setTimeout(() => this.#rest(), this.#parts.keepMs ?? KEEP_MS);
    this.#idle.unref();
  }

  #rest(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#timer = null;
    this.#idle = null;
    for (const map of [this.#dirty, this.#told, this.#rollouts]) map.clear();
    this.#kept = [];
    this.#keptChars = 0;
    // What happens from here on is not numbered: an id of before must not look like the last one.
    this.#count++;
  }

  #since(lastId: string | null): readonly FeedEntry[] {
    if (lastId === this.#id(this.#count)) return [];
    const index = this.#kept.findIndex(({ id }) => id === lastId);
    if (index >= 0) return this.#kept.slice(index + 1);
    const why = lastId === null ? "start" : "too old";
    return [{ id: this.#id(this.#count), event: "reset", data: JSON.stringify({ reason: why }) }];
  }

  #id(count: number): string {
    return `${this.#parts.life}-${count}`;
  }

  #tick(): void {
    let left = HOSTS_PER_TICK;
    for (const host of this.#dirty) {
      if (left-- === 0) return;
      this.#dirty.delete(host);
      this.#tell(this.#parts.status(host));
    }
  }

  #tell({ host, presence, watchers }: HostStatus): void {
    const told = this.#told.get(host) ?? { presence: "", watchers: new Map<string, string>() };
    this.#told.set(host, told);
    if (told.presence !== presence) this.#add("host", { host, presence });
    told.presence = presence;
    for (const watcher of watchers) {
      const data = { host, ...watcher };
      const text = JSON.stringify(data);
      if (told.watchers.get(watcher.name) === text) continue;
      told.watchers.set(watcher.name, text);
      this.#add("watcher", data);
    }
    const names = new Set(watchers.map(({ name }) => name));
    for (const name of told.watchers.keys()) {
      if (names.has(name)) continue;
      told.watchers.delete(name);
      this.#add("watcher_removed", { host, name });
    }
  }

  #add(event: FeedEntry["event"], value: object): void {
    const entry = { id: this.#id(++this.#count), event, data: JSON.stringify(value) };
    this.#kept.push(entry);
    this.#keptChars += entry.data.length;
    let drop = 0;
    while (this.#kept.length - drop > KEPT_MAX || (this.#keptChars > KEPT_MAX_CHARS && drop < this.#kept.length)) {
      this.#keptChars -= this.#kept[drop++]?.data.length ?? 0;
    }
    if (drop > 0) this.#kept = this.#kept.slice(drop);
    for (const listener of this.#listeners) listener(entry);
  }
}

/** A rollout without its plan, and the steps that moved since it was told last. */
function progress(record: RolloutRecord, before: RolloutRecord | undefined): object {
  const { steps, options: _, ...head } = record;
  const counts: Partial<Record<string, number>> = {};
  for (const { state } of steps) counts[state] = (counts[state] ?? 0) + 1;
  const moved = steps.filter(({ state }, index) => before?.steps[index]?.state !== state);
  const changed = moved.slice(0, STEPS_MAX).map(({ host, wave, state, reason }) => ({ host, wave, state, reason }));
  return { ...head, steps: counts, changed, more: moved.length - changed.length };
}
