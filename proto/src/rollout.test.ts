import { describe, expect, it } from "vitest";
import { rolloutRequest } from "./rollout.ts";
import { issueText, parse } from "./schema.ts";
import { formatShare, parseBatch, parseShare } from "./shares.ts";

describe("parseShare", () => {
  it("reads counts and percentages and writes them back", () => {
    for (const text of ["0", "3", "25%", "100%"]) {
      const share = parseShare(text);
      expect(share === null ? null : formatShare(share)).toBe(text);
    }
  });
  it.each(["", "x", "-1", "101%", "1.5", "%"])("refuses %j", (text) => expect(parseShare(text)).toBeNull());
  it("reads a growing batch and refuses one of nothing", () => {
    expect(parseBatch("1,5,20%")).toEqual([
      { kind: "count", n: 1 },
      { kind: "count", n: 5 },
      { kind: "percent", p: 20 },
    ]);
    for (const bad of ["0", "1,0%", "", "1,,2"]) expect(parseBatch(bad)).toBeNull();
  });
});

describe("rolloutRequest", () => {
  it("is closed", () => {
    expect(parse(rolloutRequest, { command: "restart", watcher: "w", hosts: null, options: {} }).ok).toBe(true);
    const bad = parse(rolloutRequest, { command: "restart", watcher: "w", hosts: null, options: { soakMs: -1 }, x: 1 });
    expect(bad.ok ? "" : issueText(bad.issues)).toMatch(/soakMs/);
    expect(bad.ok ? "" : issueText(bad.issues)).toMatch(/x: is unknown/);
  });
});
