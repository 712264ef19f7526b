import type { UsageAnswer, UsageRow, UsageTotal } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { fewLines, isKnown, sentenceOf, tickText, timesOf, totalLines, valueText } from "./usage-view.ts";

const MIB = 1024 * 1024;

function row(name: string, cpu: readonly (number | null)[]): UsageRow {
  const of = (value: number) => cpu.map((one) => (one === null ? null : value));
  const cpuMax = cpu.map((one) => (one === null ? null : one + 1));
  return { name, now: null, cpu, cpuMax, rss: of(MIB), rssMax: of(2 * MIB), processes: of(2) };
}

const total: UsageTotal = {
  ...row("", [12, null, 30]),
  now: { cpu: 7.5, rss: 3 * MIB, processes: 4, ageMs: 20_000 },
  hosts: [2, null, 3],
  topCpu: { host: "web2", value: 20 },
  topRss: null,
  cpuOfTop: [10, null, 20],
  rssOfTop: [MIB, null, MIB],
};
const answer = (more: Partial<UsageAnswer> = {}): UsageAnswer => ({
  ...{ since: 600_000, bucketMs: 60_000, total, rows: [], more: 0, hosts: [] },
  ...more,
});

describe("usage in words", () => {
  it("says now, mean and most of what is known", () => {
    expect(sentenceOf("cpu", total, total.now)).toBe("now 7.50 %, 21.0 % on average, 31.0 % at most");
    expect(sentenceOf("rss", total, total.now)).toBe("now 3.0 MiB, 1.0 MiB on average, 2.0 MiB at most");
    expect(sentenceOf("processes", total, null)).toBe("not known now, 2 on average, 2 at most");
    expect(sentenceOf("cpu", row("", [null]), null)).toBe("not known now, not known on average, not known at most");
  });

  it("keeps three digits", () => {
    expect([0, 1.234, 12.34, 123.4].map((value) => valueText("cpu", value))).toEqual([
      ...["0.00 %", "1.23 %", "12.3 %", "123 %"],
    ]);
    expect(valueText("processes", 2.25)).toBe("2.3");
    expect([0, 2.5, 100].map((value) => tickText("cpu", value))).toEqual(["0 %", "2.5 %", "100 %"]);
    expect(tickText("rss", 256 * MIB)).toBe("256 MiB");
  });
});

describe("usage as lines", () => {
  it("stands in the middle of its buckets, and not after now", () => {
    expect(timesOf(answer(), 725_000)).toEqual([630, 690, 725]);
    expect(isKnown(answer())).toBe(true);
    expect(isKnown(answer({ total: { ...total, cpu: [null, null] } }))).toBe(false);
  });

  it("has the largest host where there are several", () => {
    expect(totalLines(answer(), "cpu").map(({ label }) => label)).toEqual(["all hosts", "at most", "largest host"]);
    const one = answer({ total: { ...total, hosts: [1, null, 1] } });
    expect(totalLines(one, "rss").map(({ label }) => label)).toEqual(["mean", "at most"]);
  });

  it("shows the watchers that use most, and the others as one", () => {
    const rows = [1, 5, 3, 0, 2, 4].map((cpu) => row(`w${cpu}`, [cpu, null, cpu]));
    const lines = fewLines(answer({ rows }), "cpu");
    expect(lines.map(({ label }) => label)).toEqual(["w5", "w4", "w3", "w2", "all others"]);
    expect(lines[4]?.values).toEqual([0, null, 16]);
    expect(fewLines(answer({ rows: rows.slice(0, 2) }), "cpu").map(({ label }) => label)).toEqual(["w5", "w1"]);
  });
});
