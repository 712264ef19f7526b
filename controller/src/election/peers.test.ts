import type { ControllerSign } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { infosOf, type Peers, rivalOf, withPeer } from "./peers.ts";

const sign = (life: string, over: Partial<ControllerSign> = {}): ControllerSign => ({
  ...{ v: 1, life, since: 100, isLeading: false, hasLock: true, version: "0.1.0" },
  ...over,
});
const NOBODY: Peers = new Map();

describe("controllers that hear of each other", () => {
  it("are named with who leads, until they fall silent", () => {
    let peers = withPeer(NOBODY, "ctl2", sign("b"), 1000);
    peers = withPeer(peers, "ctl2", sign("b", { isLeading: true }), 3000);
    const own = { ...sign("a"), name: "ctl1" };
    const named = (nowMs: number) =>
      infosOf(own, peers, nowMs).map(({ name, isLeading, ageMs }) => ({ name, isLeading, ageMs }));
    const self = { name: "ctl1", isLeading: false, ageMs: 0 };
    expect(named(5000)).toEqual([self, { name: "ctl2", isLeading: true, ageMs: 2000 }]);
    expect(named(10_000)).toEqual([self]);
    expect([...withPeer(peers, "ctl3", sign("c"), 10_000).keys()]).toEqual(["c"]);
  });

  it("take no more memory than a fleet needs", () => {
    let peers = NOBODY;
    for (let i = 0; i < 500; i++) peers = withPeer(peers, "x", sign(`l${i}`), 0);
    expect(peers.size).toBe(64);
    expect(withPeer(peers, "x", sign("l3", { isLeading: true }), 1).get("l3")?.isLeading).toBe(true);
  });

  it.each<[string, ControllerSign, ControllerSign, boolean]>([
    ["one with the lock never gives way", sign("a"), sign("b", { hasLock: false, since: 1 }), false],
    [
      "one without it does, to one with it, however young",
      sign("a", { hasLock: false }),
      sign("b", { since: 999 }),
      true,
    ],
    [
      "of two without it the older leads",
      sign("a", { hasLock: false }),
      sign("b", { hasLock: false, since: 99 }),
      true,
    ],
    ["and not the younger", sign("a", { hasLock: false }), sign("b", { hasLock: false, since: 101 }), false],
    ["nor both, where they began together", sign("a", { hasLock: false }), sign("b", { hasLock: false }), false],
    ["but one of them", sign("b", { hasLock: false }), sign("a", { hasLock: false }), true],
  ])("%s", (_what, own, other, gives) => {
    expect(rivalOf(own, withPeer(NOBODY, "ctl2", other, 0)) !== null).toBe(gives);
  });
});
