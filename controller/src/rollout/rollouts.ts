/** All rollouts of this controller: plans them, starts them, takes them up again, lets time pass for them. */
import { randomBytes } from "node:crypto";
import {
  CircusError,
  type HostName,
  type Millis,
  ROLLOUT_DEFAULTS,
  type RolloutRecord,
  type RolloutRequest,
} from "@circus-cluster/proto";
import { type PlanHost, plan } from "./plan.ts";
import { type RolloutParts, RolloutRunner } from "./runner.ts";
import { newCore } from "./state.ts";
import type { RolloutStore } from "./store.ts";

/** Steps of one plan; a bound for what is kept in memory and sent at each change. */
const TARGETS_MAX = 10_000;
/** More than this between two ticks was not spent running: the machine slept, or we were stopped. */
const TICK_JUMP = 4;
/** Progress is told at most this often, and always at the end. */
const ADVICE_MS = 100;

export interface RolloutsParts extends Omit<RolloutParts, "store" | "advise"> {
  readonly store: RolloutStore;
  readonly fleet: string;
  /** Every host of the fleet, with the state of this watcher. */
  readonly known: (watcher: string) => readonly PlanHost[];
  readonly publish: (record: RolloutRecord) => void;
  readonly tickMs: Millis;
}

export class Rollouts implements Disposable {
  readonly #parts: RolloutsParts;
  readonly #running = new Map<string, RolloutRunner>();
  readonly #news = new Map<string, RolloutRecord>();
  readonly #timers: readonly NodeJS.Timeout[];
  #lastTickMs = performance.now();

  constructor(parts: RolloutsParts) {
    this.#parts = parts;
    this.#timers = [setInterval(() => this.#tick(), parts.tickMs), setInterval(() => this.#tellNews(), ADVICE_MS)];
  }

  /** The plan of a request, nothing stored. @throws CircusError with the reason where it cannot be planned. */
  plan(request: RolloutRequest, actor: string): RolloutRecord {
    const created = Date.now();
    const { watcher, hosts, command } = request;
    const id = `r${Math.floor(created / 1000).toString(36)}-${randomBytes(3).toString("hex")}`;
    const options = { ...ROLLOUT_DEFAULTS, ...request.options };
    const planned = plan(
      { id, fleet: this.#parts.fleet, watcher, hosts, options, wallMs: created },
      this.#parts.known(watcher),
    );
    if (planned.kind === "refused") throw new CircusError(planned.code, planned.reason);
    const { steps } = planned;
    if (steps.length > TARGETS_MAX) {
      throw new CircusError("message", `${steps.length} hosts are more than the ${TARGETS_MAX} of one rollout`);
    }
    const head = { id, command, watcher, actor, created, ended: null, reason: null, options } as const;
    return { ...head, state: "running", steps };
  }

  /** @throws CircusError where it cannot be planned, or overlaps one that runs. */
  start(request: RolloutRequest, actor: string): RolloutRecord {
    const record = this.plan(request, actor);
    const other = [...this.#running.values()].find((runner) => runner.record.watcher === record.watcher);
    if (other !== undefined) {
      throw new CircusError("conflict", `rollout ${other.record.id} of watcher '${record.watcher}' is running`);
    }
    const runner = this.#run(record.id, new RolloutRunner(newCore(record), this.#partsOfOne(), this.#end(record.id)));
    runner.begin();
    return runner.record;
  }

  /** Takes up what was open when the last controller ended. */
  resume(): void {
    for (const core of this.#parts.store.open()) {
      this.#run(core.id, new RolloutRunner(core, this.#partsOfOne(), this.#end(core.id))).resume();
    }
  }

  list(limit: number): readonly RolloutRecord[] {
    return this.#parts.store.list(limit).map((record) => this.#running.get(record.id)?.record ?? record);
  }

  /** @throws CircusError `not-found` */
  show(id: string): RolloutRecord {
    const record = this.#running.get(id)?.record ?? this.#parts.store.show(id);
    if (record === null) throw new CircusError("not-found", `no rollout '${id}'`);
    return record;
  }

  /** Who started it; null: no such rollout. */
  starter(id: string): string | null {
    return this.#parts.store.actor(id); // kept before anything was sent
  }

  /** Something of this host has changed. */
  see(host: HostName): void {
    for (const runner of this.#running.values()) runner.see(host);
  }

  online(isOnline: boolean): void {
    for (const runner of this.#running.values()) runner.online(isOnline);
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#tellNews();
    // They stay open in the database, for the next controller.
    for (const runner of this.#running.values()) runner.release();
    this.#running.clear();
  }

  #run(id: string, runner: RolloutRunner): RolloutRunner {
    this.#running.set(id, runner);
    return runner;
  }

  #end(id: string): () => void {
    return () => {
      this.#running.delete(id);
      this.#tellNews();
    };
  }

  #partsOfOne(): RolloutParts {
    return { ...this.#parts, advise: (record) => this.#news.set(record.id, record) };
  }

  #tick(): void {
    const now = performance.now();
    const ms = Math.min(now - this.#lastTickMs, TICK_JUMP * this.#parts.tickMs);
    this.#lastTickMs = now;
    for (const runner of this.#running.values()) runner.elapsed(ms);
  }

  #tellNews(): void {
    for (const record of this.#news.values()) this.#parts.publish(record);
    this.#news.clear();
  }
}
