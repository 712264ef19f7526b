import { rolloutRequest, v } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { type Form, requestOf } from "./request.ts";
import { histogram } from "./series.ts";
import { ago, duration } from "./words.ts";

const form = (over: Partial<Form> = {}): Form => ({
  ...{ command: "restart", watcher: "web", hosts: "", batch: "1,25%", canary: "2", soak: "1.5", maxFail: "10%" },
  ...over,
});

describe("the form of a rollout", () => {
  it("becomes a request that the controller takes", () => {
    for (const hosts of ["", "all", "web1, web2", "role=web,zone!=a"]) {
      expect(v.safeParse(rolloutRequest, requestOf(form({ hosts }))).success).toBe(true);
    }
    expect(requestOf(form({ hosts: "role=web zone!=a" }))).toEqual({
      ...{ command: "restart", watcher: "web", hosts: null },
      where: [
        { key: "role", isEqual: true, value: "web" },
        { key: "zone", isEqual: false, value: "a" },
      ],
      options: {
        batch: [
          { kind: "count", n: 1 },
          { kind: "percent", p: 25 },
        ],
        ...{ maxFail: { kind: "percent", p: 10 }, canary: 2, soakMs: 1500 },
      },
    });
  });

  it.each([
    [{ batch: "many" }, /wave/],
    [{ maxFail: "" }, /fail/],
    [{ hosts: "web1,role=web" }, /not both/],
  ])("says what is wrong with %j", (over, reason) => {
    expect(requestOf(form(over))).toMatch(reason);
  });
});

describe("words", () => {
  it.each([
    [400, "0s"],
    [61_000, "1m 1s"],
    [3_600_000, "1h"],
    [90_061_000, "1d 1h"],
  ])("%d ms is %s", (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it("says ages", () => {
    expect([ago(null, 5), ago(4000, 5000), ago(0, 65_000)]).toEqual(["never", "just now", "1m 5s ago"]);
  });
});

describe("the histogram", () => {
  it("counts each moment of the window once, and none outside", () => {
    const [times, counts] = histogram([999, 1000, 1499, 1500, 1999, 2000], 1000, 2000, 2);
    expect(times).toEqual([1250, 1750]);
    expect(counts).toEqual([2, 2]);
  });

  it("is empty while nothing is known", () => {
    expect(histogram([1], -5, 0, 3)).toEqual([[], []]);
  });
});
