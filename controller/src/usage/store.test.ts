/** The database of usage, as it grows over days: stored, rolled up, asked, dropped. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HostName, UsageQuery } from "@circus-cluster/proto";
import { type Database } from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "../store/database.ts";
import { USAGE_MIGRATIONS } from "../store/migrations.ts";
import { usageAnswer } from "./answer.ts";
import { cellsOf, fleetOf, type HostNow, OpenBuckets } from "./open.ts";
import { pruneUsage, rollUp, wholeTo, writeBucket } from "./roll-up.ts";
import { UsageStore } from "./store.ts";

const [MINUTE, HOUR] = [60_000, 3_600_000];
const DAY = 24 * HOUR;
const T = Date.UTC(2026, 10, 26);

let dir: string;
let db: Database;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "circus-usage-"));
  db = openDatabase(join(dir, "usage.db"), USAGE_MIGRATIONS, "NORMAL");
});
afterEach(() => {
  db.close();
  rmSync(dir, { recursive: true });
});

function all<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Per cent of one processor of each watcher of a host in one minute; null: the host is silent. */
type Told = (minute: number) => Readonly<Record<string, Readonly<Record<string, number>> | null>>;

/** Every minute of a time, stored and rolled up as a controller does. */
function live(store: UsageStore, fromMs: number, minutes: number, told: Told): void {
  for (let minute = 0; minute < minutes; minute++) {
    const startMs = fromMs + minute * MINUTE;
    const hosts = Object.entries(told(minute)).flatMap(([host, cpus]) => {
      if (cpus === null) return [];
      const watchers = Object.entries(cpus).map(([name, cpu]) => [name, cpu * 600, cpu * 1024, 2] as const);
      return [[host, cellsOf({ v: 1, kind: "usage", span: MINUTE, watchers })] as const];
    });
    if (hosts.length > 0) all(writeBucket(store, 0, startMs, new Map(hosts), fleetOf(hosts)));
    if (minute % 15 === 14) all(rollUp(store, startMs + MINUTE));
  }
  all(rollUp(store, fromMs + minutes * MINUTE));
}

function ask(store: UsageStore, nowMs: number, query: Partial<UsageQuery>) {
  const open = new OpenBuckets(MINUTE, nowMs, 0, () => new Map());
  const base = { hosts: null, watcher: null, by: "none", since: nowMs - HOUR, until: nowMs, points: 120, limit: 100 };
  const source = { store, open, now: () => new Map() };
  return usageAnswer(source, { ...(base as UsageQuery), ...query }, nowMs);
}

