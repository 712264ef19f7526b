/** Single watchers come and go (reference §5.6, "add", "rm"). */
import { CircusError, type EventKind } from "@circus-cluster/proto";
import type { WatcherConfig } from "../config/types.ts";
import type { EventBus } from "../events/api.ts";
import type { Cause, WatcherControl } from "../watcher/api.ts";
import { dependentsOf } from "./dependencies.ts";
import type { Orders } from "./orders.ts";
import type { WatcherSet } from "./watcher-set.ts";

interface World {
  readonly watchers: WatcherSet;
  readonly orders: Orders;
  readonly bus: EventBus;
}

/**
 * Adds one, stopped.
 *
 * @throws CircusError `conflict` where there is one of its name, in any case.
 */
export function addWatcher({ watchers, bus }: World, config: WatcherConfig, cause: Cause): WatcherControl {
  checkNameIsFree(watchers, config.name);
  const watcher = watchers.add(config, true);
  bus.publish({ watcher: config.name, event: "add", data: {} });
  tellAdded(bus, watcher, cause);
  return watcher;
}

/** @throws CircusError `conflict` */
export function checkNameIsFree(watchers: WatcherSet, name: string): void {
  if (watchers.find(name) !== undefined) throw new CircusError("conflict", `'${name}' already exist`);
  if (watchers.findLeaving(name) !== undefined) {
    throw new CircusError("conflict", `'${name}' is about to be removed; its processes still stop`);
  }
}

/** @throws CircusError `conflict` where others depend on it: they could never start again. */
export function checkIsRemovable(watchers: WatcherSet, { config }: WatcherControl): void {
  const [dependent] = dependentsOf(config.name, watchers.all());
  if (dependent === undefined) return;
  throw new CircusError("conflict", `'${dependent.config.name}' depends on '${config.name}'; remove that first`);
}

/**
 * Takes one out at once, then stops it.
 *
 * @param isLeft leaves its processes running, managed by nobody
 */
export async function removeWatcher(
  { watchers, orders, bus }: World,
  watcher: WatcherControl,
  isLeft: boolean,
  cause: Cause,
): Promise<void> {
  orders.takeOver(watcher);
  bus.publish({ watcher: watcher.config.name, event: "remove", data: {} });
  watchers.takeOut(watcher);
  try {
    if (!isLeft) await watcher.stop(cause);
  } finally {
    watchers.forget(watcher);
    tellRemoved(bus, watcher, isLeft, cause);
  }
}

export function tellAdded(bus: EventBus, watcher: WatcherControl, cause: Cause): void {
  tell(bus, "watcher_added", watcher, { numprocesses: watcher.config.numprocesses }, cause);
}

/** @param isLeft its processes run on */
export function tellRemoved(bus: EventBus, watcher: WatcherControl, isLeft: boolean, cause: Cause): void {
  tell(bus, "watcher_removed", watcher, isLeft ? { nostop: true } : {}, cause);
}

function tell(bus: EventBus, kind: EventKind, { config }: WatcherControl, data: object, cause: Cause): void {
  const { actor, command } = cause;
  bus.emit({ kind, watcher: config.name, actor: actor ?? undefined, cause: command ?? undefined, data: { ...data } });
}
