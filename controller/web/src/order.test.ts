import { describe, expect, it } from "vitest";
import type { HostView, WatcherView } from "./model.ts";
import { NO_ORDER, type Order, orderOf } from "./order.ts";

type Mood = "well" | "busy" | "ill" | "failed" | "lost";

function fleet(moods: Readonly<Record<string, Mood>>): ReadonlyMap<string, HostView> {
  const hosts = Object.entries(moods).map(([host, mood]): [string, HostView] => {
    const state = mood === "failed" ? "failed" : mood === "busy" ? "starting" : "active";
    const healthy = mood === "ill" ? 1 : 2;
    const watcher: WatcherView = {
      ...{ name: "web", state, since: 0, numprocesses: 2, running: 2, healthy, pids: [], reason: null },
    };
    const presence = mood === "lost" ? "lost" : "online";
    return [host, { host, presence, heard: 0, info: null, watchers: new Map([["web", watcher]]) }];
  });
  return new Map(hosts);
}

const seen = (moods: Readonly<Record<string, Mood>>): Order => orderOf(NO_ORDER, fleet(moods), 0, false);

describe("the order of hosts", () => {
  it("has the worst first, the rest by name as people count, whatever it is busy with", () => {
    const { names } = seen({ web10: "well", web9: "busy", b: "ill", c: "lost", d: "failed", a: "well" });
    expect(names).toEqual(["c", "d", "b", "a", "web9", "web10"]);
  });

  it("moves nobody for a restart, and one whose trouble lasts", () => {
    const before = seen({ a: "well", b: "well" });
    const begun = orderOf(before, fleet({ a: "well", b: "ill" }), 1000, false);
    expect(begun.names).toEqual(["a", "b"]);
    const over = orderOf(begun, fleet({ a: "well", b: "well" }), 2500, false);
    expect(orderOf(over, fleet({ a: "well", b: "ill" }), 3100, false).names).toEqual(["a", "b"]);
    expect(orderOf(begun, fleet({ a: "well", b: "ill" }), 3000, false).names).toEqual(["b", "a"]);
  });

  it("keeps one that comes and goes in sight", () => {
    const before = seen({ a: "well", b: "ill" });
    const well = orderOf(before, fleet({ a: "well", b: "well" }), 1000, false);
    const later = orderOf(well, fleet({ a: "well", b: "well" }), 10_000, false);
    expect(later.names).toEqual(["b", "a"]);
    expect(orderOf(later, fleet({ a: "well", b: "well" }), 11_000, false).names).toEqual(["a", "b"]);
  });

  it("stays while it is held, says who is in trouble further down, and takes new hosts at the end", () => {
    const begun = orderOf(seen({ a: "well", b: "well" }), fleet({ a: "well", b: "lost" }), 1000, true);
    const held = orderOf(begun, fleet({ a: "well", b: "lost", c: "failed" }), 5000, true);
    expect(held).toMatchObject({ names: ["a", "b", "c"], below: 2 });
    expect(orderOf(held, fleet({ b: "lost", c: "failed" }), 5000, true)).toMatchObject({ names: ["b", "c"], below: 0 });
    expect(orderOf(held, fleet({ a: "well", b: "lost", c: "failed" }), 5000, false)).toMatchObject({
      ...{ names: ["b", "c", "a"], below: 0 },
    });
  });
});
