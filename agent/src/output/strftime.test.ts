import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { strftime, timeTeller } from "./strftime.ts";

const ALL = "%a|%A|%b|%B|%c|%C|%d|%D|%e|%F|%g|%G|%h|%H|%I|%j|%k|%l|%m|%M|%n|%p|%P|%r|%R|%s|%S|%t|%T|%u|%U|%V|%w|%W";
const MORE = "|%x|%X|%y|%Y|%%|%-d|%-m|%_H|%^a";

describe("strftime", () => {
  beforeEach(() => {
    vi.stubEnv("TZ", "Europe/Berlin");
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  // Turns of the year, leap days, both changes of the clock, noon, midnight.
  const times = [
    ...["2024-01-01T00:00:00+01:00", "2023-01-01T12:00:00+01:00", "2021-01-03T23:59:59+01:00"],
    ...["2020-12-31T11:00:00+01:00", "2024-02-29T13:05:09+01:00", "2024-03-31T03:30:00+02:00"],
    ...["2024-10-27T02:30:00+01:00", "2026-11-25T09:08:07+01:00"],
  ];

  it("writes what C's strftime writes, in local time", () => {
    const dates = times.map((time) => Math.floor(Date.parse(time) / 1000));
    const format = ALL + MORE;
    const script =
      "import sys, time\nfor t in sys.argv[2:]: print(repr(time.strftime(sys.argv[1], time.localtime(int(t)))))";
    const env = { ...process.env, TZ: "Europe/Berlin", LC_ALL: "C" };
    const lines = execFileSync("/usr/bin/python3", ["-c", script, format, ...dates.map(String)], {
      env,
      encoding: "utf8",
    });
    const expected = lines
      .trim()
      .split("\n")
      .map((line) => line.slice(1, -1));
    const ours = dates.map((time) =>
      strftime(format, new Date(time * 1000))
        .replaceAll("\n", "\\n")
        .replaceAll("\t", "\\t"),
    );
    expect(ours).toEqual(expected);
  });

  it("knows milliseconds, offsets, UTC, and leaves the rest as it is", () => {
    const when = new Date("2024-07-01T10:00:00.042Z");
    expect(strftime("%f %z %Q '%", when)).toBe("042000 +0200 %Q '%");
    expect(strftime("%H %z %Z", when, true)).toBe("10 +0000 UTC");
  });
});

describe("timeTeller", () => {
  it("formats once a second, or as often as the format shows", () => {
    let now = 1_700_000_000_000;
    const clock = () => new Date(now);
    const [seconds, fine] = [timeTeller("%s", clock), timeTeller("%s.%f", clock)];
    expect([seconds(), fine()]).toEqual(["1700000000", "1700000000.000000"]);
    now += 999;
    expect([seconds(), fine()]).toEqual(["1700000000", "1700000000.999000"]);
    now += 1;
    expect(seconds()).toBe("1700000001");
  });
});
