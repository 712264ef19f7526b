import { type FleetEvent, makeLogger, Subjects } from "@circus-cluster/proto";
import { expect, it } from "vitest";
import { FleetEvents } from "./fleet-events.ts";

it("stores again, after a reconnect, what a server without power may have forgotten, in order and before what waits", async () => {
  const stored: number[] = [];
  let isUp = true;
  const connection = {
    isConnected: true,
    store: (_subject: string, payload: object) => {
      if (isUp) stored.push((payload as FleetEvent).seq);
      return Promise.resolve(
        isUp
          ? ({ kind: "stored", stream: "EVENTS", seq: 1, isDuplicate: false } as const)
          : ({ kind: "disconnected" } as const),
      );
    },
  };
  const log = makeLogger(() => undefined);
  await using events = new FleetEvents({ connection, subjects: new Subjects("main"), mayAct: () => true, log });
  events.begin(7);
  const emit = (): boolean => events.emit({ kind: "host_online", watcher: null, data: {} });
  emit();
  emit();
  expect(await events.stored()).toBe(true);
  isUp = false;
  emit();
  events.connected();
  isUp = true;
  expect(await events.stored()).toBe(true);
  expect(stored).toEqual([1, 2, 1, 2, 3]);
  // Another leader tells from here on.
  events.halt();
  events.connected();
  expect(await events.stored()).toBe(false);
  expect(stored).toHaveLength(5);
});
