/** What plugins ask an agent for, which knows them by the names in its events only (D4). */
import { expect, it } from "vitest";
import { createDispatch } from "./dispatch.ts";
import { FakeWatcher, fakeAgent, watcherConfig } from "./fake-agent.fixture.ts";

function bench(...names: string[]) {
  const watchers = names.map((name) => new FakeWatcher(watcherConfig(name), [5]));
  const dispatch = createDispatch(fakeAgent(watchers).view, () => 1500);
  const ask = (command: string, properties: object) =>
    dispatch({ command, properties: { waiting: true, ...properties }, actor: null, door: "zmq", commandId: null });
  return { ask, watchers };
}

it("a watcher with blanks in its name answers to what events call it", async () => {
  const { ask, watchers } = bench("My App", "other");
  expect(await ask("status", { name: "my_app" })).toMatchObject({ status: "active" });
  expect(await ask("stop", { name: "my_app" })).toMatchObject({ status: "ok", info: null });
  expect(watchers.map(({ calls }) => calls)).toEqual([["stop"], []]);
});

it("one that really has that name comes first, and two that events call so are not confused", async () => {
  const { ask, watchers } = bench("my app", "my_app");
  await ask("stop", { name: "my_app" });
  expect(watchers.map(({ calls }) => calls)).toEqual([[], ["stop"]]);
  expect(await bench("a b c", "a_b c").ask("stop", { name: "a_b_c" })).toMatchObject({
    reason: "program a_b_c not found",
  });
});

it("a stop for now is nobody's wish, and a start can leave alone what somebody stopped by hand", async () => {
  const { ask, watchers } = bench("web");
  const [web] = watchers;
  await ask("stop", { name: "web", for_now: true });
  expect(web!.calls).toEqual(["stop for now"]);
  web!.intent = { actor: "admin", at: 0, command: null, why: null };
  expect(await ask("start", { name: "web", unless_stopped: true })).toMatchObject({ info: { started: [], kept: [5] } });
  expect(web!.calls).toEqual(["stop for now"]);
  web!.intent = null;
  expect(await ask("start", { name: "web", unless_stopped: true })).toMatchObject({ info: { started: [900, 901] } });
});
