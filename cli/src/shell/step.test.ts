import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Step, stepOf } from "./step.ts";

const runs = (verb: string, words: string[], options: Record<string, string | true> = {}): Step => ({
  kind: "run",
  request: { verb, words, options },
});

describe("stepOf()", () => {
  it.each<[string, Step]>([
    ["status", runs("status", [])],
    ["  restart 'my app' --waiting ", runs("restart", ["my app"], { waiting: true })],
    ["--json list", runs("list", [], { json: true })],
    ["quit", runs("quit", [])],
    ["", { kind: "nothing" }],
    ["EOF", { kind: "leave" }],
    ["exit", { kind: "leave" }],
    ["foo bar", { kind: "say", text: "*** Unknown syntax: foo bar" }],
    ["help", { kind: "help", words: [] }],
    ["?", { kind: "help", words: [] }],
    ["help help", { kind: "help", words: [] }],
    ["? list", { kind: "help", words: ["list"] }],
    ["help rollout show", { kind: "help", words: ["rollout", "show"] }],
    ["list --help", { kind: "help", words: ["list"] }],
    ["--version", { kind: "version" }],
    ["--json", { kind: "say", text: "*** Unknown syntax: --json" }],
    ["list --frob", { kind: "mistake", text: "unknown option --frob" }],
    ["restart 'x", { kind: "mistake", text: "restart 'x: No closing quotation" }],
  ])("%j", (line, step) => {
    expect(stepOf(line, {})).toEqual(step);
  });

  it("gives each line the options of the start, which its own replace", () => {
    const options = { endpoint: "a", json: true } as const;
    expect(stepOf("list", options)).toEqual(runs("list", [], options));
    expect(stepOf("list --endpoint b", options)).toEqual(runs("list", [], { endpoint: "b", json: true }));
  });

  it("never throws", () => {
    fc.assert(fc.property(fc.string(), (line) => void stepOf(line, {})));
  });
});
