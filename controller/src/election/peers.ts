/** The other controllers of the fleet, as their signs tell. Pure; times are monotonic ms of this process. */
import type { ControllerInfo, ControllerSign, Millis } from "@circus-cluster/proto";

export const SIGN_MS = 2000;
/** Without a sign for so long it is gone. */
const FORGET_MS = 3.5 * SIGN_MS;
/** More are not kept: whoever makes up names fills no memory. */
const PEERS_MAX = 64;

export interface Peer extends ControllerSign {
  readonly name: string;
  readonly heardMs: Millis;
}

/** By life. */
export type Peers = ReadonlyMap<string, Peer>;

export function withPeer(peers: Peers, name: string, sign: ControllerSign, nowMs: Millis): Peers {
  const there = [...peers].filter(([, { heardMs }]) => nowMs - heardMs < FORGET_MS);
  const next = new Map(there);
  if (!next.has(sign.life) && next.size >= PEERS_MAX) return next;
  return next.set(sign.life, { ...sign, name, heardMs: nowMs });
}

/** One that leads without the lock leaves it to those that have it, and to one that did so before. */
export function rivalOf(own: ControllerSign, peers: Peers): Peer | null {
  if (own.hasLock) return null;
  const isOlder = (peer: Peer): boolean => (peer.since !== own.since ? peer.since < own.since : peer.life < own.life);
  return [...peers.values()].find((peer) => peer.hasLock || isOlder(peer)) ?? null;
}

/** Those that are there, and we ourselves, by name. */
export function infosOf(
  own: ControllerSign & { readonly name: string },
  peers: Peers,
  nowMs: Millis,
): ControllerInfo[] {
  const others = [...peers.values()].filter(({ heardMs }) => nowMs - heardMs < FORGET_MS);
  const all: readonly Peer[] = [...others, { ...own, heardMs: nowMs }];
  return all
    .map(({ name, isLeading, hasLock, version, heardMs }) => ({
      ...{ name, isLeading, hasLock, version },
      ageMs: Math.round(nowMs - heardMs),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Who leads, as this controller knows.
 *
 * @param inLock whose name the lock holds; null: nobody's, or there is no lock
 * @returns null where nobody is known to
 */
export function leaderOf(
  own: string,
  isLeading: boolean,
  inLock: string | null,
  controllers: readonly ControllerInfo[],
): string | null {
  if (isLeading) return own;
  if (inLock !== null && inLock !== own) return inLock;
  return controllers.find((other) => other.isLeading && other.name !== own)?.name ?? null;
}
