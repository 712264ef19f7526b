import { describe, expect, it } from "vitest";
import { strftime } from "../output/strftime.ts";
import { lineReader } from "./line-time.ts";

const when = new Date(2026, 10, 26, 17, 4, 9, 250);

describe("lineReader", () => {
  it.each([
    ["%Y-%m-%d %H:%M:%S", 0],
    ["%F %T.%f", 250],
    ["[%d/%b/%Y:%H:%M:%S %z]", 0],
    ["%A, %d. %B %Y %I:%M:%S %p", 0],
    ["%s", 0],
    ["%Y %j %H%M%S", 0],
    ["%c", 0],
    ["%y%m%d %R:%S", 0],
  ])("reads back what %j wrote", (format, ms) => {
    const reader = lineReader(format);
    expect(reader.isTimed).toBe(true);
    const time = when.getTime() - 250 + ms;
    expect(reader.read(`${strftime(format, when)} [4711] | a | b`)).toEqual({ time, pid: 4711, line: "a | b" });
  });

  it("knows the process but no moment where the format names none", () => {
    const reader = lineReader("%H:%M:%S");
    expect(reader.isTimed).toBe(false);
    expect(reader.read("17:04:09 [12] | x")).toEqual({ time: null, pid: 12, line: "x" });
  });

  it("leaves a line alone that is not of this format, or where there is none", () => {
    for (const format of ["%F %T", null, "%Q"]) {
      expect(lineReader(format).read("2026-11-26 [x] | y")).toEqual({
        time: null,
        pid: null,
        line: "2026-11-26 [x] | y",
      });
    }
  });
});
