import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quoteWord, splitWords } from "./words.ts";

describe("splitWords", () => {
  it.each([
    ["a  b\tc", ["a", "b", "c"]],
    [`a 'b c' "d e"`, ["a", "b c", "d e"]],
    [`a\\ b "c\\"d" 'e\\f'`, ["a b", `c"d`, "e\\f"]],
    [`x"" ''`, ["x", ""]],
    [`"a\\n"`, ["a\\n"]],
    ["", []],
    ["a\u00a0b\fc", ["a\u00a0b\fc"]], // no blanks to Python's shlex
    ["a\nb\r\nc", ["a", "b", "c"]],
    ["a # b", ["a", "#", "b"]],
  ])("%j", (text, words) => expect(splitWords(text)).toEqual({ ok: true, words }));

  it.each([
    [`a 'b`, "No closing quotation"],
    [`"a`, "No closing quotation"],
    ["a\\", "No escaped character"],
  ])("refuses %j", (text, reason) => expect(splitWords(text)).toEqual({ ok: false, reason }));

  it("reads back what quoteWord writes, for any words", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (words) => {
        expect(splitWords(words.map(quoteWord).join(" "))).toEqual({ ok: true, words });
      }),
    );
  });
});
