/**
 * Brings a running arbiter to another configuration (reference §7.1): sockets first, because they may not open
 * and then nothing has happened; then what goes, what changes in place, and in start order what is new or has to
 * be made anew. Old sockets are closed last, when nobody serves them any more.
 */
import { CircusError, type Logger, reasonOf } from "@circus-cluster/proto";
import { type ConfigPlan, diffConfig, type WatcherChange } from "../config/diff.ts";
import { ownSocketNames } from "../config/own-sockets.ts";
import type { AgentConfig, WatcherConfig } from "../config/types.ts";
import type { EventBus } from "../events/api.ts";
import type { Fates, SocketRegistry } from "../sockets/registry.ts";
import type { Cause, WatcherControl } from "../watcher/api.ts";
import { checkNameIsFree, tellAdded, tellRemoved } from "./membership.ts";
import type { Orders } from "./orders.ts";
import { allDone } from "./sequence.ts";
import type { WatcherSet } from "./watcher-set.ts";

interface World {
  readonly watchers: WatcherSet;
  readonly orders: Orders;
  readonly sockets: SocketRegistry;
  readonly bus: EventBus;
  readonly log: Logger;
  /** From now on the configuration is this; `keys` of `[circus]`, as written, are those that changed. */
  readonly apply: (config: AgentConfig, keys: readonly string[]) => void;
  /** Why the plan cannot be carried out, as far as that can be known beforehand; null: it can. */
  readonly problemOf: (plan: ConfigPlan) => string | null;
  /** @throws CircusError where the agent is about to end. */
  readonly checkAlive: () => void;
}

interface Change extends WatcherChange {
  readonly watcher: WatcherControl;
  /** As it was written. */
  readonly before: WatcherConfig;
}

/**
 * @param running what the file said last
 * @returns the keys that take effect only when the agent is restarted
 * @throws CircusError `failed`: the plan cannot be carried out, or the sockets could not be opened, and nothing has
 *   changed; or it names the watchers that did not come up, all else being done then. Where the old processes of such
 *   a one run on, so do their sockets, and the next reload tries again.
 */
export async function reconfigure(
  world: World,
  running: Omit<AgentConfig, "watchers">,
  next: AgentConfig,
  cause: Cause,
): Promise<readonly string[]> {
  const { watchers, sockets, bus } = world;
  const planNow = (): ConfigPlan => {
    const written = watchers.all().map((watcher) => watchers.writtenOf(watcher));
    return diffConfig({ ...running, watchers: written }, next);
  };
  const draft = planNow();
  const problem = world.problemOf(draft);
  if (problem !== null) throw new CircusError("failed", problem);
  const exchange = await sockets.exchange(draft.sockets).catch((error: unknown) => {
    throw new CircusError("failed", reasonOf(error), { cause: error });
  });
  // What was added or removed while the sockets were opened counts too.
  const plan = planNow();
  const applied: AgentConfig = { ...next, circus: plan.circus, fleet: running.fleet };
  const failed = new Set<string>();
  try {
    world.apply(applied, plan.applied);
    for (const socket of sockets.list()) {
      if (exchange.opened.includes(socket.name)) bus.emit({ kind: "socket_bound", watcher: null, data: { ...socket } });
    }
    tell(bus, plan, cause);
    await changeWatchers(world, plan, next, cause, failed);
    return plan.deferred;
  } finally {
    const fates = fatesOf(next, failed);
    exchange.retire(fates);
    // The next reload finds these changed again.
    const kept = running.sockets.filter(({ name }) => fates.kept.has(name));
    const socketsNow = next.sockets.map((socket) => kept.find(({ name }) => name === socket.name) ?? socket);
    if (kept.length > 0) world.apply({ ...applied, sockets: socketsNow }, []);
  }
}

function tell(bus: EventBus, { applied, deferred, sockets, watchers }: ConfigPlan, cause: Cause): void {
  const names = (items: readonly { readonly name: string }[]): readonly string[] => items.map(({ name }) => name);
  bus.emit({
    kind: "config_reloaded",
    watcher: null,
    actor: cause.actor ?? undefined,
    cause: cause.command ?? undefined,
    data: {
      ...{ applied, deferred },
      ...{ added: names(watchers.added), removed: watchers.removed, changed: names(watchers.changed) },
      renewed: names(watchers.changed.filter(({ renewal }) => renewal !== "none")),
      sockets: {
        ...{ added: names(sockets.added), removed: sockets.removed },
        ...{ tuned: names(sockets.tuned), rebound: names(sockets.rebound) },
      },
    },
  });
}

