/** All rollouts of this controller: plans them, starts them, takes them up again, lets time pass for them. */
import { randomBytes } from "node:crypto";
import {
  CircusError,
  checkOptions,
  fulfils,
  type HostName,
  hasEnded,
  type Millis,
  ROLLOUT_DEFAULTS,
  type RolloutRecord,
  type RolloutRequest,
} from "@circus-cluster/proto";
import { refusalOf } from "./decisions.ts";
import { type PlanHost, plan } from "./plan.ts";
import { type RolloutParts, RolloutRunner } from "./runner.ts";
import { type Decision, newCore, type RolloutCore, recordOf } from "./state.ts";
import type { RolloutStore } from "./store.ts";
import { isOpen } from "./turn.ts";

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
  /** `before`: as it was told last; null: it was not. */
  readonly publish: (record: RolloutRecord, before: RolloutRecord | null) => void;
  readonly tickMs: Millis;
}

export class Rollouts implements Disposable {
  readonly #parts: RolloutsParts;
  /** Those that have not ended, by id. */
  readonly #running = new Map<string, RolloutRunner>();
  readonly #news = new Map<string, RolloutCore>();
  /** As they were told last, until they end. */
  readonly #told = new Map<string, RolloutRecord>();
  readonly #timers: readonly NodeJS.Timeout[];
  #lastTickMs = performance.now();

  constructor(parts: RolloutsParts) {
    this.#parts = parts;
    this.#timers = [setInterval(() => this.#tick(), parts.tickMs), setInterval(() => this.#tellNews(), ADVICE_MS)];
  }

