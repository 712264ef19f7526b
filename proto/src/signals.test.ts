import { constants } from "node:os";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseSignal } from "./signals.ts";

test("the table of signals is the platform's, with and without SIG, in any case", () => {
  for (const [name, number] of Object.entries(constants.signals)) {
    for (const text of [name, name.slice(3), name.toLowerCase(), ` ${name} `, String(number)]) {
      expect([text, parseSignal(text)]).toEqual([text, number]);
    }
  }
});

test.each<[string | number, number | null]>([
  [15, 15],
  ["SIGRTMIN+1", 35],
  ["rtmin", 34],
  ["SIGRTMIN+31", null],
  ["SIGRTMAX", 64],
  [0, 0], // asks whether it may be signalled
  ["00", 0],
  [-1, null],
  [65, null],
  [1.5, null],
  ["-15", null],
  ["SIG", null],
  ["SIGNOPE", null],
  ["SIGTERM KILL", null],
  ["constructor", null],
  ["", null],
])("parseSignal(%j) is %j", (text, expected) => {
  expect(parseSignal(text)).toBe(expected);
});

test("no text gives anything but a signal or null", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const signum = parseSignal(text);
      expect(signum === null || (Number.isInteger(signum) && signum >= 0 && signum <= 64)).toBe(true);
    }),
  );
});
