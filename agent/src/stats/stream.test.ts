import { makeLogger } from "@circus-cluster/proto";
import { expect, it } from "vitest";
import type { StatsMessage } from "./series.ts";
import { StatsStream } from "./stream.ts";
import { Subscriptions } from "./subscriptions.ts";

function bench(pids: readonly number[]) {
  const subscriptions = new Subscriptions();
  const published: StatsMessage[] = [];
  let looks = 0;
  const stream = new StatsStream({
    subscriptions,
    source: {
      watchers: () => {
        looks++;
        return [
          { name: "web", pids },
          { name: "none", pids: [] },
        ];
      },
      sockets: () => [],
    },
    publish: (message) => published.push(message),
    log: makeLogger(() => undefined),
    periodMs: 20,
  });
  const subscribe = (prefix: string, on = true) => {
    subscriptions.take(Buffer.from(`${on ? "\x01" : "\x00"}${prefix}`));
    stream.turned();
  };
  return { stream, published, subscribe, topics: () => published.map(({ topic }) => topic), looks: () => looks };
}

it("does nothing while nobody listens, and stops with the last who did", async () => {
  const { published, subscribe, stream, looks } = bench([process.pid]);
  using _stream = stream;
  expect(looks()).toBe(0);
  subscribe("stat.");
  await expect.poll(() => published.length).toBeGreaterThan(8);
  subscribe("stat.", false);
  const seen = looks();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(looks()).toBe(seen);
});

it("publishes the agent's own series, those of watchers with processes, and no others", async () => {
  const { topics, subscribe, stream } = bench([process.pid, 2 ** 22 + 1]);
  using _stream = stream;
  subscribe("stat.");
  await expect.poll(() => topics().length).toBeGreaterThan(3);
  const own = ["stat.circus", `stat.circus.${process.pid}`, "stat.web", `stat.web.${process.pid}`];
  expect([...new Set(topics())].sort()).toEqual(own.sort());
});

it("looks only at what somebody listens to", async () => {
  const { topics, subscribe, stream } = bench([process.pid]);
  using _stream = stream;
  subscribe("stat.web");
  await expect.poll(() => topics().length).toBeGreaterThan(1);
  expect(topics().filter((topic) => topic.startsWith("stat.circus"))).toEqual([]);
});
