/**
 * Takes the reports of hosts, keeps the buckets that may still grow in memory, stores the others and makes coarse ones
 * of them. Each controller does so for itself: reports go to all of them, and are in no stream.
 */
import {
  type HostName,
  isReport,
  issueText,
  type Logger,
  type Millis,
  parse,
  reasonOf,
  usageReport,
} from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { cellsOf, fleetOf, type HostNow, OpenBuckets } from "./open.ts";
import { rollUp, writeBucket } from "./roll-up.ts";
import { UsageStore } from "./store.ts";
import { TIERS } from "./tiers.ts";

/** After the end of a bucket: the last reports that tell of it have come. */
const GRACE_MS = 90_000;
const WORK_MS = 10_000;
/** Between two steps: ingest has the greater part of the time. */
const PAUSE_MS = 10;
/** A host that told nothing for so long is not known to use anything now. */
const FRESH_MS = 180_000;

export class UsageRunner implements AsyncDisposable {
  readonly store: UsageStore;
  readonly #log: Logger;
  readonly #open: OpenBuckets;
  readonly #latest = new Map<HostName, HostNow>();
  readonly #timer: NodeJS.Timeout;
  #working: Promise<void> | null = null;
  #isStopping = false;

  constructor(db: Database, log: Logger) {
    this.store = new UsageStore(db);
    this.#log = log;
    const stored = (startMs: Millis) => this.store.bucket(0, startMs);
    this.#open = new OpenBuckets(TIERS[0].bucketMs, Date.now(), GRACE_MS, stored);
    this.#timer = setInterval(() => this.#startWork(), WORK_MS);
  }

  get open(): Pick<OpenBuckets, "get" | "openFrom"> {
    return this.#open;
  }

  /** Of hosts whose last report is not too old. */
  now(): ReadonlyMap<string, HostNow> {
    const sinceMs = Date.now() - FRESH_MS;
    return new Map([...this.#latest].filter(([, { at }]) => at >= sinceMs));
  }

  /** @returns false where it is no report; what is one but cannot be read is dropped */
  take(host: HostName, value: unknown): boolean {
    if (!isReport(value)) return false;
    const parsed = parse(usageReport, value);
    if (!parsed.ok) {
      this.#log.debug("a report of usage cannot be read", { host, reason: issueText(parsed.issues) });
      return true;
    }
    const at = Date.now();
    const watchers = cellsOf(parsed.value);
    this.#latest.set(host, { at, watchers });
    this.#open.add(host, at, parsed.value.span, watchers);
    return true;
  }

  /** Stores what is in memory, too: the next life of this controller goes on with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#timer);
    await this.#working;
    try {
      for (const _ of this.#storeClosed(Number.POSITIVE_INFINITY));
    } catch (error) {
      this.#log.error("the last usage of hosts cannot be stored", { reason: reasonOf(error) });
    }
  }

  #startWork(): void {
    this.#working ??= this.#work().finally(() => {
      this.#working = null;
    });
  }

  async #work(): Promise<void> {
    for (const [host, { at }] of this.#latest) if (at < Date.now() - FRESH_MS) this.#latest.delete(host);
    try {
      for (const _ of this.#steps()) {
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        if (this.#isStopping) return;
      }
    } catch (error) {
      this.#log.error("the usage of hosts cannot be stored", { reason: reasonOf(error) });
    }
  }

  *#steps(): Generator<void> {
    yield* this.#storeClosed(Date.now() - GRACE_MS);
    yield* rollUp(this.store, this.#open.openFrom);
  }

  *#storeClosed(beforeMs: Millis): Generator<void> {
    for (const [startMs, bucket] of this.#open.close(beforeMs)) {
      yield* writeBucket(this.store, 0, startMs, bucket, fleetOf(bucket));
      this.#open.forget(startMs);
    }
  }
}
