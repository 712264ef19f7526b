/** A watcher as the rest of the agent sees it: promises outside, requests and replies inside. */
import { CircusError, type WatcherSnapshot } from "@circus-cluster/proto";
import type { WatcherChange } from "../config/diff.ts";
import type { DrainHook } from "../config/hooks.ts";
import type { WatcherConfig } from "../config/types.ts";
import type { ByHand, Cause, ChangeInfo, CircusStatus, ProcessView, ReloadOptions, WatcherControl } from "./api.ts";
import type { HookRequest, Inherited, Stats, WatcherDeps } from "./deps.ts";
import { applyOptions } from "./options.ts";
import { WatcherRunner } from "./runner.ts";
import { type Command, type HookOutcome, type Intent, initialState, type Legacy, type ReplyResult } from "./state.ts";
import { processViews, snapshotOf } from "./status.ts";

type Done = Extract<ReplyResult, { kind: "done" }>;

interface Waiter {
  readonly resolve: (done: Done) => void;
  readonly reject: (error: CircusError) => void;
}

/** What came of a call beside the watcher's life. */
interface Aside {
  readonly outcome: HookOutcome;
  readonly changed?: Stats | undefined;
}

/** Every method that changes something settles exactly once; see {@link WatcherControl} for what they do. */
export class Watcher implements WatcherControl {
  readonly #deps: WatcherDeps;
  readonly #runner: WatcherRunner;
  readonly #waiters = new Map<number, Waiter>();
  /** Who waits for a spawn that fails. */
  readonly #failureListeners = new Set<() => void>();
  #lastTicket = 0;
  /** Settles when the call of a drain hook that was asked for last is over. */
  #lastDrain: Promise<unknown> = Promise.resolve();

