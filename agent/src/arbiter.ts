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
import { type Foundation, layFoundation } from "./arbiter/foundation.ts";
import { Intents } from "./arbiter/intents.ts";
import { addWatcher, checkIsRemovable, checkNameIsFree, removeWatcher } from "./arbiter/membership.ts";
import { serveNumbers } from "./arbiter/numbers.ts";
import { Orders } from "./arbiter/orders.ts";
import { reconfigure } from "./arbiter/reconfigure.ts";
import { reloadProblem } from "./arbiter/reload-problem.ts";
import { createSpawner } from "./arbiter/spawner.ts";
import { realWatcherDeps } from "./arbiter/watcher-deps.ts";
import { WatcherSet } from "./arbiter/watcher-set.ts";
import type { AgentView, Dispatch, ProcessAccess } from "./commands/agent-view.ts";
import { createDispatch } from "./commands/dispatch.ts";
import { formatDiagnostics } from "./config/check.ts";
import type { ConfigPlan } from "./config/diff.ts";
import type { AgentConfig, CircusSection, LoadResult, WatcherConfig } from "./config/types.ts";
import type { CircusEvent, EventBus } from "./events/api.ts";
import { createEventBus } from "./events/bus.ts";
import type { FleetDoor } from "./fleet/door.ts";
import { NotifyHub } from "./health/notify.ts";
import { HookHost } from "./hooks/host.ts";
import { showArbiter } from "./hooks/view.ts";
import { Outputs } from "./output/outputs.ts";
import type { OutputQueue } from "./output/sinks/queue.ts";
import { ownDescriptors } from "./process/inherited.ts";
import { childrenOf, descendantsOf, sendSignal } from "./process/signals.ts";
import type { HandedSocket } from "./sockets/handed.ts";
import type { SocketItem } from "./sockets/registry.ts";
import type { ResourceLimit } from "./sockets/syscalls.ts";
import { GONE, type Known, type ProcessRecord, StatsSampler } from "./stats/sampler.ts";
import type { ServiceManager } from "./systemd/manager.ts";
import type { ByHand, Cause, ReloadOptions, WatcherControl } from "./watcher/api.ts";
import { NOBODY } from "./watcher/state.ts";

export interface ArbiterOptions {
  readonly config: AgentConfig;
  readonly log: Logger;
  /** Descriptor limit of the workers; null: the agent's own. */
  readonly nofile: ResourceLimit | null;
  /** Reads the configuration again, for `reloadconfig` and a restart of everything; null: it has no file. */
  readonly reload: (() => LoadResult) | null;
  /** Takes up what `reloadconfig` changed of the program itself, if anything: `loglevel`, `umask`. @default nothing */
  readonly applyCircus?: ((circus: CircusSection, changed: readonly string[]) => void) | undefined;
  /** Listening sockets that are open already; those that no section wants are closed. @default none */
  readonly handed?: readonly HandedSocket[];
  /** Keeps the sockets, and is told of reloads and of the end. @default nobody */
  readonly manager?: ServiceManager | null;
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
  readonly processes: ProcessAccess = { send: sendSignal, childrenOf, descendantsOf };
  /** Settles when everything is closed. */
  readonly ended: Promise<ArbiterEnd>;
  readonly #options: ArbiterOptions;
  readonly #foundation: Foundation;
  readonly #watchers: WatcherSet;
  readonly #orders: Orders;
  readonly #sampler = new StatsSampler();
  readonly #dispatch: Dispatch;
  readonly #outputs: Outputs;
  readonly #intents: Intents;
  readonly #notifyHub: NotifyHub;
  /** As they were before the first process. */
  readonly #descriptors: Descriptors = ownDescriptors();
  readonly #hooks: HookHost;
  /** Watchers and sockets as the file said last, the rest as it holds. */
  #config: AgentConfig;
  /** Settles when the last reload of the configuration is done. */
  #reloading: Promise<unknown> = Promise.resolve();
  readonly #listeners = new Set<(event: CircusEvent) => void>();
  #fleetDoor: FleetDoor | null = null;
  #resolveEnded!: (end: ArbiterEnd) => void;
  #end: ArbiterEnd | null = null;
  #stopping: Promise<void> | null = null;

