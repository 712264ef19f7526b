/**
 * Owns all watchers and sockets of one agent and puts its parts together. One arbiter is one life between a
 * start and a quit (or a restart of everything, after which another arbiter is made).
 *
 * Invariants: no worker is started before every endpoint and socket is bound; no endpoint or socket is closed
 * before the last worker has gone; a watcher that fails stops neither the others nor the agent.
 */
import { performance } from "node:perf_hooks";
import {
  CircusError,
  type CircusReply,
  type Clock,
  type HostSnapshot,
  type Logger,
  reasonOf,
  VERSION,
} from "@circus-cluster/proto";
import { budgetProblem, type Descriptors } from "./arbiter/descriptor-budget.ts";
import { type Foundation, layFoundation, type Succession } from "./arbiter/foundation.ts";
import { adoptAll, leaveAll, tellEnded, tellSwept, untilNoneIsBetween } from "./arbiter/handover.ts";
import { Intents } from "./arbiter/intents.ts";
import { addWatcher, checkIsRemovable, checkNameIsFree, removeWatcher } from "./arbiter/membership.ts";
import { serveNumbers, usageOf } from "./arbiter/numbers.ts";
import { Orders } from "./arbiter/orders.ts";
import { reloadProblem } from "./arbiter/reload-problem.ts";
import { Reloads } from "./arbiter/reloads.ts";
import { createSpawner } from "./arbiter/spawner.ts";
import { realWatcherDeps } from "./arbiter/watcher-deps.ts";
import { WatcherSet } from "./arbiter/watcher-set.ts";
import type { AgentView, Dispatch, ProcessAccess } from "./commands/agent-view.ts";
import { createDispatch } from "./commands/dispatch.ts";
import type { AgentConfig, CircusSection, LoadResult, WatcherConfig } from "./config/types.ts";
import { ConfigFile } from "./config-push/config-file.ts";
import type { CircusEvent, EventBus } from "./events/api.ts";
import { createEventBus } from "./events/bus.ts";
import type { FleetDoor } from "./fleet/door.ts";
import { joinFleet } from "./fleet/join.ts";
import { NotifyHub } from "./health/notify.ts";
import { HookHost } from "./hooks/host.ts";
import { showArbiter } from "./hooks/view.ts";
import { Outputs } from "./output/outputs.ts";
import type { OutputQueue } from "./output/sinks/queue.ts";
import { ownDescriptors } from "./process/inherited.ts";
import { childrenOf, descendantsOf } from "./process/signals.ts";
import type { HandedSocket } from "./sockets/handed.ts";
import type { SocketItem } from "./sockets/registry.ts";
import type { ResourceLimit } from "./sockets/syscalls.ts";
import { GONE, type Known, type ProcessRecord, StatsSampler } from "./stats/sampler.ts";
import type { ByHand, Cause, ReloadOptions, WatcherControl } from "./watcher/api.ts";
import { NOBODY } from "./watcher/state.ts";

export interface ArbiterOptions extends Succession {
  readonly config: AgentConfig;
  readonly log: Logger;
  /** Descriptor limit of the workers; null: the agent's own. */
  readonly nofile: ResourceLimit | null;
  /** Reads the configuration again, for `reloadconfig` and a restart of everything; null: it has no file. */
  readonly reload: (() => LoadResult) | null;
  /** Takes up what `reloadconfig` changed of the program itself, if anything: `loglevel`, `umask`. @default nothing */
  readonly applyCircus?: ((circus: CircusSection, changed: readonly string[]) => void) | undefined;
}

/** How an arbiter's life ended; `restart` brings the configuration for the next one. */
export type ArbiterEnd =
  /** @property failure why the agent gave up; null: it was told to end */
  | { readonly kind: "quit"; readonly failure: string | null }
  | { readonly kind: "restart"; readonly config: AgentConfig; readonly handed: readonly HandedSocket[] };

const clock: Clock = { wall: () => Date.now(), monotonic: () => performance.now() };

/** Between two starts by a connection, where no `check_delay` says so. */
const DEMAND_PAUSE_MS = 5000;