describe("usage in SQLite", () => {
  it("answers from the finest tier: sums, the largest host, gaps as null", () => {
    const store = new UsageStore(db);
    live(store, T, 60, (minute) => ({
      web1: { web: 10, job: 1 },
      web2: minute >= 20 && minute < 30 ? null : { web: 30 },
    }));
    const { since, bucketMs, total } = ask(store, T + HOUR, { watcher: "web" });
    expect([since, bucketMs]).toEqual([T, MINUTE]);
    expect(total.cpu.slice(18, 22)).toEqual([40, 40, 10, 10]);
    expect(total.hosts.slice(18, 22)).toEqual([2, 2, 1, 1]);
    expect(total.topCpu).toEqual({ host: "web2", value: 30 });
    expect(total.processes.slice(28, 32)).toEqual([2, 2, 4, 4]);
    // Of a host that was lost there is a gap, and no zero.
    const byHost = ask(store, T + HOUR, { watcher: "web", by: "host" });
    expect(byHost.rows.map(({ name }) => name)).toEqual(["web1", "web2"]);
    expect(byHost.rows[1]?.cpu.slice(18, 32)).toEqual([30, 30, ...Array.from({ length: 10 }, () => null), 30, 30]);
    expect(byHost.total.cpu).toEqual(total.cpu);
    const ofHost = ask(store, T + HOUR, { hosts: ["web1"], by: "watcher" });
    expect(ofHost.rows.map(({ name, cpu }) => [name, cpu[0]])).toEqual([
      ["job", 1],
      ["web", 10],
    ]);
    expect(ofHost.total.cpu[0]).toBe(11);
    expect(ofHost.total.rss[0]).toBe(11 * 1024);
    expect(ask(store, T + HOUR, { hosts: ["web2"], watcher: "job" }).total.cpu).toEqual(
      Array.from({ length: 60 }, () => null),
    );
    expect(ask(store, T + HOUR, {}).total).toMatchObject({ topCpu: { host: "web2", value: 30 } });
  });

  it("counts a host that is about to tell with what it told last, and not one that is silent", () => {
    const now = T + 10 * MINUTE + 5000;
    const open = new OpenBuckets(MINUTE, now, 90_000, () => new Map());
    const told = (host: string, cpu: number, ageMs: number): readonly [string, HostNow] => {
      const watchers = cellsOf({ v: 1, kind: "usage", span: MINUTE, watchers: [["web", cpu * 600, 0, 1]] });
      open.add(host as HostName, now - ageMs, MINUTE, watchers);
      return [host, { at: now - ageMs, watchers }];
    };
    const latest = new Map([told("web1", 10, 1000), told("web2", 30, 50_000), told("web3", 50, 130_000)]);
    const source = { store: new UsageStore(db), open, now: () => latest };
    const query = {
      hosts: null,
      watcher: "web",
      by: "none",
      since: now - 4 * MINUTE,
      until: now,
      points: 120,
      limit: 1,
    } as const;
    const { total } = usageAnswer(source, query, now);
    expect(total.hosts).toEqual([null, null, 1, 2, 2]);
    expect(total.cpu.slice(2)).toEqual([30, 40, 40]);
  });

  it("keeps mean and peak as it grows coarser, and the newest part as fine as it is", () => {
    const store = new UsageStore(db);
    // A peak of a minute each hour.
    live(store, T, 26 * 60 + 20, (minute) => ({ web1: { web: minute % 60 === 0 ? 100 : 40 } }));
    const now = T + 26 * HOUR + 20 * MINUTE;
    const { bucketMs, since, total } = ask(store, now, { watcher: "web", since: now - DAY });
    expect(bucketMs).toBe(15 * MINUTE);
    const hour = (now - (now % HOUR) - since) / bucketMs;
    expect([total.cpu[hour], total.cpuMax[hour]]).toEqual([44, 100]);
    expect([total.cpu[hour - 1], total.cpuMax[hour - 1]]).toEqual([40, 40]);
    // The last five minutes are in no quarter of an hour that is over.
    expect([total.cpu.at(-1), total.cpuMax.at(-1)]).toEqual([40, 40]);
    expect(total.cpu).not.toContain(null);
    const coarse = ask(store, now, { watcher: "web", since: now - 12 * DAY, by: "host" });
    expect(coarse.bucketMs).toBe(4 * HOUR);
    expect(coarse.total.cpu.filter((value) => value !== null)).toEqual([
      41,
      41,
      41,
      41,
      41,
      41,
      expect.closeTo(41.1, 0),
    ]);
    expect(coarse.rows[0]?.cpuMax.at(-2)).toBe(100);
  });

  it("is the same after a controller that was killed between storing and rolling up", () => {
    const store = new UsageStore(db);
    live(store, T, 14, () => ({ web1: { web: 20 } }));
    expect(wholeTo(db, 1)).toBe(T);
    const again = new UsageStore(db);
    const hosts = [
      ["web1", cellsOf({ v: 1, kind: "usage", span: MINUTE, watchers: [["web", 48_000, 0, 1]] })],
    ] as const;
    all(writeBucket(again, 0, T + 14 * MINUTE, new Map(hosts), fleetOf(hosts)));
    const steps = rollUp(again, T + DAY);
    steps.next();
    all(rollUp(new UsageStore(db), T + DAY));
    expect(again.host(1, T, "web1")?.get("web")).toMatchObject({ ms: 15 * MINUTE, cpu: 24, cpuMax: 80 });
    expect(again.fleet(1, T, "web").get("web")).toMatchObject({ cpu: 24, cpuMax: 80, topCpuHost: "web1" });
  });

  it("drops minutes after hours, quarters after days, and everything after what history keeps", () => {
    const store = new UsageStore(db);
    live(store, T, 8 * 60, () => ({ web1: { web: 20 } }));
    const starts = (tier: number): number => store.starts(tier, 0, T + 90 * DAY).length;
    expect([starts(0), starts(1), starts(2)]).toEqual([480, 32, 4]);
    expect(all(pruneUsage(store, null, T + 8 * HOUR))).toBe(120);
    expect([starts(0), starts(1), starts(2)]).toEqual([360, 32, 4]);
    all(pruneUsage(store, null, T + 9 * DAY));
    expect([starts(0), starts(1), starts(2)]).toEqual([0, 0, 4]);
    all(pruneUsage(store, 30 * DAY, T + 31 * DAY));
    expect([starts(0), starts(1), starts(2)]).toEqual([0, 0, 0]);
  });

  it("keeps minutes that no quarter has yet, as long as history is kept", () => {
    const store = new UsageStore(db);
    live(store, T, 10, () => ({ web1: { web: 20 } }));
    all(pruneUsage(store, 30 * DAY, T + 2 * DAY));
    expect(store.starts(0, 0, T + DAY)).toHaveLength(10);
    all(pruneUsage(store, DAY, T + 3 * DAY));
    expect(store.starts(0, 0, T + DAY)).toHaveLength(0);
  });

  it("shows those that use most where there are many, and refuses what would take long", () => {
    const store = new UsageStore(db);
    const watchers = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`w${i}`, i]));
    live(store, T, 3, () => ({ web1: watchers }));
    const { rows, more } = ask(store, T + 3 * MINUTE, { by: "watcher", limit: 3 });
    expect(rows.map(({ name }) => name)).toEqual(["w97", "w98", "w99"]);
    expect(more).toBe(97);
    const hosts = Array.from({ length: 1000 }, (_, i) => `web${i}` as HostName);
    expect(() => ask(store, T + DAY, { hosts, since: T - 30 * DAY })).toThrow(/name fewer hosts, or a shorter time/);
  });
});
