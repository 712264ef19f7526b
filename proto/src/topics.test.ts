import { expect, it } from "vitest";
import { eventTopic, parseEventTopic } from "./topics.ts";

it.each([
  ["Web", "spawn", "watcher.web.spawn", "web"],
  ["my app", "reap", "watcher.my_app.reap", "my_app"],
  ["plugin:Flapping", "start", "watcher.plugin:flapping.start", "plugin:flapping"],
  ["api.v2", "kill", "watcher.api.v2.kill", "api.v2"],
])("the topic of %s and %s is read back", (name, event, topic, watcher) => {
  expect(eventTopic(name, event)).toBe(topic);
  expect(parseEventTopic(topic)).toEqual({ watcher, event });
});

it.each(["", "stat.web.1", "watcher.", "watcher.web", "watcher..spawn", "watcher.web."])(
  "'%s' is no event of a watcher",
  (topic) => {
    expect(parseEventTopic(topic)).toBeNull();
  },
);
