/** An agent's numbers as metrics for Prometheus. Pure. */
import {
  counter,
  gauge,
  HEALTH,
  type Metric,
  type Sample,
  samplesBy,
  VERSION,
  WATCHER_STATES,
  type WatcherSnapshot,
} from "@circus-cluster/proto";
import type { Usage } from "./usage.ts";

export interface AgentNumbers {
  readonly watchers: readonly WatcherSnapshot[];
  /** By watcher. */
  readonly usages: ReadonlyMap<string, Usage>;
  /** By kind, since the start of this arbiter. */
  readonly events: Readonly<Record<string, number>>;
  /** Null without a fleet. */
  readonly fleet: { readonly isConnected: boolean; readonly backlog: number } | null;
  /** Of circusd itself. */
  readonly own: { readonly cpuS: number; readonly rssBytes: number; readonly startS: number; readonly uptimeS: number };
}

export function agentMetrics({ watchers, usages, events, fleet, own }: AgentNumbers): readonly Metric[] {
  const ofEach = (value: (watcher: WatcherSnapshot) => number): readonly Sample[] =>
    watchers.map((watcher) => ({ labels: { watcher: watcher.name }, value: value(watcher) }));
  const usage = (key: keyof Usage) => ofEach(({ name }) => usages.get(name)?.[key] ?? 0);
  const count = (state: string): number => watchers.filter((watcher) => watcher.state === state).length;
  return [
    gauge(
      "circus_watchers",
      "Watchers by state.",
      WATCHER_STATES.map((state) => ({ labels: { state }, value: count(state) })),
    ),
    gauge("circus_watcher_state", "1 for the state that a watcher is in.", watchers.flatMap(stateSamples)),
    gauge(
      "circus_watcher_processes_wanted",
      "Processes that a watcher should have.",
      ofEach(({ numprocesses }) => numprocesses),
    ),
    gauge("circus_watcher_processes", "Processes that run, by health.", watchers.flatMap(healthSamples)),
    counter(
      "circus_watcher_restarts_total",
      "Processes that ended unasked, or were ill, and were replaced.",
      ofEach(({ restarts }) => restarts ?? 0),
    ),
    counter("circus_watcher_cpu_seconds_total", "CPU time of processes and their children.", usage("cpuS")),
    gauge("circus_watcher_memory_bytes", "Resident memory of processes and their children.", usage("rssBytes")),
    counter("circus_events_total", "Events by kind.", samplesBy("kind", events)),
    gauge("circus_outbox_events", "Events that the stream has not acknowledged.", fleet?.backlog ?? []),
    gauge("circus_nats_connected", "1 while connected to the fleet.", fleet === null ? [] : Number(fleet.isConnected)),
    gauge("circus_agent_info", "Always 1.", [{ labels: { version: VERSION }, value: 1 }]),
    gauge("circus_agent_uptime_seconds", "Time since the start of circusd.", own.uptimeS),
    gauge("process_start_time_seconds", "Start of circusd, since the epoch.", own.startS),
    gauge("process_resident_memory_bytes", "Resident memory of circusd.", own.rssBytes),
    counter("process_cpu_seconds_total", "CPU time of circusd, user and system.", own.cpuS),
  ];
}

function stateSamples({ name, state }: WatcherSnapshot): readonly Sample[] {
  return WATCHER_STATES.map((one) => ({ labels: { watcher: name, state: one }, value: Number(one === state) }));
}

function healthSamples({ name, processes }: WatcherSnapshot): readonly Sample[] {
  const count = (health: string): number => processes.filter((process) => process.health === health).length;
  return HEALTH.map((health) => ({ labels: { watcher: name, health }, value: count(health) }));
}
