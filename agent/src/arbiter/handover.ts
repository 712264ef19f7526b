/** Watchers go on where an agent before us left them, and all of that is told. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Logger, reasonOf } from "@circus-cluster/proto";
import type { Ended } from "../adopt/ending.ts";
import type { Inheritance } from "../adopt/inheritance.ts";
import { legacyOf } from "../adopt/legacy.ts";
import type { Finding, SweptAway } from "../adopt/survey.ts";
import { isPlugin } from "../config/plugin-name.ts";
import type { EventBus } from "../events/api.ts";
import type { Cause, WatcherControl } from "../watcher/api.ts";
import { type Legacy, UNKNOWN_END } from "../watcher/state.ts";
import type { Orders } from "./orders.ts";
import type { WatcherSet } from "./watcher-set.ts";

/**
 * Each heir, once, before anything is started.
 *
 * @returns watchers that are not to be started with the agent: they run, or rest as they did
 */
export function adoptAll(
  inheritance: Inheritance,
  watchers: Pick<WatcherSet, "find">,
  bus: EventBus,
  log: Logger,
): ReadonlySet<WatcherControl> {
  const carried = new Set<WatcherControl>();
  const counts = { adopted: 0, exited: 0 };
  for (const [name, heir] of inheritance.plan.heirs) {
    const watcher = watchers.find(name);
    if (watcher === undefined) continue;
    const legacy = legacyOf(heir, inheritance.now());
    inheritance.journal.gone(name, deadWids(heir));
    watcher.adopt(
      legacy,
      heir.living.map(({ pid, slot: { wid }, birth: { notify, stdout, stderr } }) => ({
        ...{ pid, wid, notify, stdout, stderr },
      })),
    );
    counts.adopted += heir.living.length;
    counts.exited += heir.gone.length;
    if (goesOn(legacy)) carried.add(watcher);
  }
  if (counts.adopted + counts.exited > 0) {
    log.info("adopted what an earlier circusd left", counts);
    bus.emit({ kind: "agent_adopted", watcher: null, data: counts });
  }
  return carried;
}

function deadWids({ entry, living }: Finding): readonly number[] {
  return [...entry.slots.keys()].filter((wid) => !living.some(({ slot }) => slot.wid === wid));
}

/** What was stopped with its agent, or was on its way to a stop, starts with the next one. */
function goesOn({ goal, isFailed, spent, job }: Legacy): boolean {
  return goal !== "down" || isFailed || spent > 0 || job?.kind === "restart";
}

/** Those that had to go before this agent could begin. */
export function tellEnded(ended: readonly Ended[], bus: EventBus): void {
  for (const { watcher, wid, pid, end, why } of ended) {
    const data = { ...end, expected: true, reason: why };
    bus.emit({ kind: "process_exited", watcher, pid, ...(watcher === null ? {} : { wid }), data });
  }
}

/** Those that ran before the host, or the container, was started anew: nobody knows how they ended. */
export function tellSwept(swept: readonly SweptAway[], bus: EventBus, log: Logger): void {
  if (swept.length === 0) return;
  log.warning("the host was started anew: what ran before has ended", { processes: swept.length });
  for (const { watcher, wid, pid } of swept) {
    const data = { ...UNKNOWN_END, expected: false, unattended: true, reason: "the host was started anew" };
    bus.emit({ kind: "process_exited", watcher, pid, wid, data });
  }
}

/** So long a stop is waited for before the workers are left. */
const BETWEEN_MS = 40_000;
const LOOK_MS = 20;

/** A watcher that is being restarted may have no process at the moment: left then, its sockets would be nobody's. */
export async function untilNoneIsBetween(watchers: Pick<WatcherSet, "all">): Promise<void> {
  const isBetween = (watcher: WatcherControl): boolean =>
    watcher.status === "stopping" || (watcher.status === "starting" && watcher.processes().length === 0);
  const stopping = watchers.all().filter(({ status }) => status === "stopping");
  const endMs = performance.now() + BETWEEN_MS;
  while (stopping.some(isBetween) && performance.now() < endMs) await sleep(LOOK_MS);
}

/** Plugins live by talking to the agent, and end with it; all others go on, for the next agent to adopt. */
export async function leaveAll(
  watchers: WatcherSet,
  orders: Orders,
  cause: Cause,
  bus: EventBus,
  log: Logger,
): Promise<void> {
  const plugins = watchers.all().filter(({ config }) => isPlugin(config.name));
  await orders.stop(plugins, cause).catch((error: unknown) => {
    log.error("a plugin did not stop", { reason: reasonOf(error) });
  });
  const left = watchers.allOwned().flatMap((watcher) => watcher.processes()).length;
  watchers.abandonAll();
  const { actor } = cause;
  log.info("leaving the workers to the next circusd", { workers: left, actor: actor ?? undefined });
  bus.emit({ kind: "agent_stopped", watcher: null, actor: actor ?? undefined, data: { workers_left: left } });
}
