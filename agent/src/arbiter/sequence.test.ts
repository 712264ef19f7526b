import { expect, it } from "vitest";
import { FakeWatcher, watcherConfig } from "../commands/fake-agent.fixture.ts";
import { PLAIN_LIFECYCLE } from "../config/lifecycle.ts";
import { inStartOrder, onAllInReverse, Sequence } from "./sequence.ts";

const watchers = ["a", "b", "c"].map((name) => new FakeWatcher(watcherConfig(name)));
const nameOf = (watcher: { config: { name: string } }) => watcher.config.name;

it("watchers start by priority, the highest first, then by name", () => {
  const some = [
    new FakeWatcher(watcherConfig("b")),
    new FakeWatcher(watcherConfig("low", { priority: -1 })),
    new FakeWatcher(watcherConfig("high", { priority: 5 })),
    new FakeWatcher(watcherConfig("a")),
  ];
  expect(inStartOrder(some).map(nameOf)).toEqual(["high", "a", "b", "low"]);
});

it("a failure is named at the end and does not stop the rest", async () => {
  const seen: string[] = [];
  const run = new Sequence().run(watchers, 0, (watcher) => {
    seen.push(nameOf(watcher));
    return nameOf(watcher) === "b" ? Promise.reject(new Error("no such file")) : Promise.resolve();
  });
  await expect(run).rejects.toMatchObject({ code: "failed", message: "b: no such file" });
  expect(seen).toEqual(["a", "b", "c"]);
});

it("nobody waits for one whose spawn fails and is tried again, but its end is waited for", async () => {
  const seen: string[] = [];
  let fail: () => void = () => undefined;
  let giveUp: (error: Error) => void = () => undefined;
  const [a, b] = ["a", "b"].map((name) => new FakeWatcher(watcherConfig(name)));
  a!.onceSpawnFails = (onFailure) => {
    fail = onFailure;
    return () => undefined;
  };
  const run = new Sequence().run([a!, b!], 0, (watcher) => {
    seen.push(nameOf(watcher));
    if (watcher !== a) return Promise.resolve();
    fail();
    return new Promise((_, reject) => {
      giveUp = reject;
    });
  });
  await expect.poll(() => seen).toEqual(["a", "b"]);
  giveUp(new Error("no such file"));
  await expect(run).rejects.toMatchObject({ message: "a: no such file" });
});

it("a watcher that a person took over is left alone", async () => {
  const sequence = new Sequence();
  const seen: string[] = [];
  await sequence.run(watchers, 0, (watcher) => {
    seen.push(nameOf(watcher));
    if (watchers[1] !== undefined) sequence.takeOut(watchers[1]);
    return Promise.resolve();
  });
  expect(seen).toEqual(["a", "c"]);
});

it("an end cuts the pause short and says why", async () => {
  const sequence = new Sequence();
  const seen: string[] = [];
  const began = Date.now();
  const run = sequence.run(watchers, 60_000, (watcher) => {
    seen.push(nameOf(watcher));
    setTimeout(() => sequence.end("overtaken by stop"), 10);
    return Promise.resolve();
  });
  await expect(run).rejects.toMatchObject({ code: "conflict", message: "overtaken by stop" });
  expect(seen).toEqual(["a"]);
  expect(Date.now() - began).toBeLessThan(5000);
});

it("`onAllInReverse` waits for all and names those that failed", async () => {
  let done = 0;
  const run = onAllInReverse(watchers, async (watcher) => {
    await Promise.resolve();
    done++;
    if (nameOf(watcher) !== "b") throw new Error("stuck");
  });
  await expect(run).rejects.toMatchObject({ message: "a: stuck; c: stuck" });
  expect(done).toBe(3);
});

const dependent = (name: string, dependsOn: string[], priority = 0) =>
  new FakeWatcher(watcherConfig(name, { priority, lifecycle: { ...PLAIN_LIFECYCLE, dependsOn } }));

it("what one depends on starts before it whatever the priorities, and stops after it", async () => {
  const all = [
    dependent("app", ["db", "cache"], 9),
    dependent("cache", ["db"]),
    dependent("db", []),
    dependent("x", []),
  ];
  const names = (list: readonly { config: { name: string } }[]) => list.map(({ config }) => config.name);
  expect(names(inStartOrder(all))).toEqual(["db", "cache", "app", "x"]);
  const told: string[] = [];
  await onAllInReverse(all, async ({ config: { name } }) => {
    told.push(`${name} stops`);
    await Promise.resolve();
    told.push(`${name} stopped`);
  });
  const after = (a: string, b: string) => told.indexOf(`${a} stops`) > told.indexOf(`${b} stopped`);
  expect([after("db", "cache"), after("cache", "app"), after("db", "app")]).toEqual([true, true, true]);
  expect(told.indexOf("x stops")).toBeLessThan(told.indexOf("app stopped"));
});

it("watchers are told to stop by priority, the lowest first, then by name; dependents before the others", async () => {
  const some = [
    dependent("db", [], -5),
    dependent("high", [], 5),
    dependent("app", ["db"], 9),
    dependent("b", []),
    dependent("a", []),
  ];
  const told: string[] = [];
  await onAllInReverse(some, ({ config: { name } }) => {
    told.push(name);
    return Promise.resolve();
  });
  expect(told).toEqual(["a", "b", "high", "app", "db"]);
});

it("one that waits for what it depends on holds up nobody else", async () => {
  const app = dependent("app", ["db"]);
  const last = dependent("last", []);
  const started: string[] = [];
  let release: () => void = () => undefined;
  let hadTurns = false;
  const run = new Sequence().run(
    [app, last],
    0,
    async ({ config: { name } }) => {
      if (name === "app") await new Promise<void>((resolve) => (release = resolve));
      started.push(name);
    },
    () => (hadTurns = true),
  );
  await expect.poll(() => [started, hadTurns]).toEqual([["last"], true]);
  release();
  await run;
  expect(started).toEqual(["last", "app"]);
});
