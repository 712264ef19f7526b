/** All rollouts of this controller: plans them, starts them, takes them up again, lets time pass for them. */
import { randomBytes } from "node:crypto";
import {
  ALL_WATCHERS,
  CircusError,
  checkOptions,
  type Fence,
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
import { draftsOf, isLater, type Replica } from "./replica.ts";
import { type RolloutParts, RolloutRunner } from "./runner.ts";
import { type Decision, newCore, type RolloutCore, recordOf } from "./state.ts";
import type { RolloutStore } from "./store.ts";
import { isOpen } from "./turn.ts";

/** Steps of one plan; a bound for what is kept in memory and sent at each change. */
const TARGETS_MAX = 10_000;
/** More than this between two ticks was not spent running: the machine slept, or we were stopped. */
const TICK_JUMP = 4;
/** Rollouts of a time without other controllers that are told to them. */
const RETOLD_MAX = 200;
/** Progress is told at most this often, and always at the end. */
const ADVICE_MS = 100;

export interface RolloutsParts extends Omit<RolloutParts, "store" | "advise" | "ready"> {
  /** Of this leader; null: there is only one controller. */
  readonly fence: () => Fence | null;
  /** True once all events emitted so far are stored, and we still lead. */
  readonly stored: () => Promise<boolean>;
  readonly store: RolloutStore;
  readonly fleet: string;
  /** Name of this one. */
  readonly controller: string;
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
  /** Those of which a part could not be told to the other controllers. */
  readonly #untold = new Set<string>();
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

  /** Takes up what was open when the last leader ended: from now on we lead. */
  takeUp(): void {
    const { store, fence } = this.#parts;
    const told = fence() === null ? [] : store.untold(RETOLD_MAX).filter(({ ended }) => ended !== null);
    for (const core of told) this.#save(core);
    for (const core of store.open()) {
      if (store.isTold(core.id)) this.#run(core);
      else this.#bury(core);
    }
    for (const runner of [...this.#running.values()]) {
      runner.busy(this.#busyBeside(runner.core.watcher, runner.core.id));
      runner.takeUp();
    }
  }

  /** We do not lead any more: nothing is stored or sent from now on. */
  drop(): void {
    for (const id of [...this.#running.keys()]) this.#drop(id);
    this.#untold.clear();
  }

  /** What a leader, perhaps this one, has saved. @returns the rollouts of others that have changed */
  replicate(replicas: readonly Replica[]): readonly string[] {
    const { store, fence } = this.#parts;
    for (const { rollout, head, piece, place } of replicas) {
      if (!this.#running.has(rollout)) continue;
      if (isLater(place, fence())) this.#drop(rollout);
      else if (head !== null || (piece !== undefined && piece.at === piece.of - 1)) store.told(rollout);
    }
    const others = replicas.filter(({ rollout }) => !this.#running.has(rollout));
    return others.length === 0 ? [] : store.take(others);
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

  /** As it was stored last; null: no such rollout. */
  record(id: string): RolloutRecord | null {
    return this.#parts.store.show(id);
  }

  /** Of the newest leader that saved a rollout; null: none did. */
  lastFence(): Fence | null {
    return this.#parts.store.lastFence();
  }

  /** Who started it; null: no such rollout. */
  starter(id: string): string | null {
    return this.#parts.store.actor(id); // kept before anything was sent
  }

  /** Is it the name of this controller, or of another one that has led? */
  isController(name: string): boolean {
    return name === this.#parts.controller || this.#parts.store.isController(name);
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
    // They stay open in the database, for the next controller.
    for (const runner of this.#running.values()) runner.release();
    this.#tellNews();
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

  /** Of one watcher, and of all watchers, those that have not ended. */
  #of(watcher: string): RolloutRunner[] {
    return [...this.#running.values()].filter(({ core }) => isShared(core.watcher, watcher));
  }

  /** One that was superseded is only followed to its end, and in nobody's way. @throws CircusError `conflict` */
  #refuseOverlap(watcher: string): void {
    const other = this.#of(watcher).find(({ core }) => core.ending?.state !== "superseded");
    if (other === undefined) return;
    const { id, state, watcher: whose } = other.core;
    const what = whose === ALL_WATCHERS ? "all watchers" : `watcher '${whose}'`;
    throw new CircusError("conflict", `rollout ${id} of ${what} is ${state}`);
  }

  #busyBeside(watcher: string, id: string): ReadonlySet<string> {
    const others = this.#of(watcher).filter(({ core }) => core.id !== id);
    return new Set(others.flatMap(({ core }) => core.steps.filter(isOpen).map((step) => step.host)));
  }

  /** Rollouts of one watcher know where the others are at work: together they keep the floor. */
  #shareBusy(watcher: string): void {
    const runners = this.#of(watcher);
    for (const runner of runners) {
      const busy = this.#busyBeside(runner.core.watcher, runner.core.id);
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
    const store = { save: (changed: RolloutCore): void => this.#save(changed) };
    const ready = (rollout: string): Promise<boolean> =>
      this.#untold.has(rollout) ? Promise.resolve(false) : this.#parts.stored();
    const runner = new RolloutRunner(core, { ...this.#parts, store, advise, ready }, () => {
      this.#running.delete(id);
      this.#tellNews();
      this.#shareBusy(watcher);
    });
    this.#running.set(id, runner);
    return runner;
  }

  #drop(id: string): void {
    this.#running.get(id)?.drop();
    this.#running.delete(id);
    this.#news.delete(id);
    this.#told.delete(id);
    this.#parts.store.forget(id);
  }

  /** Here first, then for the others. */
  #save(core: RolloutCore): void {
    const { store, emit, fence, controller } = this.#parts;
    const { id } = core;
    if (this.#untold.has(id)) store.forget(id);
    const drafts = draftsOf(store.save(core, fence()), controller);
    if (drafts.every((draft) => emit(draft))) this.#untold.delete(id);
    else this.#untold.add(id);
  }

  /** Its leader was lost before anybody else knew of it, and so before anything was sent. */
  #bury(core: RolloutCore): void {
    const reason = "its controller was lost before it began; nothing was sent";
    this.#save({ ...core, state: "failed", reason, ended: Date.now() });
    this.#parts.log.warning("a rollout was never begun", { rollout: core.id });
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

/** Do two rollouts concern a watcher in common? */
function isShared(one: string, other: string): boolean {
  return one === other || one === ALL_WATCHERS || other === ALL_WATCHERS;
}
