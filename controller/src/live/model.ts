/**
 * What a host looks like right now: its last snapshot, kept current by the events behind it. Pure. Where an event
 * is missing or a new agent life began, the picture says that it is stale, and a new snapshot is due.
 */
import {
  type FleetEvent,
  type HostSnapshot,
  type Millis,
  type ProcessSnapshot,
  stateAfter,
  type WatcherSnapshot,
} from "@circus-cluster/proto";

export interface LiveWatcher extends WatcherSnapshot {
  /** Processes that died unasked in this agent life, as far as events told. */
  readonly crashes: number;
}

export interface LiveHost {
  readonly epoch: number;
  /** The last event in the picture. */
  readonly seq: number;
  readonly version: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly watchers: ReadonlyMap<string, LiveWatcher>;
  /** Something happened that events do not tell in full. */
  readonly isStale: boolean;
}

/** @param before what was known; a picture that is older than it is not taken */
export function takeSnapshot(before: LiveHost | null, snapshot: HostSnapshot): LiveHost {
  const { epoch, seq, version, labels } = snapshot;
  if (before !== null && (epoch < before.epoch || (epoch === before.epoch && seq < before.seq))) return before;
  const crashes = (name: string): number => (before?.epoch === epoch ? (before.watchers.get(name)?.crashes ?? 0) : 0);
  const watchers = snapshot.watchers.map(
    (watcher) => [watcher.name, { ...watcher, crashes: crashes(watcher.name) }] as const,
  );
  return { epoch, seq, version, labels, watchers: new Map(watchers), isStale: false };
}

/** The picture with one event more; the same object where the event is in it already. */
export function takeEvent(before: LiveHost, event: FleetEvent): LiveHost {
  if (event.epoch < before.epoch || (event.epoch === before.epoch && event.seq <= before.seq)) return before;
  if (event.epoch > before.epoch) return before.isStale ? before : { ...before, isStale: true };
  const isHole = event.seq !== before.seq + 1;
  const next = { ...before, seq: event.seq, isStale: before.isStale || isHole || event.kind === "watcher_updated" };
  if (event.watcher === null)
    return event.kind === "agent_stopped" && event.data["workers_left"] === undefined
      ? { ...next, watchers: allStopped(before, event.time) }
      : next;
  if (event.kind === "watcher_removed") {
    const watchers = new Map(before.watchers);
    watchers.delete(event.watcher);
    return { ...next, watchers };
  }
  const watcher = before.watchers.get(event.watcher);
  if (watcher === undefined) return { ...next, isStale: true };
  const changed = ofWatcher(watcher, event);
  if (changed === watcher) return next;
  return { ...next, watchers: new Map(before.watchers).set(event.watcher, changed) };
}

function allStopped(before: LiveHost, time: Millis): ReadonlyMap<string, LiveWatcher> {
  const stopped = (watcher: LiveWatcher): LiveWatcher =>
    watcher.state === "stopped" ? watcher : { ...watcher, state: "stopped", since: time, processes: [] };
  return new Map([...before.watchers].map(([name, watcher]) => [name, stopped(watcher)]));
}

function ofWatcher(watcher: LiveWatcher, event: FleetEvent): LiveWatcher {
  const state = stateAfter(event.kind);
  if (state !== null) {
    const reason = typeof event.data["reason"] === "string" ? event.data["reason"] : null;
    const since = state === watcher.state ? watcher.since : event.time;
    return { ...watcher, state, since, reason, generation: generationOf(event, watcher) };
  }
  const { pid, wid } = event;
  const { processes } = watcher;
  switch (event.kind) {
    case "process_spawned": {
      if (pid === undefined || wid === undefined) return watcher;
      const generation = generationOf(event, watcher);
      const spawned: ProcessSnapshot = { wid, pid, started: event.time, health: "starting", generation };
      const others = processes.filter((process) => process.pid !== pid && process.wid !== wid);
      return { ...watcher, generation, processes: [...others, spawned] };
    }
    case "process_healthy":
    case "process_unhealthy": {
      const health = event.kind === "process_healthy" ? "healthy" : "unhealthy";
      const next = processes.map((process) => (process.pid === pid ? ({ ...process, health } as const) : process));
      return { ...watcher, processes: next };
    }
    case "process_exited":
      return {
        ...watcher,
        crashes: watcher.crashes + (event.data["expected"] === true ? 0 : 1),
        processes: processes.filter((process) => process.pid !== pid),
      };
    case "watcher_updated": {
      const n = event.data["numprocesses"];
      return typeof n === "number" && Number.isSafeInteger(n) && n >= 0 ? { ...watcher, numprocesses: n } : watcher;
    }
    default:
      return watcher;
  }
}

/** Of the event, or the newest that is known; it never falls. */
function generationOf(event: FleetEvent, watcher: LiveWatcher): number {
  const generation = event.data["generation"];
  return Math.max(
    watcher.generation,
    typeof generation === "number" && Number.isSafeInteger(generation) ? generation : 0,
  );
}
