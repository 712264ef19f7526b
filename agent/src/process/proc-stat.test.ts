import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cpuTimeText, humanBytes, parseCmdline, parseStat, parseStatus } from "./proc-stat.ts";

describe("parseStat", () => {
  it("reads the kernel's line of this very process", () => {
    const stat = parseStat(readFileSync("/proc/self/stat", "utf8"));
    expect(stat).toMatchObject({ pid: process.pid, ppid: process.ppid, state: "R" });
    expect(stat?.startTicks).toBeGreaterThan(0);
  });
  it("is not confused by a name with blanks and parentheses", () => {
    const rest = Array.from({ length: 40 }, (_, i) => i + 4).join(" ");
    expect(parseStat(`12 (a) b (c) S ${rest}`)).toMatchObject({
      pid: 12,
      comm: "a) b (c",
      state: "S",
      ppid: 4,
      startTicks: 22,
    });
  });
  it.each(["", "12", "12 (a", "12 (a) S 1"])("gives null for %j", (text) => expect(parseStat(text)).toBeNull());
});

describe("parseStatus", () => {
  it("reads user and sizes of this very process", () => {
    const status = parseStatus(readFileSync("/proc/self/status", "utf8"));
    expect(status?.uid).toBe(process.getuid?.());
    expect(status?.rssBytes).toBeGreaterThan(10 * 1024 ** 2);
    expect(status?.vsizeBytes).toBeGreaterThan(status?.rssBytes ?? 0);
  });
  it("takes the real user, and no memory for a zombie", () => {
    expect(parseStatus("Name:\tx\nState:\tZ (zombie)\nUid:\t33\t0\t0\t0\n")).toEqual({
      uid: 33,
      rssBytes: 0,
      vsizeBytes: 0,
    });
  });
  it.each(["", "Name:\tx\n"])("gives null for %j", (text) => expect(parseStatus(text)).toBeNull());
});

describe("texts of a record", () => {
  it.each([
    [0, "0B"],
    [1023, "1023B"],
    [1024, "1.00K"],
    [1_709_179, "1.63M"],
    [5 * 1024 ** 3, "5.00G"],
  ])("%i bytes are %s", (bytes, text) => expect(humanBytes(bytes)).toBe(text));
  it.each([
    [0, "0:00.0"],
    [0.5, "0:00.50"],
    [61.25, "1:01.25"],
    [0.05, "0:00.50"], // the unpadded microseconds: Circus's quirk
    [3_601, "0:01.0"],
  ])("%d s of CPU are %s", (seconds, text) => expect(cpuTimeText(seconds)).toBe(text));
  it("splits a command line", () => {
    expect(parseCmdline("a\0b c\0\0")).toEqual(["a", "b c", ""]);
    expect(parseCmdline("")).toEqual([]);
  });
});
