import { expect, it } from "vitest";
import { pythonRepr } from "./python-text.ts";

it.each([
  ["foo", "'foo'"],
  ["it's", `"it's"`],
  [`"it's"`, `'"it\\'s"'`],
  ["a\\b\n\t", "'a\\\\b\\n\\t'"],
  ["\u0001é\u200b\u{e0001}", "'\\x01é\\u200b\\U000e0001'"],
  ["a b\u00a0", "'a b\\xa0'"],
])("`pythonRepr` of %j is what Python prints", (text, expected) => {
  expect(pythonRepr(text)).toBe(expected);
});