/** @param failed gets the names of those whose old processes run on */
async function changeWatchers(
  world: World,
  { watchers: plan }: ConfigPlan,
  next: AgentConfig,
  cause: Cause,
  failed: Set<string>,
): Promise<void> {
  const { watchers, orders, bus, checkAlive } = world;
  const failures: string[] = [];
  const note = (error: unknown): void => void failures.push(reasonOf(error));
  await removeAll(world, plan.removed, cause);
  checkAlive();
  const added: WatcherControl[] = [];
  for (const config of plan.added) {
    try {
      checkNameIsFree(watchers, config.name);
      const watcher = watchers.add(config, false);
      tellAdded(bus, watcher, cause);
      added.push(watcher);
    } catch (error) {
      note(error);
    }
  }
  const changes = plan.changed.flatMap((change): readonly Change[] => {
    const watcher = watchers.find(change.name);
    const written = next.watchers.find(({ name }) => name === change.name);
    if (watcher === undefined || written === undefined) return [];
    const before = watchers.writtenOf(watcher);
    watchers.rewrite(watcher, written);
    return [{ ...change, watcher, before }];
  });
  const inPlace = changes.filter(({ renewal }) => renewal === "none");
  await allDone(
    inPlace.map((change) => change.name),
    inPlace.map((change) => apply(world, change, cause)),
  ).catch(note);
  checkAlive();
  const renewalOf = new Map(changes.filter(({ renewal }) => renewal !== "none").map((one) => [one.watcher, one]));
  const toStart = new Set([...added, ...changes.filter(mayStart).map(({ watcher }) => watcher)]);
  const renewAndStart = async (watcher: WatcherControl): Promise<void> => {
    const change = renewalOf.get(watcher);
    if (change !== undefined) {
      const old = { pids: watcher.processes().map(({ pid }) => pid), config: watcher.config };
      await apply(world, change, cause).catch(async (error: unknown) => {
        if (watcher.processes().some(({ pid }) => old.pids.includes(pid))) {
          failed.add(change.name);
          await restore(world, change, old.config, cause);
        }
        throw error;
      });
    }
    const { config, status, intent } = watcher;
    if (!toStart.has(watcher) || !config.autostart || status !== "stopped" || intent !== null) return;
    if (config.onDemand) watchers.awaitConnection(watcher);
    else await watcher.start(cause);
  };
  // Nobody knows when what it depends on will be healthy: neither old sockets nor the next reload wait for that.
  const work = async (watcher: WatcherControl): Promise<void> => {
    const done = renewAndStart(watcher);
    if (!watchers.isWaiting(watcher)) await done;
    else done.catch((error: unknown) => world.log.debug("start", { reason: reasonOf(error) }));
  };
  await orders.inSequence([...new Set([...renewalOf.keys(), ...toStart])], work).catch(note);
  if (failures.length > 0) throw new CircusError("failed", failures.join("; "));
}

/**
 * Is it to be started, where it is stopped but not by hand? The change may be what it waited for; but a job that
 * had ended is not run again because somebody changed its priority.
 */
function mayStart({ watcher, keys, renewal }: Change): boolean {
  const isStarting = ["autostart", "numprocesses", "on_demand"].some((key) => keys.includes(key));
  return renewal !== "none" || isStarting || watcher.snapshot().state === "failed";
}

/** Its old processes run on, so it is what it was: their successors are to be as they are, and the next reload tries again. */
async function restore(world: World, change: Change, config: WatcherConfig, cause: Cause): Promise<void> {
  const fields = Object.keys(change.changes) as (keyof WatcherConfig)[];
  const changes = Object.fromEntries(fields.map((field) => [field, config[field]]));
  world.watchers.rewrite(change.watcher, change.before);
  await apply(world, { ...change, changes, renewal: "none" }, cause);
}

async function apply({ watchers }: World, { watcher, ...change }: Change, cause: Cause): Promise<void> {
  try {
    await watcher.configure(cause, change);
  } finally {
    watchers.changed(watcher);
  }
}

/** Stops them, those that others depend on last, and forgets them. */
async function removeAll({ watchers, orders, bus }: World, names: readonly string[], cause: Cause): Promise<void> {
  const gone = names.flatMap((name) => watchers.find(name) ?? []);
  if (gone.length > 0) await orders.stop(gone, cause);
  for (const watcher of gone) {
    watchers.forget(watcher);
    tellRemoved(bus, watcher, false, cause);
  }
}

/** Of the sockets whose old processes could not be replaced, and go on serving. */
function fatesOf({ watchers, sockets }: AgentConfig, failed: ReadonlySet<string>): Fates {
  const names = sockets.map(({ name }) => name);
  const namesOf = (some: readonly WatcherConfig[]): ReadonlySet<string> =>
    new Set(some.flatMap((watcher) => ownSocketNames(watcher, names)));
  const serving = namesOf(watchers.filter(({ name }) => failed.has(name)));
  const taken = namesOf(watchers.filter(({ name }) => !failed.has(name)));
  return { serving, kept: new Set([...serving].filter((name) => !taken.has(name))) };
}
