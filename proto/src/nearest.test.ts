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
    ["", ["a"], null],
    ["numproceses", ["cmd", "numprocesses", "graceful_timeout"], "numprocesses"],
    ["numprocesess", ["cmd", "numprocesses"], "numprocesses"],
    ["CMD", ["cmd", "numprocesses"], "cmd"],
    ["cdm", ["cmd", "numprocesses"], "cmd"],
    ["graceful-timeout", ["numprocesses", "graceful_timeout"], "graceful_timeout"],
    ["stat_dir", ["state_dir", "name"], "state_dir"],
    ["colour", ["state_dir", "name", "cmd"], null],
  ])("%s among %j", (word, known, expected) => {
    expect(nearest(word, known)).toBe(expected);
  });
});
