import { expect, it } from "vitest";
import { FakeWatcher, watcherConfig } from "../commands/fake-agent.fixture.ts";
import type { WatcherConfig } from "../config/types.ts";
import { NOBODY } from "../watcher/state.ts";
import { Orders } from "./orders.ts";

const ANNA = { actor: "anna", command: null, at: 0, why: null };

function stopped(name: string, config: Partial<WatcherConfig> = {}, isByHand = false): FakeWatcher {
  const watcher = new FakeWatcher(watcherConfig(name, config));
  watcher.status = "stopped";
  if (isByHand) watcher.intent = ANNA;
  return watcher;
}

function orders(watchers: readonly FakeWatcher[]) {
  const awaited: string[] = [];
  const made = new Orders({
    watchers: {
      all: () => watchers,
      allOwned: () => watchers,
      awaitConnection: ({ config }) => void awaited.push(config.name),
    },
    warmupMs: () => 0,
  });
  return { made, awaited };
}

const asked = (watchers: readonly FakeWatcher[]) =>
  watchers.flatMap(({ config, calls }) => calls.map((call) => `${config.name}: ${call.split(" ")[0] ?? ""}`));

it("a reload of all starts what is stopped, even without autostart, but not what somebody stopped by hand", async () => {
  const watchers = [
    new FakeWatcher(watcherConfig("a")),
    stopped("b", { autostart: false }),
    stopped("c", {}, true),
    stopped("d", { onDemand: true }),
  ];
  await orders(watchers).made.reloadAll(NOBODY, { graceful: true, sequential: false });
  expect(asked(watchers)).toEqual(["a: reload", "b: reload"]);
});

it("a start of several starts those with autostart, also those stopped by hand; a connection is waited for", async () => {
  const watchers = [
    stopped("a"),
    stopped("b", { autostart: false }),
    stopped("c", {}, true),
    stopped("d", { onDemand: true }),
    stopped("e", { onDemand: true }, true),
  ];
  const { made, awaited } = orders(watchers);
  await made.start(null, NOBODY);
  expect([asked(watchers), awaited]).toEqual([["a: start", "c: start", "e: start"], ["d"]]);
});

it("a restart of several brings back what ran and what has autostart", async () => {
  const watchers = [new FakeWatcher(watcherConfig("a", { autostart: false })), stopped("b", { autostart: false })];
  await orders(watchers).made.restart(watchers, NOBODY);
  expect(asked(watchers)).toEqual(["a: stop", "a: start", "b: stop"]);
});
