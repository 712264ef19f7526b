/**
 * Who leads: what to do with the lock, and how long what was won is worth something. Pure; times are monotonic ms
 * of this process. The server forgets the record `LOCK_TTL_MS` after its last writing; its holder stops acting a
 * quarter earlier, reckoned from before it asked, and a new one waits a renewal longer (fleet-protocol §4).
 */
import type { Fence, Millis } from "@circus-cluster/proto";
import type { LockEntry } from "@circus-cluster/proto/nats";

export const LOCK_TTL_MS = 6000;
export const RENEW_MS = LOCK_TTL_MS / 3;
const WORTH_MS = 0.75 * LOCK_TTL_MS;

/** What stands in the lock. */
export interface Holder {
  /** Name of the controller; null: the last one has given it up. */
  readonly leader: string | null;
  /** One life of that controller. */
  readonly life: string;
}

/** The lock in our hands. */
export interface Lease {
  /** Of the writing that won it. */
  readonly fence: Fence;
  /** Of the last writing. */
  readonly revision: number;
  /** When the last writing that succeeded was asked for. */
  readonly renewedMs: Millis;
  readonly wonMs: Millis;
}

export type Move =
  /** Write ourselves where this revision stands (0: nothing); `isOurs`: it is ours already. */
  { readonly kind: "write"; readonly revision: number; readonly isOurs: boolean } | { readonly kind: "wait" };

export function holderOf(entry: LockEntry | null): Holder | null {
  const value = entry?.value;
  if (typeof value !== "object" || value === null || !("leader" in value) || !("life" in value)) return null;
  const { leader, life } = value;
  return (leader === null || typeof leader === "string") && typeof life === "string" ? { leader, life } : null;
}

/** What does not look like a record is left alone until the server forgets it. */
export function nextMove(entry: LockEntry | null, life: string): Move {
  if (entry === null) return { kind: "write", revision: 0, isOurs: false };
  const holder = holderOf(entry);
  if (holder === null) return { kind: "wait" };
  if (holder.leader === null) return { kind: "write", revision: entry.revision, isOurs: false };
  return holder.life === life ? { kind: "write", revision: entry.revision, isOurs: true } : { kind: "wait" };
}

/** After a writing that succeeded. @param askedMs from before it was asked for */
export function written(
  before: Lease | null,
  bucket: number,
  revision: number,
  isOurs: boolean,
  askedMs: Millis,
): Lease {
  return isOurs && before !== null
    ? { ...before, revision, renewedMs: askedMs }
    : { fence: { bucket, revision }, revision, renewedMs: askedMs, wonMs: askedMs };
}

/**
 * Would agents take us for one before the last leader? A server that lost power may count on from a lower revision:
 * then the lock is written until it is above what was used.
 */
export function isUsed(fence: Fence, used: Fence | null): boolean {
  return used !== null && fence.bucket === used.bucket && fence.revision <= used.revision;
}

/** Has the server certainly forgotten it? */
export function isGone(lease: Lease, nowMs: Millis): boolean {
  return nowMs - lease.renewedMs >= LOCK_TTL_MS;
}

/** May its holder do something to the fleet now? */
export function mayAct(lease: Lease | null, nowMs: Millis): boolean {
  return lease !== null && nowMs - lease.renewedMs < WORTH_MS && nowMs - lease.wonMs >= RENEW_MS;
}
