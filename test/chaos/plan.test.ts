import { describe, expect, it } from "vitest";
import { FAULTS } from "./faults.ts";
import { clash, type Deed, makePlan, type Topology } from "./plan.ts";

const TOPOLOGY: Topology = {
  hosts: ["web1", "web2", "web3", "web4", "web5"],
  controllers: ["ctl1", "ctl2"],
  centre: "centre",
  watchers: { web: 2, writer: 2, redis: 1 },
  can: new Set(["namespaces", "disk"]),
};
const LENGTH_MS = 600_000;
const of = (seed: number, topology = TOPOLOGY): readonly Deed[] =>
  makePlan({ seed, lengthMs: LENGTH_MS, isShort: false }, topology);
const SEEDS = Array.from({ length: 10 }, (_, seed) => seed);

describe("makePlan", () => {
  it("is the same for the same seed, and another for another", () => {
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
  });

  it("has every kind of fault in ten minutes, the earliest first, and ends with a calm", () => {
    for (const seed of SEEDS) {
      const deeds = of(seed);
      expect(deeds.length).toBeGreaterThan(200);
      expect(deeds.map(({ atMs }) => atMs)).toEqual(deeds.map(({ atMs }) => atMs).sort((a, b) => a - b));
      expect(Math.max(...deeds.map(({ atMs, forMs }) => atMs + forMs))).toBeLessThanOrEqual(LENGTH_MS - 5000);
    }
    const kinds = new Set(SEEDS.flatMap((seed) => of(seed)).map(({ kind }) => kind));
    for (const { kind } of FAULTS) expect(kinds).toContain(kind);
  });

  it("leaves out what the machine cannot do, and in the short run what is not for it", () => {
    const plain = of(3, { ...TOPOLOGY, can: new Set() });
    expect(plain.filter(({ kind }) => kind.startsWith("link-") || kind === "disk-full")).toEqual([]);
    const short = makePlan({ seed: 3, lengthMs: 60_000, isShort: true }, TOPOLOGY);
    const known = new Set(FAULTS.filter(({ isInShort }) => isInShort).map(({ kind }) => kind));
    expect(short.filter(({ kind, hits }) => hits !== "fleet" && !known.has(kind))).toEqual([]);
    expect(short.length).toBeGreaterThan(15);
  });

  it("leaves at every moment a controller and half of the hosts, and each part one trouble at most", () => {
    for (const seed of SEEDS) {
      const faults = of(seed).filter(({ hits }) => hits !== "fleet");
      const clashes = faults.flatMap((deed, at) => faults.slice(0, at).map((other) => clash(deed, other, TOPOLOGY)));
      expect(clashes.filter((why) => why !== null)).toEqual([]);
      for (const { atMs } of faults) {
        const now = faults.filter((one) => one.atMs <= atMs && atMs <= one.atMs + one.forMs);
        const away = now.filter(({ hits }) => hits === "agent" || hits === "link").map(({ target }) => target);
        expect(new Set(away.filter((name) => name.startsWith("web"))).size).toBeLessThanOrEqual(3);
        expect(now.filter(({ target }) => target.startsWith("ctl")).length).toBeLessThanOrEqual(1);
      }
    }
  });

  it("hits no second process of a watcher whose agent is away", () => {
    for (const seed of SEEDS) {
      const deeds = of(seed);
      for (const away of deeds.filter(({ hits }) => hits === "agent")) {
        const hit = deeds
          .filter(({ hits, target }) => hits === "worker" && target === away.target)
          .filter(({ atMs }) => atMs >= away.atMs && atMs <= away.atMs + away.forMs)
          .map(({ watcher }) => watcher);
        expect(new Set(hit).size).toBe(hit.length);
      }
    }
  });
});
