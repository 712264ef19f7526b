import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration, parseInstant } from "./time.ts";

describe("parseDuration", () => {
  it.each([
    ["90", 90_000],
    ["1.5s", 1500],
    ["10m", 600_000],
    ["1h30m", 5_400_000],
    ["7d", 604_800_000],
    ["250ms", 250],
    ["0", 0],
  ])("reads %s", (text, ms) => expect(parseDuration(text)).toBe(ms));
  it.each(["", "x", "1y", "-1s", "1h x", "h1"])("refuses %s", (text) => expect(parseDuration(text)).toBeNull());
});

describe("formatDuration", () => {
  it.each([
    [120, "120ms"],
    [4000, "4s"],
    [200_000, "3m20s"],
    [7_500_000, "2h5m"],
    [529_200_000, "6d3h"],
    [3_600_000, "1h"],
    [-4000, "-4s"],
  ])("writes %s as %s", (ms, text) => expect(formatDuration(ms)).toBe(text));
});

describe("parseInstant", () => {
  const now = Date.parse("2026-03-01T12:00:00Z");
  it("reads relative and absolute times", () => {
    expect(parseInstant("now", now)).toBe(now);
    expect(parseInstant("1h", now)).toBe(now - 3_600_000);
    expect(parseInstant("90s ago", now)).toBe(now - 90_000);
    expect(parseInstant("2026-03-01T10:00:00Z", now)).toBe(Date.parse("2026-03-01T10:00:00Z"));
    expect(parseInstant("2026-03-01 10:00:00Z", now)).toBe(Date.parse("2026-03-01T10:00:00Z"));
    expect(parseInstant("2026-03-01", now)).toBe(new Date(2026, 2, 1).getTime());
  });
  it.each(["", "yesterday-ish", "2026-13-45", "12/24/2026"])("refuses %s", (text) =>
    expect(parseInstant(text, now)).toBeNull(),
  );
});
