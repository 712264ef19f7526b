import { parseSignal } from "@circus-cluster/proto";
import { expect, test } from "vitest";
import { findKey, KEYS, knownKeys } from "./keys.ts";
import { parseBool, parseInteger, parseMask, parseNumber } from "./values.ts";

test("each default is a value of its key's type", () => {
  const parsers = { bool: parseBool, int: parseInteger, float: parseNumber, mask: parseMask, signal: parseSignal };
  for (const { section, key, type, default: fallback } of KEYS) {
    if (fallback === null || !(type in parsers)) continue;
    expect([section, key, parsers[type as keyof typeof parsers](fallback)]).not.toContain(null);
  }
});

test("each key stands in the table once and has its line of documentation", () => {
  const names = KEYS.map(({ section, key }) => `${section} ${key}`);
  expect(new Set(names).size).toBe(names.length);
  for (const { doc } of KEYS) expect(doc).toMatch(/^\S[^\n]*\S$/);
});

test("exact keys win over groups, and keys are case-sensitive", () => {
  expect(findKey("watcher", "hooks.before_start")?.key).toBe("hooks.*");
  expect(findKey("circus", "statsd")?.type).toBe("bool");
  expect(findKey("circus", "statsd_close_outputs")?.key).toBe("statsd_*");
  expect(findKey("watcher", "Cmd")).toBeNull();
  expect(findKey("socket", "cmd")).toBeNull();
  expect(findKey("watcher", "constructor")).toBeNull();
  expect(knownKeys("watcher")).toContain("socket_activation");
});