  /** The plan of a request, nothing stored. @throws CircusError with the reason where it cannot be planned. */
  plan(request: RolloutRequest, actor: string): RolloutRecord {
    return recordOf(this.#plan(request, actor));
  }

  /** @throws CircusError where it cannot be planned, or overlaps one that has not ended. */
  start(request: RolloutRequest, actor: string): RolloutRecord {
    const core = this.#plan(request, actor);
    const { id, watcher } = core;
    if (request.supersede === true) {
      for (const other of this.#of(watcher)) other.decide({ kind: "supersede", actor, by: id });
    } else this.#refuseOverlap(watcher);
    const runner = this.#run({ ...core, busy: this.#busyBeside(watcher, id) });
    runner.begin();
    return runner.record;
  }

  /** @throws CircusError `not-found`, or `conflict` where it does not fit. */
  decide(id: string, decision: Exclude<Decision, { kind: "supersede" }>): RolloutRecord {
    const running = this.#running.get(id);
    if (running !== undefined) {
      const refusal = running.decide(decision);
      if (refusal !== null) throw new CircusError("conflict", refusal);
      return running.record;
    }
    const core = this.#parts.store.load(id);
    if (core === null) throw new CircusError("not-found", `no rollout '${id}'`);
    const refusal = refusalOf(core, decision);
    if (refusal !== null) throw new CircusError("conflict", refusal);
    this.#refuseOverlap(core.watcher);
    const runner = this.#run(core);
    runner.decide(decision);
    return runner.record;
  }

  /** Takes up what was open when the last controller ended. */
  takeUp(): void {
    for (const core of this.#parts.store.open()) this.#run(core);
    for (const runner of [...this.#running.values()]) {
      runner.busy(this.#busyBeside(runner.core.watcher, runner.core.id));
      runner.takeUp();
    }
  }

  list(limit: number): readonly RolloutRecord[] {
    return this.#parts.store.list(limit).map((record) => this.#running.get(record.id)?.record ?? record);
  }

  /** @throws CircusError `not-found` */
  show(id: string): RolloutRecord {
    const core = this.#running.get(id)?.core ?? this.#parts.store.load(id);
    if (core === null) throw new CircusError("not-found", `no rollout '${id}'`);
    return { ...recordOf(core), late: this.#late(core) };
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

  #plan(request: RolloutRequest, actor: string): RolloutCore {
    const created = Date.now();
    const { watcher, hosts, where, command, properties = {} } = request;
    if (command === "set") checkOptions((properties["options"] ?? {}) as Record<string, unknown>);
    const id = `r${Math.floor(created / 1000).toString(36)}-${randomBytes(3).toString("hex")}`;
    const options = { ...ROLLOUT_DEFAULTS, ...request.options };
    const planned = plan(
      { id, fleet: this.#parts.fleet, command, watcher, hosts, where, options, wallMs: created },
      this.#plannable(watcher),
    );
    if (planned.kind === "refused") throw new CircusError(planned.code, planned.reason);
    const { steps, floor, others, spread } = planned;
    if (steps.length > TARGETS_MAX) {
      throw new CircusError("message", `${steps.length} hosts are more than the ${TARGETS_MAX} of one rollout`);
    }
    const head = {
      id,
      command,
      properties,
      watcher,
      actor,
      created,
      ended: null,
      reason: null,
      waiting: null,
    } as const;
    const record = { ...head, hosts, where, floor, attempt: 1, revision: 0, options, steps } as const;
    return newCore({ ...record, state: "running" }, others, spread);
  }

  /** A host that a rollout has just stopped to start it again was not stopped on purpose. */
  #plannable(watcher: string): readonly PlanHost[] {
    const busy = this.#busyBeside(watcher, "");
    const known = this.#parts.known(watcher);
    return known.map((host) =>
      host.state === "stopped" && busy.has(host.host) ? { ...host, state: "stopping" } : host,
    );
  }

  /** Of one watcher, those that have not ended. */
  #of(watcher: string): RolloutRunner[] {
    return [...this.#running.values()].filter((runner) => runner.core.watcher === watcher);
  }

  /** One that was superseded is only followed to its end, and in nobody's way. @throws CircusError `conflict` */
  #refuseOverlap(watcher: string): void {
    const other = this.#of(watcher).find(({ core }) => core.ending?.state !== "superseded");
    if (other === undefined) return;
    const { id, state } = other.core;
    throw new CircusError("conflict", `rollout ${id} of watcher '${watcher}' is ${state}`);
  }

  #busyBeside(watcher: string, id: string): ReadonlySet<string> {
    const others = this.#of(watcher).filter(({ core }) => core.id !== id);
    return new Set(others.flatMap(({ core }) => core.steps.filter(isOpen).map((step) => step.host)));
  }

  /** Rollouts of one watcher know where the others are at work: together they keep the floor. */
  #shareBusy(watcher: string): void {
    const runners = this.#of(watcher);
    for (const runner of runners) {
      const busy = this.#busyBeside(watcher, runner.core.id);
      const before = runner.core.busy;
      const isSame = busy.size === before.size && [...busy].every((host) => before.has(host));
      if (!isSame) runner.busy(busy);
    }
  }

  /** Hosts that the same words would mean today. Where a number of hosts was wanted, none is late. */
  #late({ watcher, hosts, where, options, index }: RolloutCore): readonly string[] {
    if (hosts !== null || options.limit !== null) return [];
    const known = this.#parts.known(watcher);
    const isMeant = ({ host, state, labels }: PlanHost): boolean =>
      state !== null && !index.has(host) && (where === null || fulfils(labels, where));
    return known.filter(isMeant).map(({ host }) => host);
  }

  #run(core: RolloutCore): RolloutRunner {
    const { id, watcher } = core;
    const advise = (changed: RolloutCore): void => {
      this.#news.set(id, changed);
      this.#shareBusy(watcher);
    };
    const runner = new RolloutRunner(core, { ...this.#parts, advise }, () => {
      this.#running.delete(id);
      this.#tellNews();
      this.#shareBusy(watcher);
    });
    this.#running.set(id, runner);
    return runner;
  }

  #tick(): void {
    const now = performance.now();
    const ms = Math.min(now - this.#lastTickMs, TICK_JUMP * this.#parts.tickMs);
    this.#lastTickMs = now;
    for (const runner of this.#running.values()) runner.elapsed(ms);
  }

  #tellNews(): void {
    for (const [id, core] of this.#news) {
      const record = recordOf(core);
      this.#parts.publish(record, this.#told.get(id) ?? null);
      if (hasEnded(record.state)) this.#told.delete(id);
      else this.#told.set(id, record);
    }
    this.#news.clear();
  }
}
