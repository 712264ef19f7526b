/** Can this controller do its work now? For load balancers, systemd and whoever waits for it. */
import { type Millis, reasonOf } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import type { IngestProgress } from "./ingest/consumer.ts";
import { writeMeta } from "./store/database.ts";

export interface Readiness {
  readonly ready: boolean;
  /** Why not; one line each. */
  readonly reasons: readonly string[];
}

export interface ReadinessParts {
  readonly isConnected: () => boolean;
  readonly progress: () => IngestProgress;
  readonly db: Database;
  /** Wall clock. */
  readonly now: () => Millis;
}

/** Events that wait for longer than this: what is shown is not what is. */
const LAG_MAX_MS = 10_000;
/** However often somebody asks, the database is tried only so often. */
const PROBE_MS = 2000;

export class ReadinessCheck {
  readonly #parts: ReadinessParts;
  #probedMs = Number.NEGATIVE_INFINITY;
  #trouble: string | null = null;

  constructor(parts: ReadinessParts) {
    this.#parts = parts;
  }

  look(): Readiness {
    const reasons = [this.#connection(), this.#ingest(), this.#database()].filter((reason) => reason !== null);
    return { ready: reasons.length === 0, reasons };
  }

  #connection(): string | null {
    return this.#parts.isConnected() ? null : "not connected to NATS";
  }

  #ingest(): string | null {
    const { isReading, lagMs } = this.#parts.progress();
    if (!isReading) return "the event stream is not being read";
    if (lagMs === null) return "the event stream has not been read up to its end yet";
    return lagMs <= LAG_MAX_MS ? null : `events are stored ${Math.round(lagMs / 1000)} s late`;
  }

  #database(): string | null {
    const now = this.#parts.now();
    if (Math.abs(now - this.#probedMs) < PROBE_MS) return this.#trouble;
    this.#probedMs = now;
    try {
      writeMeta(this.#parts.db, "probed", now);
      this.#trouble = null;
    } catch (error) {
      this.#trouble = `the database cannot be written: ${reasonOf(error)}`;
    }
    return this.#trouble;
  }
}
