import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BackwardLines } from "./backward.ts";

/** All lines of a text, the last first, read in blocks of these sizes. */
function read(text: string, sizes: readonly number[]): { text: string; offset: number }[] {
  const bytes = Buffer.from(text);
  const backward = new BackwardLines(bytes.length);
  const lines = [];
  let next = 0;
  for (let at = bytes.length; at > 0; ) {
    const length = Math.min(at, sizes[next++ % sizes.length] ?? 1);
    lines.push(...backward.push(bytes.subarray(at - length, at)));
    at -= length;
  }
  const rest = backward.rest();
  return rest === null ? lines : [...lines, rest];
}

describe("BackwardLines", () => {
  it.each([
    ["", []],
    ["a", ["a"]],
    ["a\n", ["a"]],
    ["a\nb", ["b", "a"]],
    ["\n", [""]],
    ["\na\n\n", ["", "a", ""]],
  ])("reads %j", (text, expected) => {
    for (const size of [1, 2, 100]) expect(read(text, [size]).map((line) => line.text)).toEqual(expected);
  });

  it("finds the same lines at the same places however the blocks are cut", () => {
    const text = fc.array(fc.constantFrom("a", "bc", "\n", "é")).map((parts) => parts.join(""));
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
    fc.assert(
      fc.property(text, sizes, (whole, cut) => {
        const lines = read(whole, cut).reverse();
        const expected = whole === "" ? [] : whole.replace(/\n$/, "").split("\n");
        expect(lines.map((line) => line.text)).toEqual(expected);
        let offset = 0;
        for (const line of lines) {
          expect(line.offset).toBe(offset);
          offset += Buffer.byteLength(line.text) + 1;
        }
      }),
    );
  });

  it("holds no more of a line without end than is shown, its beginning", () => {
    const [line] = read(`begin ${"x".repeat(100_000)}`, [1000]);
    expect(line?.text).toMatch(/^begin x+ … \(67238 bytes more\)$/);
  });
});