export class Arbiter implements AgentView {
  readonly log: Logger;
  readonly bus: EventBus;
  readonly processes: ProcessAccess;
  /** Settles when everything is closed. */
  readonly ended: Promise<ArbiterEnd>;
  readonly #options: ArbiterOptions;
  readonly #foundation: Foundation;
  readonly #watchers: WatcherSet;
  readonly #orders: Orders;
  readonly #sampler = new StatsSampler();
  readonly configFile: ConfigFile;
  readonly usage = usageOf(() => this.watchers());
  readonly #dispatch: Dispatch;
  readonly #outputs: Outputs;
  readonly #intents: Intents;
  readonly #notifyHub: NotifyHub;
  /** As they were before the first process. */
  readonly #descriptors: Descriptors = ownDescriptors();
  readonly #hooks: HookHost;
  /** Watchers and sockets as the file said last, the rest as it holds. */
  #config: AgentConfig;
  readonly #reloads: Reloads;
  readonly #listeners = new Set<(event: CircusEvent) => void>();
  #fleetDoor: FleetDoor | null = null;
  #resolveEnded!: (end: ArbiterEnd) => void;
  #end: ArbiterEnd | null = null;
  #stopping: Promise<void> | null = null;

  private constructor(options: ArbiterOptions, foundation: Foundation) {
    this.#options = options;
    this.#foundation = foundation;
    this.#config = foundation.inheritance.plan.base;
    this.log = options.log;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    const { pub, sockets, fleet } = foundation;
    this.bus = createEventBus({
      outbox: fleet?.outbox ?? null,
      count: foundation.metrics?.count,
      publish: (event) => {
        pub.publish(event);
        for (const listener of this.#listeners) listener(event);
      },
      clock,
      log: this.log,
    });
    this.#outputs = new Outputs(this.bus, this.log, foundation.stateDir);
    this.configFile = new ConfigFile(this, foundation.stateDir);
    this.#intents = Intents.open(foundation.stateDir, this.log);
    this.#notifyHub = new NotifyHub(foundation.readable);
    this.#hooks = new HookHost({
      ...{ python: this.config.circus.python, wall: () => clock.wall(), log: this.log },
      arbiter: () => showArbiter(this.config.circus, process.pid, this.#watchers.all()),
    });
    const { journal, processes, plan } = foundation.inheritance;
    this.processes = { send: processes.send, childrenOf, descendantsOf };
    const shared = {
      ...{ sockets, processes, outputs: this.#outputs, hub: this.#notifyHub, hooks: this.#hooks, bus: this.bus },
      spawn: createSpawner(sockets, this.#outputs, options.nofile, journal),
      run: createSpawner(sockets, this.#outputs, options.nofile),
    };
    journal.onFailure((reason) => this.bus.emit({ kind: "journal_failed", watcher: null, data: { reason } }));
    this.#watchers = new WatcherSet({
      depsOf: (log) => realWatcherDeps({ ...shared, log }),
      ...{ sockets, outputs: this.#outputs, log: this.log, journal, readable: foundation.readable },
      intents: this.#intents,
      now: () => clock.monotonic(),
      demandPauseMs: () => Math.max(0, this.config.circus.checkDelayS) * 1000 || DEMAND_PAUSE_MS,
      giveUp: (watcher, reason) => this.#giveUp(watcher, reason),
    });
    this.#orders = new Orders({
      watchers: this.#watchers,
      warmupMs: () => this.config.circus.warmupDelayS * 1000,
    });
    for (const config of this.config.watchers) {
      const { isAdded = false, config: current } = plan.heirs.get(config.name)?.entry ?? {};
      this.#watchers.add(config, isAdded, current);
    }
    this.#reloads = new Reloads({
      ...{ ...this.#membership, sockets, journal, log: this.log, read: options.reload },
      config: () => this.#config,
      apply: (config, changed) => {
        this.#config = config;
        options.applyCircus?.(config.circus, changed);
      },
      problemOf: (next, change) => reloadProblem(next, change, this.#descriptors, this.#outputs),
      checkAlive: () => this.#checkAlive(),
    });
    this.#dispatch = createDispatch(this);
  }

  /**
   * Binds everything and starts nothing.
   *
   * @throws CircusError or SocketError with one line; nothing stays open.
   */
  static async open(options: ArbiterOptions): Promise<Arbiter> {
    const { config, log, manager } = options;
    const foundation = await layFoundation(config, options, clock, log);
    const giveUp = async (problem: string, cause?: unknown): Promise<never> => {
      await foundation.abandon();
      throw new CircusError("os", problem, { cause });
    };
    const problem = budgetProblem(config.watchers, ownDescriptors());
    if (problem !== null) return await giveUp(problem);
    const arbiter = new Arbiter(options, foundation);
    try {
      arbiter.#fleetDoor = await joinFleet(arbiter, arbiter.#dispatch, foundation.fleet, clock);
      manager?.keep(foundation.sockets.all());
      return arbiter;
    } catch (error) {
      return await giveUp(`[fleet] ${reasonOf(error)}`, error);
    }
  }

