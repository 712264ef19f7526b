import { expect, it } from "vitest";
import { Subscriptions } from "./subscriptions.ts";

const on = (prefix: string) => Buffer.from(`\x01${prefix}`);
const off = (prefix: string) => Buffer.from(`\x00${prefix}`);

it("wants what begins with a prefix, and what a prefix begins with", () => {
  const subscriptions = new Subscriptions();
  expect(subscriptions.wants("stat.")).toBe(false);
  subscriptions.take(on("stat.web.1"));
  expect(subscriptions.wants("stat.")).toBe(true);
  expect(subscriptions.wants("stat.web")).toBe(true);
  expect(subscriptions.wants("stat.db")).toBe(false);
  subscriptions.take(on(""));
  expect(subscriptions.wants("stat.db")).toBe(true);
  subscriptions.take(off(""));
  subscriptions.take(off("stat.web.1"));
  expect(subscriptions.wants("stat.")).toBe(false);
});

it("nobody who listens to something else alone makes it work", () => {
  const subscriptions = new Subscriptions();
  subscriptions.take(on("watcher."));
  expect(subscriptions.wants("stat.")).toBe(false);
});

it("ignores what is no subscription, and what was never subscribed", () => {
  const subscriptions = new Subscriptions();
  for (const message of [Buffer.of(), Buffer.from("stat."), off("stat."), off("")]) subscriptions.take(message);
  expect(subscriptions.wants("stat.")).toBe(false);
});

it("remembers so many prefixes; with more, all is wanted until those are gone", () => {
  const subscriptions = new Subscriptions(2);
  for (const prefix of ["a", "b", "c", "d"]) subscriptions.take(on(prefix));
  expect(subscriptions.wants("stat.")).toBe(true);
  for (const prefix of ["c", "d"]) subscriptions.take(off(prefix));
  expect(subscriptions.wants("stat.")).toBe(false);
  expect(subscriptions.wants("a")).toBe(true);
});
