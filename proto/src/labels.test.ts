import { describe, expect, it } from "vitest";
import { formatCondition, fulfils, parseConditions } from "./labels.ts";

describe("parseConditions", () => {
  it.each<[string, string[] | undefined]>([
    ["role=web", ["role=web"]],
    ["role:web , zone!=a", ["role=web", "zone!=a"]],
    ["", undefined],
    ["role", undefined],
    ["=web", undefined],
    ["role==web", undefined],
    ["role=web,zone", undefined],
  ])("reads %j as %j", (text, expected) => expect(parseConditions(text)?.map(formatCondition)).toEqual(expected));
});

describe("fulfils", () => {
  it.each<[Record<string, string>, string, boolean]>([
    [{ role: "web", zone: "b" }, "role=web,zone!=a", true],
    [{ role: "web", zone: "a" }, "role=web,zone!=a", false],
    [{ role: "web" }, "zone!=a", true],
    [{}, "role=web", false],
    [{}, "toString=x", false],
  ])("%j %s: %s", (labels, where, expected) => expect(fulfils(labels, parseConditions(where) ?? [])).toBe(expected));
});
