/** What a running controller does for its databases now and then: retention, and a look at the write-ahead logs. */
import { type Logger, type Millis, reasonOf } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import type { Stores } from "./store/database.ts";
import { type Keep, prune } from "./store/retention.ts";
import { foldBack } from "./store/wal.ts";
import { pruneUsage } from "./usage/roll-up.ts";
import type { UsageStore } from "./usage/store.ts";

const PRUNE_MS = 3_600_000;
const FIRST_PRUNE_MS = 60_000;
const WAL_MS = 10_000;
/** Between two steps: ingest has the greater part of the time. */
const STEP_PAUSE_MS = 20;

export interface HousekeepingParts {
  readonly stores: Stores;
  readonly usage: UsageStore;
  readonly keep: Keep;
  /** Until the first pruning, where not the usual minute. */
  readonly firstPruneMs: Millis | null;
  readonly log: Logger;
}

export class Housekeeping implements AsyncDisposable {
  readonly #parts: HousekeepingParts;
  readonly #timers: NodeJS.Timeout[];
  #pruning: Promise<void> | null = null;
  #isStopping = false;
  #isHeld = false;

  constructor(parts: HousekeepingParts) {
    this.#parts = parts;
    const { events, rollouts, usage } = parts.stores;
    this.#timers = [
      setTimeout(() => this.#startPruning(), parts.firstPruneMs ?? FIRST_PRUNE_MS),
      setInterval(() => this.#startPruning(), PRUNE_MS),
      setInterval(() => this.#lookAtLogs([events, rollouts, usage]), WAL_MS),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await this.#pruning;
  }

  #startPruning(): void {
    this.#pruning ??= this.#prune().finally(() => {
      this.#pruning = null;
    });
  }

  async #prune(): Promise<void> {
    const { stores, usage, keep, log } = this.#parts;
    try {
      const done = await this.#inSteps(prune(stores.events, keep, Date.now()));
      if (done === null) return;
      const { days, intervals } = done;
      if (days.length > 0) log.info("old days were dropped", { days: days.join(" "), intervals });
      await this.#inSteps(pruneUsage(usage, keep.ageMs, Date.now()));
    } catch (error) {
      log.error("old days cannot be dropped; trying again in an hour", { reason: reasonOf(error) });
    }
  }

  /** Null: this stops meanwhile. */
  async #inSteps<T>(steps: Generator<void, T>): Promise<T | null> {
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) return step.value;
      if (this.#isStopping) return null;
      await new Promise((resolve) => setTimeout(resolve, STEP_PAUSE_MS));
    }
  }

  #lookAtLogs(databases: readonly Database[]): void {
    try {
      const isHeld = databases.map((db) => foldBack(db)).includes("held");
      if (isHeld && !this.#isHeld) {
        const reason = "another process reads the database for long";
        this.#parts.log.warning("the write-ahead log grows and cannot be folded back", { reason });
      }
      this.#isHeld = isHeld;
    } catch (error) {
      this.#parts.log.error("the write-ahead log cannot be folded back", { reason: reasonOf(error) });
    }
  }
}
