import fc from "fast-check";
import { expect, it } from "vitest";
import { typedLine } from "./line.ts";

it.each([
  ["", [""], ""],
  ["restart", ["restart"], "restart"],
  ["restart ", ["restart", ""], ""],
  ["restart w", ["restart", "w"], "w"],
  ["restart 'my a", ["restart", "my a"], "'my a"],
  ['restart "my a', ["restart", "my a"], '"my a'],
  ["restart my\\ a", ["restart", "my a"], "my\\ a"],
  ["restart 'my app' x", ["restart", "my app", "x"], "x"],
  ["restart plugin:f", ["restart", "plugin:f"], "plugin:f"],
  ["   ", [""], ""],
])("%j", (text, words, tail) => {
  expect(typedLine(text)).toEqual({ words, tail });
});

it("always has a word at the cursor, and a tail that ends the text", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const { words, tail } = typedLine(text);
      expect(words.length).toBeGreaterThan(0);
      expect(text.endsWith(tail)).toBe(true);
    }),
  );
});
