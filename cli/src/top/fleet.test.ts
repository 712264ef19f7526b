import type { HostStatus, HostUsage, WatcherUsage } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { fleetLines, plainFleetLines } from "./fleet-draw.ts";
import { type FleetTop, fleetStep, initialFleet, shownRows } from "./fleet-model.ts";
import { fleetPicture, trouble, type Usages } from "./fleet-picture.ts";

const watcher = (name: string, more: Partial<WatcherUsage> = {}): WatcherUsage => ({
  ...{ name, state: "active", since: 0, reason: null, numprocesses: 2, running: 2, healthy: 2, restarts: 0 },
  ...{ cpu_s: 10, rss_bytes: 1024 * 1024, ...more },
});
const usage = (at: number, ...watchers: readonly WatcherUsage[]): HostUsage => ({ at, watchers });
const status = (host: string, more: Partial<HostStatus> = {}): HostStatus => ({
  ...{ host, presence: "online", ageMs: 2000, watchers: [], ...more },
});
const past: HostStatus["watchers"][number] = {
  ...{ name: "web", state: "active", since: 0, numprocesses: 2, running: 1, healthy: 1, pids: [7], reason: null },
};
const STATUSES = [status("web1"), status("web2"), status("web3", { presence: "lost", ageMs: 90_000 })];
const before: Usages = new Map([["web1", usage(1000, watcher("web"))]]);
const usages: Usages = new Map([
  [
    "web1",
    usage(
      3000,
      watcher("web", { cpu_s: 11 }),
      watcher("db", { state: "failed", running: 0, healthy: 0, reason: "no such file" }),
    ),
  ],
  ["web2", usage(500, watcher("web", { healthy: 1, restarts: 4 }))],
]);
const picture = fleetPicture("ctl1", STATUSES, usages, before);

function top(keys = "", size = { rows: 12, columns: 120 }): FleetTop {
  let { state } = fleetStep(initialFleet(size), { kind: "picture", picture });
  for (const key of keys.split(" ").filter((one) => one !== "")) state = fleetStep(state, { kind: "key", key }).state;
  return state;
}
const names = (state: FleetTop): string[] => shownRows(state).map((row) => `${row.host}/${row.watcher ?? "-"}`);

describe("a picture", () => {
  it("has a row for each watcher, with CPU between two looks of one agent, and one for a host that is away", () => {
    const row = (host: string, name: string | null) =>
      picture.rows.find((one) => one.host === host && one.watcher === name);
    expect(picture.hosts).toEqual({ online: 2, late: 0, lost: 1, left: 0, unknown: 0 });
    expect(row("web1", "web")).toMatchObject({ cpu: 50, rssBytes: 1024 * 1024, ageMs: 0 });
    expect(row("web1", "db")?.cpu).toBeNull();
    expect(row("web2", "web")).toMatchObject({ cpu: null, restarts: 4 });
    expect(row("web3", null)).toMatchObject({ presence: "lost", ageMs: 90_000, state: null });
  });

  it("has what the controller knows where the agent does not answer, and no rate after its restart", () => {
    const silent = fleetPicture("ctl1", [status("web1", { watchers: [past] })], new Map(), before);
    expect(silent.rows).toMatchObject([{ watcher: "web", healthy: 1, cpu: null, ageMs: 2000 }]);
    const again = new Map([["web1", usage(5, watcher("web", { cpu_s: 0.1 }))]]);
    expect(fleetPicture("ctl1", [status("web1")], again, before).rows[0]?.cpu).toBeNull();
  });

  it("knows how bad a row is", () => {
    const worst = [...picture.rows].sort((a, b) => trouble(b) - trouble(a));
    expect(worst.map(({ host, watcher: name }) => `${host}/${name ?? "-"}`)).toEqual([
      ...["web3/-", "web1/db", "web2/web", "web1/web"],
    ]);
  });
});

describe("the screen", () => {
  it("shows what is wrong first, and sorts and filters by keys", () => {
    expect(names(top())).toEqual(["web3/-", "web1/db", "web2/web", "web1/web"]);
    expect(names(top("n"))).toEqual(["web1/db", "web1/web", "web2/web", "web3/-"]);
    expect(names(top("n n"))[0]).toBe("web3/-");
    expect(names(top("c"))[0]).toBe("web1/web");
    expect(names(top("t"))[0]).toBe("web2/web");
    expect(names(top("/ d b enter"))).toEqual(["web1/db"]);
    expect(names(top("/ d b escape")).length).toBe(4);
    expect(names(top("/ x backspace W E B 2 enter"))).toEqual(["web2/web"]);
  });

  it("opens the host under the cursor, and goes back", () => {
    expect(names(top("down enter"))).toEqual(["web1/db", "web1/web"]);
    expect(names(top("down enter escape")).length).toBe(4);
    expect(names(top("end up enter"))).toEqual(["web2/web"]);
    expect(names(top("home right left")).length).toBe(4);
  });

  it("says how old each row is, what is wrong, and who says so", () => {
    const lines = plainFleetLines(top(), { everyMs: 2000 });
    expect(lines[0]).toBe("3 hosts (2 online, 1 lost), 3 watchers, 3 in trouble; says ctl1, every 2 s");
    expect(lines[2]).toMatch(/^HOST +WATCHER +PRESENCE >STATE +HEALTHY +CPU% +RSS +RESTARTS +HEARD REASON$/);
    expect(lines[3]).toMatch(/^web3 +- +lost +- +- +- +1m30s$/);
    expect(lines[4]).toMatch(/^web1 +db +online +failed +0\/2 +- +1\.0M +0 +now no such file$/);
    expect(lines[6]).toMatch(/^web1 +web +online +active +2\/2 +50\.0 +1\.0M +0 +now$/);
  });

  it("fits any size, keeps the cursor in sight, and makes no more rows than it shows", () => {
    const many = Array.from({ length: 5000 }, (_, n) => status(`host${n}`, { watchers: [past] }));
    const large = fleetPicture(null, many, new Map(), new Map());
    for (const size of [
      { rows: 1, columns: 1 },
      { rows: 5, columns: 30 },
      { rows: 40, columns: 200 },
    ]) {
      let { state } = fleetStep(top("n", size), { kind: "picture", picture: large });
      for (const key of ["end", "h", "x", "/", "h", "enter"]) {
        state = fleetStep(state, { kind: "key", key }).state;
        const lines = fleetLines(state, { everyMs: 2000 });
        expect(lines.length).toBe(size.rows);
        for (const line of lines) {
          expect(line.reduce((sum, { text }) => sum + Array.from(text).length, 0)).toBeLessThanOrEqual(size.columns);
        }
      }
      if (size.rows > 5) {
        expect(fleetLines(state, { everyMs: 2000 }).some((line) => line[0]?.style === "cursor")).toBe(true);
      }
    }
  });

  it("keeps what was known while nobody answers, and leaves by key", () => {
    const { state } = fleetStep(top(), { kind: "trouble", reason: "no controller answers" });
    expect(plainFleetLines(state, { everyMs: 2000 })[1]).toBe(
      "no controller answers; what follows is old, trying again",
    );
    expect(fleetStep(top(), { kind: "key", key: "q" }).isOver).toBe(true);
    expect(fleetStep(top("/"), { kind: "key", key: "interrupt" }).isOver).toBe(true);
  });
});
