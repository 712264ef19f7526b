import fc from "fast-check";
import { expect, test } from "vitest";
import { parseBool, parseInteger, parseMask, parseNumber } from "./values.ts";

test("booleans as Circus reads them", () => {
  for (const text of ["yes", "True", " on ", "1"]) expect(parseBool(text)).toBe(true);
  for (const text of ["no", "FALSE", "off", "0"]) expect(parseBool(text)).toBe(false);
  for (const text of ["", "y", "2", "true; x", "none"]) expect(parseBool(text)).toBeNull();
});

test.each<[string, number | null]>([
  ["3", 3],
  [" +3 ", 3],
  ["-1", -1],
  ["007", 7],
  ["1_000", 1_000],
  ["-0", 0],
  ["0.5", null],
  ["1e3", null],
  ["0x10", null],
  ["_1", null],
  ["1__0", null],
  ["", null],
  ["9007199254740993", null],
])("parseInteger(%j) is %j", (text, expected) => {
  expect(parseInteger(text)).toBe(expected);
});

test.each<[string, number | null]>([
  ["0.5", 0.5],
  [".5", 0.5],
  ["5.", 5],
  ["1e3", 1_000],
  ["-1_0.5", -10.5],
  ["-0.0", 0],
  ["inf", null],
  ["nan", null],
  ["1e999", null],
  [".", null],
  ["5s", null],
  ["", null],
])("parseNumber(%j) is %j", (text, expected) => {
  expect(parseNumber(text)).toBe(expected);
});

test.each<[string, number | null]>([
  ["022", 0o22],
  ["22", 0o22],
  ["0o22", 0o22],
  ["000", 0],
  ["777", 0o777],
  ["1000", null],
  ["8", null],
  ["", null],
])("parseMask(%j) is %j", (text, expected) => {
  expect(parseMask(text)).toBe(expected);
});

test("no text gives anything but a value of the type or null", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const parse of [parseInteger, parseNumber, parseMask]) {
        const value = parse(text);
        expect(value === null || Number.isFinite(value)).toBe(true);
      }
    }),
  );
});
