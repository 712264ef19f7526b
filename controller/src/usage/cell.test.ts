import { describe, expect, it } from "vitest";
import { type Cell, fleetOverTime, ofHost, overTime, together } from "./cell.ts";

const cell = (ms: number, cpu: number, rss = 0, processes = 1): Cell => ({
  ...{ ms, cpu, cpuMax: cpu, rss, rssMax: rss, processes },
});

describe("cells", () => {
  it("of two times have a mean by their lengths, and the larger peak", () => {
    expect(overTime(cell(30_000, 100, 1000, 4), { ...cell(10_000, 20, 3000, 2), cpuMax: 250 })).toEqual({
      ...{ ms: 40_000, cpu: 80, cpuMax: 250, rss: 1500, rssMax: 3000, processes: 3.5 },
    });
  });

  it("of two hosts are added, and the largest host is named", () => {
    const [a, b] = [ofHost("web1", cell(60_000, 30, 500, 2)), ofHost("web2", cell(20_000, 90, 100, 1))];
    const sum = together(a, b);
    expect(sum).toEqual({
      ...{ ms: 60_000, cpu: 120, cpuMax: 120, rss: 600, rssMax: 600, processes: 3, hosts: 2 },
      ...{ topCpu: 90, topCpuHost: "web2", topRss: 500, topRssHost: "web1" },
    });
    const alone = ofHost("web1", cell(60_000, 20, 700));
    expect(fleetOverTime(sum, alone)).toMatchObject({
      ...{ cpu: 70, cpuMax: 120, rss: 650, rssMax: 700, hosts: 2 },
      ...{ topCpu: 90, topCpuHost: "web2", topRss: 700, topRssHost: "web1" },
    });
  });
});