  /** Answers commands from now on and starts the watchers; does not wait for them. */
  start(): void {
    const { door, sockets, inheritance, ended } = this.#foundation;
    this.bus.emit({ kind: "agent_started", watcher: null, data: { version: VERSION, pid: process.pid } });
    for (const socket of sockets.list()) this.bus.emit({ kind: "socket_bound", watcher: null, data: { ...socket } });
    door.serve(this.#dispatch);
    serveNumbers(this.#foundation, this, () => this.#fleetDoor?.isConnected === true);
    this.log.info("circusd started", { endpoint: this.config.circus.endpoint, watchers: this.watchers().length });
    tellEnded(ended, this.bus);
    tellSwept(inheritance.swept, this.bus, this.log);
    const carried = adoptAll(inheritance, this.#watchers, this.bus, this.log);
    // Each failure is logged by its watcher.
    this.#intents.tell(this.watchers().map((watcher) => watcher.config.name));
    const wanted = this.watchers().filter((watcher) => watcher.intent === null && !carried.has(watcher));
    const running = new Set(wanted.flatMap(({ config }) => (config.autostart ? [config.name] : [])));
    const isKept = (name: string): boolean =>
      running.has(name) || [...carried].some(({ config, status }) => config.name === name && status !== "stopped");
    this.#outputs.sweep(this.config.watchers, isKept);
    this.startMany(wanted, NOBODY).catch((error: unknown) => this.log.debug("start", { reason: reasonOf(error) }));
    if (inheritance.plan.isChanged) this.#reloads.catchUp(inheritance.plan.wanted);
  }

  get config(): AgentConfig {
    return this.#config;
  }

  watchers(): readonly WatcherControl[] {
    return this.#watchers.all();
  }

  sockets(): readonly SocketItem[] {
    return this.#foundation.sockets.list();
  }

  sample(pid: number, known: Known | null): ProcessRecord | typeof GONE {
    return this.#sampler.sample(pid, known);
  }

  roomProblem(watcher: WatcherControl, numprocesses: number): string | null {
    const configs = this.watchers().map(({ config }) =>
      config.name === watcher.config.name ? { ...config, numprocesses } : config,
    );
    return budgetProblem(configs, this.#descriptors);
  }

  snapshot(): HostSnapshot {
    const outbox = this.#foundation.fleet?.outbox;
    return {
      v: 1,
      epoch: outbox?.epoch ?? 0,
      seq: outbox?.seq ?? 0,
      time: clock.wall(),
      version: VERSION,
      labels: this.config.fleet?.labels ?? {},
      watchers: this.watchers().map((watcher) => watcher.snapshot()),
    };
  }

  get logs(): AgentView["logs"] {
    return this.#outputs;
  }

  streamProblem(config: WatcherConfig): string | null {
    return this.#outputs.problemOf(config);
  }

  readonly reopenOutputs = (): void => this.#outputs.reopen();

  /** What processes of a running watcher wrote, where its stream is a QueueStream; null: it is none. */
  outputQueue(watcher: string, stream: "stdout" | "stderr"): OutputQueue | null {
    return this.#outputs.queueOf(watcher, stream);
  }

  takeOver(watcher: WatcherControl): void {
    this.#orders.takeOver(watcher);
  }

  startMany(watchers: readonly WatcherControl[] | null, cause: Cause): Promise<void> {
    return this.#orders.start(watchers, cause);
  }

  stopMany(watchers: readonly WatcherControl[] | null, cause: Cause, byHand: ByHand | null = null): Promise<void> {
    return this.#orders.stop(watchers, cause, byHand);
  }

  restartMany(watchers: readonly WatcherControl[], cause: Cause): Promise<void> {
    return this.#orders.restart(watchers, cause);
  }

  reloadAll(cause: Cause, options: Omit<ReloadOptions, "newerThan">): Promise<void> {
    return this.#orders.reloadAll(cause, options);
  }

  addWatcher(config: WatcherConfig, cause: Cause): WatcherControl {
    this.#checkAlive();
    return addWatcher(this.#membership, config, cause);
  }

  checkNameIsFree(name: string): void {
    checkNameIsFree(this.#watchers, name);
  }

  checkIsRemovable(watcher: WatcherControl): void {
    checkIsRemovable(this.#watchers, watcher);
  }

  removeWatcher(watcher: WatcherControl, isLeft: boolean, cause: Cause): Promise<void> {
    return removeWatcher(this.#membership, watcher, isLeft, cause);
  }

  reloadConfig(cause: Cause): Promise<readonly string[]> {
    const { manager } = this.#options;
    const { sockets } = this.#foundation;
    const work = () => this.#reloads.reload(cause);
    return manager?.whileReloading(() => sockets.all(), work) ?? work();
  }

  async restartAgent(cause: Cause): Promise<void> {
    // Without a file there is nothing to begin anew from.
    if (this.#options.reload === null) await this.restartMany(this.watchers(), cause);
    else await this.#finish({ kind: "restart", config: this.#reloads.read(), handed: [] }, cause);
  }

  get #membership(): Parameters<typeof addWatcher>[0] {
    return { watchers: this.#watchers, orders: this.#orders, bus: this.bus };
  }

  #checkAlive(): void {
    if (this.#stopping !== null) throw new CircusError("conflict", "the agent is about to end");
  }

  /** For programs that embed it: ends it as `quit` does; settles when everything is closed. */
  async stop(): Promise<ArbiterEnd> {
    await this.quit(NOBODY);
    return await this.ended;
  }

  /** A command as a client sends it, answered at its end. */
  call(command: string, properties: Readonly<Record<string, unknown>> = {}): Promise<CircusReply> {
    const waited = { ...properties, waiting: true };
    return this.#dispatch({ command, properties: waited, actor: null, door: "zmq", commandId: null });
  }

  /** The events of the PUB socket, for a listener that does not throw. @returns ends it; harmless twice */
  onEvent(listener: (event: CircusEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async quit(cause: Cause, leavesWorkers = false): Promise<void> {
    await this.#finish({ kind: "quit", failure: null }, cause, leavesWorkers);
  }

  get leaveProblem(): string | null {
    const { isKept } = this.#foundation.inheritance.journal;
    return isKept ? null : "workers cannot be kept without a state directory: set 'state_dir' in [circus]";
  }

  /** `on_failed = quit`. */
  #giveUp(watcher: string, reason: string): void {
    this.log.critical("the agent ends because a watcher failed", { watcher, reason });
    const failure = `watcher '${watcher}' failed and has on_failed = quit: ${reason}`;
    void this.#finish({ kind: "quit", failure }, NOBODY);
  }

  /** A quit beats a restart that is under way, and of two quits the first holds. */
  #finish(end: ArbiterEnd, cause: Cause, leavesWorkers = false): Promise<void> {
    if (this.#end?.kind !== "quit") this.#end = end;
    this.#stopping ??= this.#stopAndClose(cause, leavesWorkers);
    return this.#stopping;
  }

  /** Settles when all watchers are stopped, or left, so that whoever waits is answered before the doors close. */
  async #stopAndClose(cause: Cause, leavesWorkers: boolean): Promise<void> {
    if (this.#end?.kind === "quit") this.#options.manager?.stopping();
    if (leavesWorkers) await untilNoneIsBetween(this.#watchers);
    this.#orders.close();
    this.#watchers.closeDemand();
    if (leavesWorkers) {
      await leaveAll(this.#watchers, this.#orders, cause, this.bus, this.log);
      this.#foundation.leaveSockets();
      void this.#close(true);
      return;
    }
    this.log.info("stopping all watchers", { actor: cause.actor ?? undefined });
    try {
      await this.stopMany(null, cause);
    } catch (error) {
      this.log.error("a watcher did not stop", { reason: reasonOf(error) });
    }
    this.bus.emit({ kind: "agent_stopped", watcher: null, actor: cause.actor ?? undefined, data: {} });
    this.#foundation.inheritance.journal.end(this.log);
    void this.#close(false);
  }

  async #close(leavesWorkers: boolean): Promise<void> {
    try {
      await this.#fleetDoor?.close();
      this.#notifyHub.close(leavesWorkers);
      this.#hooks.close();
      await this.#outputs.close(leavesWorkers);
      if (this.#end?.kind === "restart") this.#end = { ...this.#end, handed: this.#foundation.sockets.handOver() };
      await this.#foundation[Symbol.asyncDispose]();
    } catch (error) {
      this.log.error("not everything could be closed", { reason: reasonOf(error) });
    }
    this.#resolveEnded(this.#end ?? { kind: "quit", failure: null });
  }
}
