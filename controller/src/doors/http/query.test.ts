import { FLEET_QUERIES, parse, v } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { parametersOf, readQuery } from "./query.ts";

const NOW = 1_000_000_000_000;

function read(verb: keyof typeof FLEET_QUERIES, text: string): unknown {
  return readQuery(parametersOf<unknown>(FLEET_QUERIES[verb]), new URLSearchParams(text), NOW);
}

/** As the answer would say it; null: accepted. */
function problem(verb: keyof typeof FLEET_QUERIES, text: string): string | null {
  const parsed = parse<unknown>(FLEET_QUERIES[verb], read(verb, text));
  return parsed.ok ? null : parsed.issues.map(({ path, message }) => `${path}: ${message}`).join("; ");
}

describe("a query string", () => {
  it("needs nothing where a person with curl would write nothing", () => {
    expect(read("status", "")).toEqual({ hosts: null, watcher: null });
    const all = { hosts: null, watcher: null, kinds: null, actor: null };
    expect(read("events", "")).toEqual({ ...all, since: NOW - 86_400_000, until: NOW, limit: 1000 });
    expect(read("history-at", "")).toEqual({ hosts: null, watcher: null, at: NOW });
  });

  it("lets each question be asked by default, but for what names one thing", () => {
    const refused = Object.keys(FLEET_QUERIES).filter((verb) => problem(verb as "status", "") !== null);
    expect(refused).toEqual(["rollout-show"]);
    expect(problem("rollout-show", "id=r1")).toBeNull();
  });

  it("takes lists with commas and repeated, numbers, and text as it is", () => {
    expect(read("status", "hosts=a,b&hosts=c&watcher=web%201")).toEqual({ hosts: ["a", "b", "c"], watcher: "web 1" });
    expect(read("rollout-list", "limit=5")).toEqual({ limit: 5 });
    expect(read("rollout-show", "id=12")).toEqual({ id: "12" });
  });

  it.each([
    ["status", "watcher=a&watcher=b", /^watcher: Invalid type/],
    ["status", "watcher=", /^watcher: Invalid length/],
    ["status", "hosts=", /^hosts\.0: Invalid length/],
    ["status", "host=a", /^host: is unknown/],
    ["status", "__proto__=a", /^__proto__: is unknown/],
    ["status", "constructor=a", /^constructor: is unknown/],
    ["rollout-list", "limit=abc", /^limit: Invalid type/],
    ["rollout-list", "limit=", /^limit: Invalid type/],
    ["rollout-list", "limit=1e3", /^limit: Invalid type/],
    ["rollout-list", "limit=-1", /^limit: Invalid value/],
    ["rollout-list", "limit=1.5", /^limit: Invalid integer/],
    ["rollout-list", "limit=1&limit=2", /^limit: Invalid type/],
    ["rollout-show", "", /^id: is missing/],
    ["events", "since=yesterday", /^since: Invalid type/],
    ["events", `kinds=${"x".repeat(200)}`, /^kinds\.0: Invalid length/],
  ] as const)("%s?%s is refused by the schema", (verb, text, expected) => {
    expect(problem(verb, text)).toMatch(expected);
  });

  it("reads booleans, and values of a shape of their own as JSON", () => {
    const schema = v.strictObject({ a: v.boolean(), b: v.array(v.number()) });
    const query = (text: string): unknown => readQuery(parametersOf(schema), new URLSearchParams(text), NOW);
    expect(query("a=true&b=[1,2]")).toEqual({ a: true, b: [1, 2] });
    expect(query("a=false&b=[1")).toEqual({ a: false, b: "[1" });
    expect(query("a=yes")).toEqual({ a: "yes" });
  });
});
