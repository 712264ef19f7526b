import type { HostName } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { ALL, type Cell } from "./cell.ts";
import { type Bucket, cellsOf, fleetOf, OpenBuckets } from "./open.ts";

const [web1, web2] = ["web1" as HostName, "web2" as HostName];
const MINUTE = 60_000;
const T = 1000 * MINUTE;
const NONE: Bucket = new Map();

const report = (cpuMs: number, span = MINUTE) =>
  cellsOf({ v: 1, kind: "usage", span, watchers: [["web", cpuMs, 1000, 2]] });
const open = (stored: (startMs: number) => Bucket = () => NONE): OpenBuckets =>
  new OpenBuckets(MINUTE, T + 90_000, 90_000, stored);

describe("cellsOf", () => {
  it("makes per cent of one processor of CPU time, and adds up all watchers", () => {
    const cells = cellsOf({
      ...{ v: 1, kind: "usage", span: 10_000 },
      watchers: [
        ["web", 5000, 100, 2],
        ["job", 20_000, 50, 1],
      ],
    });
    expect(cells.get("web")).toEqual({ ms: 10_000, cpu: 50, cpuMax: 50, rss: 100, rssMax: 100, processes: 2 });
    expect(cells.get(ALL)).toMatchObject({ cpu: 250, cpuMax: 250, rss: 150, processes: 3 });
  });
});

describe("OpenBuckets", () => {
  it("gives each bucket its share of a report that tells of two", () => {
    const buckets = open();
    buckets.add(web1, T + 80_000, MINUTE, report(30_000));
    expect(buckets.get(T).get(web1)?.get("web")).toMatchObject({ ms: 40_000, cpu: 50, processes: 2 });
    expect(
      buckets
        .get(T + MINUTE)
        .get(web1)
        ?.get("web"),
    ).toMatchObject({ ms: 20_000, cpu: 50 });
    buckets.add(web1, T + 120_000, 40_000, report(0, 40_000));
    expect(
      buckets
        .get(T + MINUTE)
        .get(web1)
        ?.get("web"),
    ).toMatchObject({ ms: MINUTE, cpu: 50 / 3, cpuMax: 50 });
  });

  it("leaves no bucket empty where reports come a little later than every minute, and none of a host that is silent", () => {
    const buckets = new OpenBuckets(MINUTE, T, 0, () => NONE);
    for (let at = T + 66_000; at < T + 60 * MINUTE; at += 66_000) buckets.add(web1, at, 66_000, report(1000, 66_000));
    for (let at = T; at < T + 58 * MINUTE; at += MINUTE) expect([...buckets.get(at).keys()]).toEqual([web1]);
    expect(buckets.get(T + 61 * MINUTE)).toEqual(NONE);
  });

  it("closes what is over, and takes nothing for it any more", () => {
    const buckets = open();
    buckets.add(web1, T + MINUTE, MINUTE, report(1000));
    buckets.add(web2, T + 2 * MINUTE, MINUTE, report(1000));
    expect(buckets.close(T + 100_000).map(([startMs]) => startMs)).toEqual([T]);
    // Until it is stored it is still known, and told once more should that have failed.
    expect(buckets.get(T).size).toBe(1);
    expect(buckets.close(T + 100_000)).toHaveLength(1);
    buckets.forget(T);
    buckets.add(web2, T + 100_000, 100_000, report(1000));
    expect(buckets.get(T)).toEqual(NONE);
    expect(buckets.close(T + 100_000)).toEqual([]);
  });

  it("goes on with what an earlier life has stored of a bucket", () => {
    const before: Cell = { ms: 20_000, cpu: 100, cpuMax: 100, rss: 1000, rssMax: 1000, processes: 2 };
    const buckets = open((startMs) => (startMs === T ? new Map([[web1, new Map([["web", before]])]]) : NONE));
    buckets.add(web1, T + MINUTE, 20_000, report(0, 20_000));
    expect(buckets.get(T).get(web1)?.get("web")).toMatchObject({ ms: 40_000, cpu: 50, cpuMax: 100 });
  });

  it("holds no more than some buckets that cannot be stored", () => {
    const buckets = open();
    for (let i = 1; i < 100; i++) buckets.add(web1, T + i * MINUTE, MINUTE, report(1));
    expect(buckets.close(T + 50 * MINUTE)).toHaveLength(10);
    expect(buckets.get(T)).toEqual(NONE);
  });
});

describe("fleetOf", () => {
  it("adds up hosts", () => {
    const fleet = fleetOf([
      [web1, report(6000)],
      [web2, report(30_000)],
    ]);
    expect(fleet.get("web")).toMatchObject({ cpu: 60, rss: 2000, hosts: 2, topCpu: 50, topCpuHost: web2 });
    expect(fleet.get(ALL)).toMatchObject({ cpu: 60, processes: 4 });
  });
});
