import { expect, test } from "vitest";
import { globMatch, quote } from "./text.ts";

test.each<[name: string, pattern: string, expected: boolean]>([
  ["web", "web", true],
  ["web", "Web", false],
  ["web-1", "web*", true],
  ["web", "w?b", true],
  ["wb", "w?b", false],
  ["", "*", true],
  ["", "", true],
  ["a.b", "a[.]b", true],
  ["a5", "a[0-9]", true],
  ["ax", "a[!0-9]", true],
  ["a]", "a[]]", true],
  ["a[", "a[", true],
  ["a-", "a[x-]", true],
  ["my-app-2", "*app*2", true],
  ["my-app-2", "*app*3", false],
  ["😀", "?", true],
])("globMatch(%j, %j) is %s", (name, pattern, expected) => {
  expect(globMatch(name, pattern)).toBe(expected);
});

test("a hostile pattern costs no more than name times pattern", () => {
  expect(globMatch("a".repeat(2_000), `${"*a".repeat(500)}b`)).toBe(false);
});

test("`quote` is short, printable and one line", () => {
  expect(quote("a\nb\u001b")).toBe("'a\\nb\\u001b'");
  expect(quote("x".repeat(1_000)).length).toBeLessThan(70);
});
