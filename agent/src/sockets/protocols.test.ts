import { expect, it } from "vitest";
import { protocolNumber } from "./protocols.ts";

it.each([
  ["tcp", 6],
  ["UDP", 17],
  ["17", 17],
  ["0", 0],
  ["nonsense", null],
  ["constructor", null],
  ["-1", null],
  ["999", null],
])("%s is %s", (text, number) => {
  expect(protocolNumber(text)).toBe(number);
});