  constructor(config: WatcherConfig, deps: WatcherDeps, intent: Intent | null) {
    this.#deps = deps;
    const spawn: WatcherDeps["spawn"] = (request, onExit) => {
      const result = deps.spawn(request, onExit);
      if (!result.ok) this.#tellFailure();
      return result;
    };
    this.#runner = new WatcherRunner(initialState(config, intent), { ...deps, spawn }, (ticket, result) =>
      this.#settle(ticket, result),
    );
  }

  adopt(legacy: Legacy, living: readonly Inherited[]): void {
    this.#runner.adopt(legacy, living);
  }

  get config(): WatcherConfig {
    return this.#runner.state.config;
  }

  get status(): CircusStatus {
    return this.#runner.state.status;
  }

  onceSpawnFails(onFailure: () => void): () => void {
    this.#failureListeners.add(onFailure);
    return () => void this.#failureListeners.delete(onFailure);
  }

  #tellFailure(): void {
    const listeners = [...this.#failureListeners];
    this.#failureListeners.clear();
    for (const listener of listeners) listener();
  }

  processes(): readonly ProcessView[] {
    return processViews(this.#runner.state);
  }

  snapshot(): WatcherSnapshot {
    return snapshotOf(this.#runner.state, this.#runner.sinceWallMs);
  }

  async start(cause: Cause): Promise<ChangeInfo> {
    return (await this.#ask(cause, { kind: "start" })).info;
  }

  async stop(cause: Cause, byHand: ByHand | null = null): Promise<ChangeInfo> {
    const { actor, command } = cause;
    const intent = byHand === null ? null : { actor: actor ?? "", command, at: this.#deps.wall(), why: byHand.why };
    const { info } = await this.#ask(cause, { kind: "stop", intent });
    await this.#deps.outputAtRest();
    return info;
  }

  async restart(cause: Cause, newerThan: number | null): Promise<ChangeInfo> {
    return (await this.#ask(cause, { kind: "restart", newerThan })).info;
  }

  async reload(cause: Cause, { graceful, sequential, newerThan }: ReloadOptions): Promise<ChangeInfo> {
    return (await this.#ask(cause, { kind: "reload", graceful, sequential, newerThan })).info;
  }

  async setNumprocesses(cause: Cause, n: number): Promise<number> {
    return (await this.#ask(cause, { kind: "resize", to: n })).numprocesses;
  }

  async addProcesses(cause: Cause, delta: number): Promise<number> {
    return (await this.#ask(cause, { kind: "resize_by", delta })).numprocesses;
  }

  async set(cause: Cause, options: Readonly<Record<string, unknown>>): Promise<void> {
    if (Object.keys(options).some((key) => key.startsWith("hooks"))) await this.#checkHooks(options);
    await this.#ask(cause, { kind: "set", options });
  }

  async configure(cause: Cause, { changes, keys, renewal }: WatcherChange): Promise<ChangeInfo> {
    return (await this.#ask(cause, { kind: "configure", changes, keys, renewal })).info;
  }

  abandon(): void {
    this.#runner.abandon();
    const { name } = this.config;
    for (const { reject } of this.#waiters.values()) reject(new CircusError("conflict", `'${name}' was removed`));
    this.#waiters.clear();
  }

  async kill(cause: Cause, pid: number | null, signum: number | null, gracefulTimeoutS: number | null): Promise<void> {
    await this.#ask(cause, { kind: "kill", pid, signum, gracefulTimeoutS });
  }

  async signal(cause: Cause, pids: readonly number[], signum: number): Promise<void> {
    await this.#ask(cause, { kind: "signal", pids, signum });
  }

  async extendStats(pid: number, stats: Stats): Promise<Stats> {
    if (this.config.hooks.byName.extended_stats === undefined) return stats;
    const call = { hook: "extended_stats", subject: null, facts: { pid } } as const;
    const { outcome, changed } = await this.#callAside(this.config, call, stats);
    if (outcome.kind === "failed") throw new CircusError("failed", `hook extended_stats failed: ${outcome.error}`);
    return changed ?? stats;
  }

  async callDrainHook(hook: DrainHook): Promise<boolean> {
    // Who is put back must not be taken out by a hook that was called before: one after another.
    const call = this.#lastDrain.then(() => this.#callDrainHook(hook));
    this.#lastDrain = call.catch(() => undefined);
    return await call;
  }

  async #callDrainHook(hook: DrainHook): Promise<boolean> {
    const { name: watcher, hooks } = this.config;
    const { bus, log } = this.#deps;
    const target = hooks.byName[hook];
    if (target === undefined) return false;
    const { outcome } = await this.#callAside(this.config, { hook, subject: null, facts: {} }, null);
    if (outcome.kind === "returned") {
      bus.publish({ watcher, event: "hook_success", data: { name: hook } });
      if (!outcome.value) throw new CircusError("failed", `hook ${hook} said no`);
      return true;
    }
    const { error } = outcome;
    bus.publish({ watcher, event: "hook_failure", data: { name: hook, error } });
    bus.emit({ kind: "hook_failed", watcher, data: { hook, reason: error } });
    log.warning("hook failed", { hook, reason: error });
    if (!target.ignore) throw new CircusError("failed", `hook ${hook} failed: ${error}`);
    return true;
  }

  /** A hook that cannot be called is refused before it takes the place of one that can. */
  async #checkHooks(options: Readonly<Record<string, unknown>>): Promise<void> {
    const applied = applyOptions(this.config, options);
    if (applied.kind === "refused") throw new CircusError(applied.code, applied.reason);
    const call = { hook: "check", subject: null, facts: { reload: 1 } } as const;
    const { outcome } = await this.#callAside(applied.config, call, null);
    if (outcome.kind === "failed") throw new CircusError("failed", outcome.error);
  }

  /** A call that no part of the watcher's life waits for. */
  #callAside(config: WatcherConfig, call: HookRequest["call"], stats: Stats | null): Promise<Aside> {
    const { timeoutMs } = config.hooks;
    return new Promise((resolve) => {
      const timer = this.#deps.setTimer(timeoutMs, () => {
        cancel();
        resolve({ outcome: { kind: "failed", error: `no answer within ${timeoutMs / 1000} s` } });
      });
      const cancel = this.#deps.callHook(this.#runner.hookRequest(call, config, stats), (outcome, changed) => {
        this.#deps.clearTimer(timer);
        resolve({ outcome, changed });
      });
    });
  }

  get intent(): Intent | null {
    return this.#runner.state.intent;
  }

  dependenciesChanged(unmet: readonly string[]): void {
    this.#runner.feed({ kind: "dependencies_changed", unmet });
  }

  #ask(cause: Cause, command: Command): Promise<Done> {
    const ticket = ++this.#lastTicket;
    return new Promise((resolve, reject) => {
      this.#waiters.set(ticket, { resolve, reject });
      this.#runner.feed({ kind: "command", request: { ticket, cause, wallMs: this.#deps.wall(), command } });
    });
  }

  #settle(ticket: number, result: ReplyResult): void {
    const waiter = this.#waiters.get(ticket);
    this.#waiters.delete(ticket);
    if (result.kind === "done") waiter?.resolve(result);
    else waiter?.reject(new CircusError(result.code, result.reason));
  }
}

/** A watcher that is stopped; `deps.log` should carry its name already. */
export function createWatcher(config: WatcherConfig, deps: WatcherDeps, intent: Intent | null = null): Watcher {
  return new Watcher(config, deps, intent);
}
