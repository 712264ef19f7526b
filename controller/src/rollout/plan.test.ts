import { ROLLOUT_DEFAULTS, type Share } from "@circus-cluster/proto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cut, type PlanHost, type PlanRequest, plan, tolerated } from "./plan.ts";
import { planHost } from "./scene.fixture.ts";

const request: PlanRequest = {
  id: "r1",
  fleet: "main",
  command: "restart",
  watcher: "web",
  hosts: null,
  where: null,
  options: ROLLOUT_DEFAULTS,
  wallMs: 7,
};

function hosts(count: number, over: Readonly<Record<string, Partial<PlanHost>>> = {}): PlanHost[] {
  return Array.from({ length: count }, (_, i) => {
    const host = `web${i + 1}`;
    return planHost(host, over[host]);
  });
}

const share = fc.oneof(
  fc.record({ kind: fc.constant("count" as const), n: fc.integer({ min: 1, max: 50 }) }),
  fc.record({ kind: fc.constant("percent" as const), p: fc.integer({ min: 1, max: 100 }) }),
);
const none = (): null => null;
const waveSizes = (n: number, batch: readonly Share[], canary = 0): number[] =>
  cut(
    hosts(n).map(({ host }) => host),
    none,
    { batch },
    n,
    canary,
  ).map((wave) => wave.length);
const percent = (p: number): Share => ({ kind: "percent", p });
const count = (n: number): Share => ({ kind: "count", n });

