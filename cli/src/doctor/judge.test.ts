import type { ControllerHealth, HostInfo } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { type Finding, findingLines } from "./finding.ts";
import { clockFinding, controllerFindings, hostFindings, leaderFindings, versionFinding } from "./judge.ts";

const GIB = 1024 ** 3;

const health = (over: Partial<ControllerHealth> = {}): ControllerHealth => ({
  version: "0.1.0",
  upMs: 1000,
  stream: { messages: 10, bytes: 2048, firstSeq: 1 },
  lag: 0,
  trouble: null,
  missing: 0,
  stateDir: { path: "/var/lib/circus-controller", freeBytes: 50 * GIB, totalBytes: 100 * GIB, usedBytes: GIB },
  prunedBefore: null,
  ...over,
});

const host = (name: string, over: Partial<HostInfo> = {}): HostInfo => ({
  ...{ host: name, presence: "online", since: 0, ageMs: 0, skewMs: 3, version: "0.1.0", load: 0, backlog: 0 },
  ...{ watchers: 1, labels: {} },
  ...over,
});

const worst = (findings: readonly Finding[]): string[] =>
  findings.filter(({ state }) => state !== "ok").map(({ state, check, text }) => `${state} ${check}: ${text}`);

describe("the doctor's judgement", () => {
  it.each([
    ["0.1.0", "ok"],
    ["0.2.9", "ok"],
    ["0.0.1", "ok"],
    ["0.3.0", "warning"],
    ["1.1.0", "warning"],
  ])("of version %s beside 0.1.0", (version, state) => {
    expect(versionFinding("x", "circusd", version, "0.1.0").state).toBe(state);
  });

  it.each([
    [0, "ok"],
    [-999, "ok"],
    [-1500, "warning"],
    [59_999, "warning"],
    [60_000, "wrong"],
  ])("of a clock that is off by %i ms", (skewMs, state) => {
    expect(clockFinding(skewMs, "ctl1").state).toBe(state);
  });

  it("of a controller: disk, lag, gaps, a stream that cannot be read", () => {
    expect(worst(controllerFindings("ctl1", health()))).toEqual([]);
    const stateDir = { path: "/s", totalBytes: 100 * GIB, usedBytes: GIB };
    const disk = (freeBytes: number) =>
      worst(controllerFindings("c", health({ stateDir: { ...stateDir, freeBytes } })));
    expect(disk(9 * GIB)[0]).toMatch(/^warning disk: controller c: 9\.0 GiB free at \/s/);
    expect(disk(GIB)[0]).toMatch(/^wrong disk/);
    expect(worst(controllerFindings("c", health({ lag: 5000, missing: 1, trouble: "no stream" })))).toEqual([
      "wrong stream: controller c cannot read events: no stream",
      "warning lag: controller c is 5000 events behind",
      "warning gaps: 1 event is missing in the history",
    ]);
    expect(worst(controllerFindings("c", health({ stream: null, lag: null })))).toHaveLength(1);
  });

  it("of who leads: one, none, two, and those that take no part in the election", () => {
    const info = (name: string, isLeading: boolean, ageMs = 0, hasLock = true) => ({
      ...{ name, isLeading, hasLock, version: "0.1.0", ageMs },
    });
    const said = (...each: readonly (readonly ReturnType<typeof info>[])[]): string[] => {
      const answers = new Map(each.map((controllers, i) => [`ctl${i}`, health({ controllers })]));
      return leaderFindings(answers).map(({ state, text }) => `${state}: ${text}`);
    };
    expect(leaderFindings(new Map([["old", health()]]))).toEqual([]);
    expect(said([info("ctl1", true)])).toEqual(["ok: ctl1 leads"]);
    // What a controller says of itself is newer than what another heard.
    const [first, second] = [
      [info("ctl1", true), info("ctl2", true, 900)],
      [info("ctl1", true, 500), info("ctl2", false)],
    ];
    expect(said(first, second)).toEqual(["ok: ctl1 leads; ctl2 follows"]);
    expect(said([info("ctl1", false), info("ctl2", false, 9)])).toEqual(["wrong: no controller leads"]);
    expect(said([info("ctl1", true), info("ctl2", true, 9, false)])).toEqual([
      "wrong: ctl1, ctl2 lead at once",
      "wrong: ctl2 has no key for the lock",
    ]);
  });

  it("of hosts: names those that are lost, late, off in time, too old or behind, not all of very many", () => {
    expect(worst(hostFindings([host("web1")], "0.1.0"))).toEqual([]);
    expect(worst(hostFindings([], "0.1.0"))).toEqual(["warning hosts: no host was ever heard"]);
    const ill = [
      host("a", { presence: "lost", skewMs: null, version: null }),
      host("b", { presence: "late", skewMs: 2000 }),
      host("c", { skewMs: -90_000 }),
      host("d", { version: "0.4.0", backlog: 5000 }),
      host("e", { presence: "left" }),
    ];
    expect(worst(hostFindings(ill, "0.1.0"))).toEqual([
      "wrong hosts: lost: a",
      "warning hosts: late or not heard yet: b",
      "wrong host clocks: off: b by 2s, c by 1m30s",
      "warning host versions: d 0.4.0",
      "warning unsent: many events wait on d",
    ]);
    const many = Array.from({ length: 9 }, (_, i) => host(`h${i}`, { presence: "lost" }));
    expect(worst(hostFindings(many, "0.1.0"))[0]).toBe("wrong hosts: lost: h0, h1, h2, h3, h4 and 4 more");
  });

  it("is shown in lines that cannot drive a terminal", () => {
    const findings: Finding[] = [
      { check: "nats", state: "ok", text: "fine", advice: null },
      { check: "clock", state: "wrong", text: "off\u001b[31m", advice: "set it" },
    ];
    expect(findingLines(findings, false)).toEqual(["ok       nats   fine", "wrong    clock  off?[31m; set it"]);
  });
});
