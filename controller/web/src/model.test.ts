import type { HostInfo, HostStatus } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { matcher } from "./filter.ts";
import { toneOfHost, toneOfWatcher } from "./judge.ts";
import { EMPTY, type HostView, pictureOf, type WatcherView, withEntries, withInfos } from "./model.ts";

const watcher = (over: Partial<WatcherView> = {}): WatcherView => ({
  ...{ name: "web", state: "active", since: 1000, numprocesses: 2, running: 2, healthy: 2, pids: [1, 2], reason: null },
  ...over,
});
const status = (host: string, over: Partial<HostStatus> = {}): HostStatus => ({
  ...{ host, presence: "online", ageMs: 500, watchers: [watcher()] },
  ...over,
});
const info = (host: string, over: Partial<HostInfo> = {}): HostInfo => ({
  ...{ host, presence: "online", since: 0, ageMs: 200, skewMs: null, version: "0.1.0", load: 1 },
  ...{ backlog: 0, watchers: 1, labels: { role: "web", Zone: "A" } },
  ...over,
});
const picture = () => pictureOf([status("web1"), status("web2")], [info("web1")], [], 10_000);
const host = (name: string, from = picture()): HostView => {
  const found = from.hosts.get(name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
};

describe("the picture", () => {
  it("is made of the answers, ages as moments of the page's own clock", () => {
    expect(host("web1")).toMatchObject({ presence: "online", heard: 9500, info: { load: 1 } });
    expect(host("web2").info).toBeNull();
  });

  it("takes what the stream tells, and leaves alone whom it does not concern", () => {
    const before = picture();
    const after = withEntries(
      before,
      [
        { event: "watcher", data: { host: "web1", ...watcher({ healthy: 1 }) } },
        { event: "host", data: { host: "web3", presence: "lost" } },
        { event: "of-a-newer-controller", data: { host: "web2" } },
      ],
      20_000,
    );
    expect(host("web1", after)).toMatchObject({ heard: 20_000 });
    expect(host("web1", after).watchers.get("web")?.healthy).toBe(1);
    expect(host("web1", before).watchers.get("web")?.healthy).toBe(2);
    expect(after.hosts.get("web2")).toBe(before.hosts.get("web2"));
    expect(host("web3", after)).toMatchObject({ presence: "lost", heard: null });
  });

  it("forgets a watcher that was removed", () => {
    const after = withEntries(picture(), [{ event: "watcher_removed", data: { host: "web1", name: "web" } }], 0);
    expect(host("web1", after).watchers.size).toBe(0);
  });

  it("keeps the watchers when infos come, and takes hosts that it did not know", () => {
    const after = withInfos(picture(), [info("web1", { presence: "late", ageMs: null }), info("new")], 30_000);
    expect(host("web1", after)).toMatchObject({ presence: "late", heard: null });
    expect(host("web1", after).watchers.size).toBe(1);
    expect(host("new", after).heard).toBe(29_800);
  });

  it("takes rollouts of the stream", () => {
    const head = { id: "r1", state: "running", steps: { done: 1 } };
    expect(withEntries(EMPTY, [{ event: "rollout", data: head }], 0).rollouts.get("r1")).toEqual(head);
  });
});

describe("how bad it is", () => {
  it.each([
    ["good", {}],
    ["warn", { healthy: 1 }],
    ["bad", { running: 0, healthy: 0 }],
    ["good", { numprocesses: 0, running: 0, healthy: 0 }],
    ["bad", { state: "failed" }],
    ["off", { state: "stopped" }],
    ["busy", { state: "starting" }],
    ["unknown", { state: "unknown" }],
  ] as const)("%s: %j", (tone, over) => {
    expect(toneOfWatcher(watcher(over))).toBe(tone);
  });

  it("of a host that nobody hears does not count what its watchers were", () => {
    const lost = pictureOf([status("a", { presence: "lost", watchers: [watcher()] })], [], [], 0);
    expect(toneOfHost(host("a", lost))).toBe("bad");
    const left = pictureOf([status("a", { presence: "left", watchers: [watcher({ state: "failed" })] })], [], [], 0);
    expect(toneOfHost(host("a", left))).toBe("off");
  });
});

describe("the filter", () => {
  it.each([
    ["", true],
    ["web", true],
    ["WEB1", true],
    ["web2", false],
    ["role=web", true],
    ["role:web", true],
    ["zone=a", true],
    ["zone!=a", false],
    ["disk!=ssd", true],
    ["disk=ssd", false],
    ["is:online", true],
    ["is:wrong", false],
    ["web1, is:wrong", false],
    ["role=web zone=a", true],
  ])("%j: %s", (text, expected) => {
    expect(matcher(text)(host("web1"))).toBe(expected);
  });
});
