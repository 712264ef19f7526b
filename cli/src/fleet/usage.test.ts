import type { UsageAnswer, UsageSeries } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { BLOCKS } from "../top/pieces.ts";
import { usageLines } from "./usage.ts";

const MIB = 1024 * 1024;
const series = (cpu: readonly (number | null)[], rss: number): UsageSeries => {
  const known = (value: number) => cpu.map((one) => (one === null ? null : value));
  const twice = cpu.map((one) => (one === null ? null : 2 * one));
  return { cpu, cpuMax: twice, rss: known(rss), rssMax: known(rss), processes: known(2) };
};
const answer: UsageAnswer = {
  ...{ since: 0, bucketMs: 2_700_000, more: 0, hosts: [] },
  rows: [
    { name: "web1", now: { cpu: 12.34, rss: 30 * MIB, processes: 2, ageMs: 100 }, ...series([10, null, 50], 20 * MIB) },
    { name: "web2", now: null, ...series([1, 1, null], 5 * MIB) },
  ],
  total: {
    ...{ now: { cpu: 12.34, rss: 30 * MIB, processes: 2, ageMs: 100 }, ...series([11, 1, 50], 20 * MIB) },
    ...{ hosts: [2, 1, 1], topCpu: { host: "web1", value: 100 }, topRss: null, cpuOfTop: [], rssOfTop: [] },
  },
};

describe("usageLines", () => {
  it("has now, mean and most of each host, gaps left out, and of all", () => {
    expect(usageLines(answer, "host", BLOCKS, false)).toEqual([
      "HOST   CPU  MEAN   MOST  MEMORY   MEAN   MOST  PROCESSES  CPU OVER TIME",
      "web1  12.3  30.0  100.0   30.0M  20.0M  20.0M          2  ▂ █",
      "web2     -   1.0    2.0       -   5.0M   5.0M          -  ▁▁",
      "all   12.3  20.7  100.0   30.0M  20.0M  20.0M          2  ▂▁█",
      "a place of the line is 45m; most CPU at one moment: web1",
    ]);
  });

  it("says what was left out", () => {
    const lines = usageLines({ ...answer, more: 7 }, "watcher", BLOCKS, false);
    expect(lines[0]).toMatch(/^WATCHER /);
    expect(lines.at(-1)).toBe("a place of the line is 45m; 7 more that use less; --limit shows them");
  });
});
