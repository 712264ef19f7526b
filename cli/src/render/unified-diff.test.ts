import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unifiedDiff } from "./unified-diff.ts";

/** What `patch` would make of it. */
function patched(before: string, diff: readonly string[]): string {
  const lines = before === "" ? [] : before.replace(/\n$/, "").split("\n");
  const out: string[] = [];
  let at = 0;
  for (const line of diff) {
    const [, from, length] = /^@@ -(\d+),(\d+) \+\d+,\d+ @@$/.exec(line) ?? [];
    if (from !== undefined) {
      const start = Number(from) - (length === "0" ? 0 : 1);
      out.push(...lines.slice(at, start));
      at = start;
    } else if (line.startsWith("+")) out.push(line.slice(1));
    else {
      expect(lines[at]).toBe(line.slice(1));
      if (line.startsWith(" ")) out.push(line.slice(1));
      at++;
    }
  }
  out.push(...lines.slice(at));
  return out.length === 0 ? "" : `${out.join("\n")}\n`;
}

const file = fc
  .array(fc.constantFrom("a", "b", "c", "[x]", ""), { maxLength: 25 })
  .map((lines) => lines.map((line) => `${line}\n`).join(""));

describe("unifiedDiff", () => {
  it("shows a change with three lines around it, as diff -u does", () => {
    const lines = Array.from("abcdefghij");
    const before = `${lines.join("\n")}\n`;
    expect(unifiedDiff(before, before.replace("e\n", "e1\ne2\n"))).toEqual([
      "@@ -2,7 +2,8 @@",
      ...[" b", " c", " d", "-e", "+e1", "+e2", " f", " g", " h"],
    ]);
    expect(unifiedDiff("", "x\n")).toEqual(["@@ -0,0 +1,1 @@", "+x"]);
    expect(unifiedDiff("x\n", "")).toEqual(["@@ -1,1 +0,0 @@", "-x"]);
    expect(unifiedDiff("x\r\ny", "x\ny\n")).toEqual([]);
  });

  it("makes of the one text the other, by the least number of lines", () => {
    fc.assert(
      fc.property(file, file, (before, after) => {
        const diff = unifiedDiff(before, after);
        expect(patched(before, diff)).toBe(after);
        const edits = diff.filter((line) => !line.startsWith("@@") && !line.startsWith(" ")).length;
        expect(edits).toBe(fewest(before, after));
      }),
    );
  });

  it("replaces what lies between, where too much is different to be looked through", () => {
    const many = (word: string): string => Array.from({ length: 3000 }, (_, at) => `${word}${at}\n`).join("");
    const [before, after] = [`same\n${many("a")}end\n`, `same\n${many("b")}end\n`];
    expect(patched(before, unifiedDiff(before, after))).toBe(after);
  });
});

/** Lines removed and added at least, by a table of common subsequences. */
function fewest(before: string, after: string): number {
  const [a, b] = [before, after].map((text) => (text === "" ? [] : text.slice(0, -1).split("\n"))) as [
    string[],
    string[],
  ];
  let row = new Array<number>(b.length + 1).fill(0);
  for (const line of a) {
    const next = [0];
    for (let at = 0; at < b.length; at++) {
      next.push(line === b[at] ? (row[at] ?? 0) + 1 : Math.max(row[at + 1] ?? 0, next[at] ?? 0));
    }
    row = next;
  }
  return a.length + b.length - 2 * (row.at(-1) ?? 0);
}
