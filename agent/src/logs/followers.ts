/**
 * Who follows the output of which watcher. Each has a lease that its own questions renew, and a bounded queue; nobody
 * waits for it. While nobody follows, a piece of output costs one look into an empty map.
 *
 * F1  Processes and files get what they get without followers, at the same moment.
 * F2  Memory is bounded by the number of followers and the queue of each.
 */
import { randomBytes } from "node:crypto";
import type { LogBatch, LogStream, Millis } from "@circus-cluster/proto";
import { Follower } from "./follower.ts";

/** With one more, the one that has not asked for the longest time goes. */
const FOLLOWERS_MAX = 16;
/** Without a question for so long a lease ends. */
const LEASE_MS = 30_000;
const SWEEP_MS = 5000;

interface FollowersClock {
  /** Wall ms, of lines. */
  readonly wall: () => Millis;
  readonly monotonic: () => Millis;
}

export class Followers implements Disposable {
  readonly #clock: FollowersClock;
  readonly #byLease = new Map<string, Follower>();
  readonly #byWatcher = new Map<string, Set<Follower>>();
  #timer: NodeJS.Timeout | null = null;

  constructor(clock: FollowersClock) {
    this.#clock = clock;
  }

  /** What a process wrote. @param bytes not changed any more by whoever gives them */
  offer(watcher: string, stream: LogStream, bytes: Uint8Array, pid: number): void {
    const followers = this.#byWatcher.get(watcher);
    if (followers === undefined) return;
    const chunk = { stream, pid, time: this.#clock.wall(), bytes };
    for (const follower of followers) follower.push(chunk);
  }

  /** Begins at this moment. @returns the lease */
  open(watcher: string): string {
    if (this.#byLease.size >= FOLLOWERS_MAX) this.#endIdlest();
    const lease = randomBytes(12).toString("hex");
    const follower = new Follower(watcher, this.#clock.monotonic);
    this.#byLease.set(lease, follower);
    this.#byWatcher.set(watcher, (this.#byWatcher.get(watcher) ?? new Set()).add(follower));
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
    return lease;
  }

  /** @returns with a null lease where there is none of this watcher, or it has ended meanwhile */
  async take(lease: string, watcher: string, taken: number, waitMs: Millis): Promise<LogBatch> {
    const follower = this.#byLease.get(lease);
    const batch = follower?.watcher === watcher ? await follower.take(taken, waitMs) : null;
    return batch === null ? { lease: null, number: 0, lines: [], left_out: 0 } : { lease, ...batch };
  }

  /** All leases end. */
  [Symbol.dispose](): void {
    for (const lease of [...this.#byLease.keys()]) this.#end(lease);
  }

  #sweep(): void {
    for (const [lease, { idleMs }] of [...this.#byLease]) if (idleMs > LEASE_MS) this.#end(lease);
  }

  #endIdlest(): void {
    const [first] = [...this.#byLease].sort(([, a], [, b]) => b.idleMs - a.idleMs);
    if (first !== undefined) this.#end(first[0]);
  }

  #end(lease: string): void {
    const follower = this.#byLease.get(lease);
    if (follower === undefined) return;
    this.#byLease.delete(lease);
    const others = this.#byWatcher.get(follower.watcher);
    others?.delete(follower);
    if (others?.size === 0) this.#byWatcher.delete(follower.watcher);
    follower.end();
    if (this.#byLease.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