describe("a plan", () => {
  it("rounds percentages of all targets up for waves, and repeats the last share", () => {
    expect(waveSizes(3, [percent(25)])).toEqual([1, 1, 1]);
    expect(waveSizes(10, [percent(25)])).toEqual([3, 3, 3, 1]);
    expect(waveSizes(40, [count(1), count(5), percent(20)])).toEqual([1, 5, 8, 8, 8, 8, 2]);
    expect(waveSizes(0, [count(1)])).toEqual([]);
    expect(waveSizes(10, [count(3), count(4)], 1)).toEqual([1, 3, 4, 2]);
    expect(tolerated(percent(25), 7)).toBe(1);
    expect(tolerated(count(2), 7)).toBe(2);
  });

  it("has every host in one wave, in the order of names, waves of the asked size", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.array(share, { minLength: 1, maxLength: 4 }), (n, batch) => {
        const planned = plan({ ...request, options: { ...ROLLOUT_DEFAULTS, batch } }, hosts(n));
        if (planned.kind !== "plan") throw new Error(planned.reason);
        const names = planned.steps.map((step) => step.host);
        expect(names).toEqual(
          hosts(n)
            .map((host) => host.host)
            .sort(),
        );
        const waves = planned.steps.map((step) => step.wave);
        expect(waves).toEqual([...waves].sort((a, b) => a - b));
        const sizes = waveSizes(n, batch);
        expect(sizes.reduce((a, b) => a + b, 0)).toBe(n);
        for (const [wave, size] of sizes.entries()) {
          expect(size).toBeGreaterThan(0);
          expect(waves.filter((other) => other === wave)).toHaveLength(size);
        }
        expect(new Set(planned.steps.map((step) => step.commandId)).size).toBe(n);
      }),
    );
  });

  it("skips and names what was stopped on purpose, without a place in a wave's size", () => {
    const planned = plan(
      { ...request, options: { ...ROLLOUT_DEFAULTS, batch: [count(2)] } },
      hosts(4, { web1: { state: "stopped" }, web3: { presence: "left" } }),
    );
    expect(planned).toMatchObject({
      steps: [
        { host: "web1", state: "skipped", reason: "stopped on purpose" },
        { host: "web2", state: "pending", wave: 0 },
        { host: "web3", state: "skipped", reason: "its agent was stopped" },
        { host: "web4", state: "pending", wave: 0 },
      ],
    });
  });

  it.each([
    [
      "a lost host",
      {},
      hosts(3, { web3: { presence: "lost" } }),
      "host web3 is lost; name the hosts to leave it out, or give --on-lost skip",
    ],
    [
      "an unheard host",
      {},
      hosts(2, { web2: { presence: "unknown" } }),
      "host web2 is not heard of yet; try again in half a minute",
    ],
    [
      "a host that has left, by name",
      { hosts: ["web1"] },
      hosts(2, { web1: { presence: "left" } }),
      "host web1 is not running its agent",
    ],
    [
      "an unknown host",
      { hosts: ["web1", "web9"] },
      hosts(3),
      "no host 'web9' in fleet 'main'; known: web1, web2, web3",
    ],
    [
      "an unknown watcher",
      {},
      hosts(2, { web1: { state: null }, web2: { state: null } }),
      "no watcher 'web' on any host",
    ],
    [
      "a host without it",
      { hosts: ["web1", "web2"] },
      hosts(2, { web2: { state: null } }),
      "no watcher 'web' on host 'web2'",
    ],
    ["an empty list", { hosts: [] }, hosts(2), "no host is named"],
    ["an empty fleet", { hosts: ["x"] }, [], "no host 'x' in fleet 'main'; none was ever heard"],
  ])("refuses %s", (_what, over, known, reason) => {
    expect(plan({ ...request, ...over }, known)).toMatchObject({ kind: "refused", reason });
  });

  it("does not mind a lost host that is no target", () => {
    const known = hosts(3, { web3: { presence: "lost" } });
    expect(plan({ ...request, hosts: ["web1", "web2", "web1"] }, known)).toMatchObject({
      steps: [{ host: "web1" }, { host: "web2" }],
    });
  });

  const chosen = (over: Partial<PlanRequest>, known: readonly PlanHost[]): string[][] => {
    const planned = plan({ ...request, ...over }, known);
    if (planned.kind !== "plan") throw new Error(planned.reason);
    const waves: string[][] = [];
    for (const { host, wave, state } of planned.steps) if (state === "pending") (waves[wave] ??= []).push(host);
    return waves;
  };
  const options = (more: object): Pick<PlanRequest, "options"> => ({
    options: { ...ROLLOUT_DEFAULTS, batch: [count(2)], ...more },
  });

  it("takes hosts in the order asked for, the ill ones first, and only so many", () => {
    const ill = hosts(4, { web3: { isWhole: false } });
    expect(chosen(options({}), ill)).toEqual([
      ["web3", "web1"],
      ["web2", "web4"],
    ]);
    expect(chosen(options({ order: "reverse", limit: 3 }), hosts(4))).toEqual([["web4", "web3"], ["web2"]]);
    expect(chosen({ hosts: ["web2", "web4", "web1"], ...options({ order: "given" }) }, hosts(4))).toEqual([
      ["web2", "web4"],
      ["web1"],
    ]);
  });

  it("--spread: never two hosts of one label value in a wave", () => {
    const zone = (value: string): Partial<PlanHost> => ({ labels: { zone: value } });
    const zoned = hosts(5, { web1: zone("a"), web2: zone("a"), web3: zone("b"), web4: zone("a") });
    expect(chosen(options({ spread: "zone", batch: [count(3)] }), zoned)).toEqual([
      ["web1", "web3", "web5"],
      ["web2"],
      ["web4"],
    ]);
  });

  it("--where chooses by labels; --on-lost skip names the lost and goes on without", () => {
    const web = { labels: { role: "web" } };
    const known = hosts(3, { web1: web, web3: { ...web, presence: "lost" } });
    const where = [{ key: "role", isEqual: true, value: "web" }];
    expect(plan({ ...request, where, ...options({ onLost: "skip" }) }, known)).toMatchObject({
      steps: [{ host: "web1" }, { host: "web3", state: "skipped", reason: "the host is lost" }],
      others: ["web2"],
    });
    expect(plan({ ...request, where: [{ ...where[0]!, value: "x" }] }, known)).toMatchObject({
      code: "not-found",
      reason: "no host has role=x",
    });
  });

  it("reckons the floor over all that have the watcher, and refuses one that lets nobody go", () => {
    const known = hosts(6, { web5: { state: "stopped" }, web6: { presence: "lost" } });
    expect(plan({ ...request, hosts: ["web1", "web2"], ...options({}) }, known)).toMatchObject({ floor: 2 });
    const floor = options({ minHealthy: percent(50) });
    expect(plan({ ...request, ...floor }, hosts(5))).toMatchObject({ floor: 3 });
    expect(plan({ ...request, ...options({ minHealthy: count(5) }) }, hosts(5))).toMatchObject({
      kind: "refused",
      reason: "--min-healthy: 5 of 5 hosts have to stay healthy, so none could ever be worked on",
    });
  });
});