  private constructor(options: ArbiterOptions, foundation: Foundation) {
    this.#options = options;
    this.#foundation = foundation;
    this.#config = options.config;
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
    this.#intents = Intents.open(foundation.stateDir, this.log);
    this.#notifyHub = new NotifyHub(this.log);
    this.#hooks = new HookHost({
      ...{ python: this.config.circus.python, wall: () => clock.wall(), log: this.log },
      arbiter: () => showArbiter(this.config.circus, process.pid, this.#watchers.all()),
    });
    const spawn = createSpawner(sockets, this.#outputs, options.nofile);
    const shared = { sockets, spawn, hub: this.#notifyHub, hooks: this.#hooks, bus: this.bus };
    this.#watchers = new WatcherSet({
      depsOf: (log) => realWatcherDeps({ ...shared, log }),
      ...{ sockets, outputs: this.#outputs, log: this.log },
      intents: this.#intents,
      now: () => clock.monotonic(),
      demandPauseMs: () => Math.max(0, this.config.circus.checkDelayS) * 1000 || DEMAND_PAUSE_MS,
      giveUp: (watcher, reason) => this.#giveUp(watcher, reason),
    });
    this.#orders = new Orders({
      watchers: this.#watchers,
      warmupMs: () => this.config.circus.warmupDelayS * 1000,
    });
    for (const config of this.config.watchers) this.#watchers.add(config);
    this.#dispatch = createDispatch(this);
  }

  /**
   * Binds everything and starts nothing.
   *
   * @throws CircusError or SocketError with one line; nothing stays open.
   */
  static async open(options: ArbiterOptions): Promise<Arbiter> {
    const { config, log, handed = [], manager } = options;
    const forget = async (closed: readonly HandedSocket[]) => await manager?.forget(closed);
    const foundation = await layFoundation(config, { handed, forget }, clock, log);
    const problem = budgetProblem(config.watchers, ownDescriptors());
    if (problem !== null) await foundation[Symbol.asyncDispose]();
    if (problem !== null) throw new CircusError("os", problem);
    const arbiter = new Arbiter(options, foundation);
    try {
      await arbiter.#joinFleet();
      manager?.keep(foundation.sockets.all());
      return arbiter;
    } catch (error) {
      await foundation[Symbol.asyncDispose]();
      throw new CircusError("os", `[fleet] ${reasonOf(error)}`, { cause: error });
    }
  }

  /** Answers commands from now on and starts the watchers; does not wait for them. */
  start(): void {
    const { door, sockets } = this.#foundation;
    this.bus.emit({ kind: "agent_started", watcher: null, data: { version: VERSION, pid: process.pid } });
    for (const socket of sockets.list()) this.bus.emit({ kind: "socket_bound", watcher: null, data: { ...socket } });
    door.serve(this.#dispatch);
    serveNumbers(this.#foundation, this, () => this.#fleetDoor?.isConnected === true);
    this.log.info("circusd started", { endpoint: this.config.circus.endpoint, watchers: this.watchers().length });
    // Each failure is logged by its watcher.
    this.#intents.tell(this.watchers().map((watcher) => watcher.config.name));
    const wanted = this.watchers().filter((watcher) => watcher.intent === null);
    const running = new Set(wanted.flatMap(({ config }) => (config.autostart ? [config.name] : [])));
    this.#outputs.sweep(this.config.watchers, (name) => running.has(name));
    this.startMany(wanted, NOBODY).catch((error: unknown) => this.log.debug("start", { reason: reasonOf(error) }));
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

  streamProblem(config: WatcherConfig): string | null {
    return this.#outputs.problemOf(config);
  }

  reopenOutputs(): void {
    this.#outputs.reopen();
  }

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

  /** One after another: each finds what the last has left. */
  reloadConfig(cause: Cause): Promise<readonly string[]> {
    const { manager } = this.#options;
    const { sockets } = this.#foundation;
    const work = () => this.#reloadConfig(cause);
    const run = this.#reloading.then(() => manager?.whileReloading(() => sockets.all(), work) ?? work());
    this.#reloading = run.catch(() => undefined);
    return run;
  }

  async #reloadConfig(cause: Cause): Promise<readonly string[]> {
    this.#checkAlive();
    const next = this.#read();
    const world = {
      ...{ ...this.#membership, sockets: this.#foundation.sockets, log: this.log },
      apply: (config: AgentConfig, changed: readonly string[]) => {
        this.#config = config;
        this.#options.applyCircus?.(config.circus, changed);
      },
      problemOf: (plan: ConfigPlan) => reloadProblem(next, plan, this.#descriptors, this.#outputs),
      checkAlive: () => this.#checkAlive(),
    };
    const deferred = await reconfigure(world, this.#config, next, cause);
    if (deferred.length > 0) this.log.warning("in effect only after a restart of circusd", { keys: deferred.join() });
    return deferred;
  }

  async restartAgent(cause: Cause): Promise<void> {
    // Without a file there is nothing to begin anew from.
    if (this.#options.reload === null) await this.restartMany(this.watchers(), cause);
    else await this.#finish({ kind: "restart", config: this.#read(), handed: [] }, cause);
  }

  /** @throws CircusError `failed` with all mistakes in one line */
  #read(): AgentConfig {
    if (this.#options.reload === null) throw new CircusError("failed", "this agent was not made from a file");
    const { config, diagnostics } = this.#options.reload();
    if (config !== null) return config;
    const errors = diagnostics.filter(({ severity }) => severity === "error");
    throw new CircusError("failed", formatDiagnostics(errors, process.cwd()).join("; "));
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

  async quit(cause: Cause): Promise<void> {
    await this.#finish({ kind: "quit", failure: null }, cause);
  }

  /** `on_failed = quit`. */
  #giveUp(watcher: string, reason: string): void {
    this.log.critical("the agent ends because a watcher failed", { watcher, reason });
    const failure = `watcher '${watcher}' failed and has on_failed = quit: ${reason}`;
    void this.#finish({ kind: "quit", failure }, NOBODY);
  }

  /** A quit beats a restart that is under way, and of two quits the first holds. */
  #finish(end: ArbiterEnd, cause: Cause): Promise<void> {
    if (this.#end?.kind !== "quit") this.#end = end;
    this.#stopping ??= this.#stopAndClose(cause);
    return this.#stopping;
  }

  /** Settles when all watchers are stopped, so that whoever waits is answered before the doors close. */
  async #stopAndClose(cause: Cause): Promise<void> {
    if (this.#end?.kind === "quit") this.#options.manager?.stopping();
    this.#orders.close();
    this.#watchers.closeDemand();
    this.log.info("stopping all watchers", { actor: cause.actor ?? undefined });
    try {
      await this.stopMany(null, cause);
    } catch (error) {
      this.log.error("a watcher did not stop", { reason: reasonOf(error) });
    }
    this.bus.emit({ kind: "agent_stopped", watcher: null, actor: cause.actor ?? undefined, data: {} });
    void this.#close();
  }

  async #close(): Promise<void> {
    try {
      await this.#fleetDoor?.close();
      this.#notifyHub.close();
      this.#hooks.close();
      await this.#outputs.close();
      if (this.#end?.kind === "restart") this.#end = { ...this.#end, handed: this.#foundation.sockets.handOver() };
      await this.#foundation[Symbol.asyncDispose]();
    } catch (error) {
      this.log.error("not everything could be closed", { reason: reasonOf(error) });
    }
    this.#resolveEnded(this.#end ?? { kind: "quit", failure: null });
  }

  /** Looks for NATS in the background. Loaded by need: a plain single host pays nothing for it. */
  async #joinFleet(): Promise<void> {
    const { fleet: place } = this.#foundation;
    const { fleet: config } = this.config;
    if (config === null || place === null) return;
    const { startFleetDoor } = await import("./fleet/door.ts");
    const shared = { bus: this.bus, log: this.log, clock };
    const asked = { dispatch: this.#dispatch, snapshot: () => this.snapshot() };
    this.#fleetDoor = startFleetDoor({ config, stateDir: place.stateDir, outbox: place.outbox, ...asked, ...shared });
  }
}
