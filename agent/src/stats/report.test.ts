import { parse, REPORT_WATCHERS_MAX, usageReport } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { reportOf } from "./report.ts";
import type { Look } from "./usage-look.ts";

const at = (ms: number, usages: Readonly<Record<string, number>>): Look => ({
  at: ms,
  usages: new Map(Object.entries(usages).map(([name, cpuS]) => [name, { cpuS, rssBytes: 4096, processes: 2 }])),
});

describe("reportOf", () => {
  it("tells of the CPU time between two looks, also of a watcher that is new", () => {
    const report = reportOf(at(1000, { web: 10, gone: 3 }), at(61_000.4, { web: 40.5, job: 2 }), 2);
    expect(report).toEqual({
      ...{ v: 1, kind: "usage", span: 60_000 },
      watchers: [
        ["web", 30_500, 4096, 2],
        ["job", 2000, 4096, 2],
      ],
    });
  });

  it("says of nobody that it used more than there was, or less than nothing", () => {
    const { watchers } = reportOf(at(0, { fell: 5 }), at(1000, { adopted: 86_400, fell: 1 }), 4);
    expect(watchers).toEqual([
      ["adopted", 4000, 4096, 2],
      ["fell", 0, 4096, 2],
    ]);
  });

  it("tells of the watchers that use most where there are very many, and fits into a message of NATS", () => {
    const busy = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`\u0001${i}`.padEnd(128, "\u0001"), i]));
    const report = reportOf(at(0, {}), at(10_000_000, busy), 4096);
    expect(report.watchers).toHaveLength(REPORT_WATCHERS_MAX);
    expect(Math.min(...report.watchers.map(([, cpuMs]) => cpuMs))).toBe(2000 * 1000);
    expect(JSON.stringify(report).length).toBeLessThan(1_000_000);
    expect(parse(usageReport, { ...report, span: 60_000 }).ok).toBe(true);
  });
});
