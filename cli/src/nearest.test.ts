import { describe, expect, it } from "vitest";
import { nearest } from "./nearest.ts";

describe("nearest()", () => {
  it.each([
    ["statsu", ["stats", "status", "start"], "status"],
    ["RESTRAT", ["restart", "start"], "restart"],
    ["lst", ["list", "stop"], "list"],
    ["frobnicate", ["list", "stop"], null],
    ["x".repeat(1000), ["list"], null],
    ["", ["list"], null],
  ])("%s among %j", (word, known, expected) => {
    expect(nearest(word, known)).toBe(expected);
  });
});
