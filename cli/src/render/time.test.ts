import { describe, expect, it } from "vitest";
import { localTime, readInstant, relative } from "./time.ts";

const NOON = new Date(2026, 0, 31, 12, 0, 0).getTime();

describe("localTime(), relative()", () => {
  it("show local time and how long ago", () => {
    expect(localTime(NOON)).toBe("2026-01-31 12:00:00");
    expect(localTime(Number.NaN)).toBe("?");
    expect(relative(NOON - 200_000, NOON)).toBe("3m20s ago");
    expect(relative(NOON + 5000, NOON)).toBe("in 5s");
    expect(relative(NOON - 10, NOON)).toBe("now");
  });
});

describe("readInstant()", () => {
  it.each<[string, number | null]>([
    ["11:30", NOON - 1_800_000],
    ["12:00", NOON],
    ["12:00:01", new Date(2026, 0, 30, 12, 0, 1).getTime()],
    ["25:00", null],
    ["12:60", null],
    ["1h", NOON - 3_600_000],
    ["now", NOON],
    ["2026-01-31T11:00", NOON - 3_600_000],
    ["soon", null],
  ])("%s", (text, expected) => {
    expect(readInstant(text, NOON)).toBe(expected);
  });
});
