/** What the controller tells Prometheus: numbers of the fleet and of itself. No label grows with the fleet. */
import { statSync } from "node:fs";
import { join } from "node:path";
import {
  counter,
  gauge,
  type Metric,
  type Millis,
  type RolloutState,
  type Sample,
  samplesBy,
  VERSION,
} from "@circus-cluster/proto";
import type { FleetTotals } from "../fleet-view.ts";
import type { IngestCounts, IngestProgress } from "../ingest/consumer.ts";
import type { Tally } from "../ingest/tally.ts";
import type { StreamPlace } from "../ingest/writer.ts";
import type { Notifier } from "../notify/notifier.ts";
import { DATABASES } from "../store/files.ts";

export interface MetricsParts {
  readonly controller: string;
  readonly stateDir: string;
  readonly totals: () => FleetTotals;
  readonly rollouts: () => Readonly<Record<RolloutState, number>>;
  readonly notices: () => Notifier["counts"];
  readonly tally: Pick<Tally, "kinds" | "crashes">;
  readonly counts: () => IngestCounts;
  readonly progress: () => IngestProgress;
  readonly place: () => StreamPlace;
  readonly isConnected: () => boolean;
  /** `controllers`: those that are there, this one included. */
  readonly election: () => { readonly isLeading: boolean; readonly controllers: number };
  readonly paceMs: () => Millis;
}

const FILES = DATABASES.flatMap(({ name }) => [name, `${name}-wal`]);

export function controllerMetrics(parts: MetricsParts): readonly Metric[] {
  return [...fleetMetrics(parts), ...ingestMetrics(parts), ...ownMetrics(parts)];
}

function fleetMetrics({ totals, rollouts, notices, tally, paceMs }: MetricsParts): readonly Metric[] {
  const { presences, states, health } = totals();
  const { waiting, ...ended } = notices();
  const { kinds, crashes } = tally;
  return [
    gauge("circus_hosts", "Hosts of the fleet by presence.", samplesBy("presence", presences)),
    gauge("circus_watchers", "Watchers of all hosts by state.", samplesBy("state", states)),
    gauge("circus_processes", "Running processes of all hosts by health.", samplesBy("health", health)),
    gauge("circus_heartbeat_interval_seconds", "Time between two heartbeats that hosts are told.", paceMs() / 1000),
    gauge("circus_rollouts", "Rollouts that are kept, by state.", samplesBy("state", rollouts())),
    gauge("circus_notices_waiting", "Notices that are not delivered yet.", waiting),
    counter(
      "circus_notices_total",
      "Since the start: notices sent, attempts that failed, notices given up.",
      samplesBy("result", ended),
    ),
    counter(
      "circus_process_crashes_total",
      "Processes that ended unasked, by the events that this controller took since its start.",
      crashes,
    ),
    counter("circus_events_total", "Events that this controller took since its start.", samplesBy("kind", kinds)),
  ];
}

function ingestMetrics({ counts, progress, place }: MetricsParts): readonly Metric[] {
  const { isReading, pending, lagMs } = progress();
  const { pos, generation } = place();
  const { taken, seen, refused } = counts();
  return [
    counter(
      "circus_ingest_messages_total",
      "Messages of the stream since the start: new events, repeats, and what cannot be read.",
      samplesBy("result", { taken, repeated: seen, refused }),
    ),
    gauge("circus_ingest_reading", "1 while the stream is read.", Number(isReading)),
    gauge("circus_ingest_pending_messages", "Messages behind the last one read.", optional(pending)),
    gauge(
      "circus_ingest_lag_seconds",
      "Age of the last stored event while more wait; 0 where all is stored.",
      optional(lagMs === null ? null : lagMs / 1000),
    ),
    gauge("circus_stream_position", "Last message of the stream that is stored.", pos),
    gauge("circus_stream_generation", "How often the stream was made anew.", generation),
  ];
}

function ownMetrics({ controller, stateDir, isConnected, election }: MetricsParts): readonly Metric[] {
  const { isLeading, controllers } = election();
  const sizes = FILES.map((file) => [file, sizeOf(join(stateDir, file))] as const);
  return [
    gauge("circus_store_bytes", "Sizes of the databases and their logs.", samplesBy("file", Object.fromEntries(sizes))),
    gauge("circus_controller_leads", "1 while this controller leads.", Number(isLeading)),
    gauge("circus_controllers", "Controllers that are there, this one included.", controllers),
    gauge("circus_nats_connected", "1 while connected to NATS.", Number(isConnected())),
    gauge("circus_controller_info", "Always 1.", [{ labels: { name: controller, version: VERSION }, value: 1 }]),
    ...processMetrics(),
  ];
}

/** Under the names that Prometheus's own clients use. */
function processMetrics(): readonly Metric[] {
  const { user, system } = process.cpuUsage();
  const uptimeS = process.uptime();
  return [
    gauge("process_start_time_seconds", "Start, since the epoch.", Math.round(Date.now() / 1000 - uptimeS)),
    gauge("circus_controller_uptime_seconds", "Time since the start.", Math.round(uptimeS * 1000) / 1000),
    gauge("process_resident_memory_bytes", "Resident memory.", process.memoryUsage.rss()),
    counter("process_cpu_seconds_total", "CPU time, user and system.", (user + system) / 1e6),
  ];
}

function optional(value: number | null): number | readonly Sample[] {
  return value ?? [];
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** However often somebody asks, the numbers are made only so often. */
export class Scrape {
  readonly #make: () => string;
  readonly #now: () => Millis;
  readonly #keepMs: Millis;
  #text = "";
  #madeMs = Number.NEGATIVE_INFINITY;

  /** @param now monotonic */
  constructor(make: () => string, now: () => Millis = () => performance.now(), keepMs = 1000) {
    this.#make = make;
    this.#now = now;
    this.#keepMs = keepMs;
  }

  get text(): string {
    const now = this.#now();
    if (now - this.#madeMs < this.#keepMs) return this.#text;
    this.#text = this.#make();
    this.#madeMs = now;
    return this.#text;
  }
}
