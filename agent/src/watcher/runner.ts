/**
 * The shell around the watcher's core: performs its effects, turns their outcomes into inputs and writes
 * the log. It decides nothing. Nothing thrown here or in the core gets out: it fails this watcher only.
 */
import { type EventDraft, type Millis, Runner, reasonOf, type Step } from "@circus-cluster/proto";
import type { WatcherConfig } from "../config/types.ts";
import { failSafe, transition } from "./core.ts";
import type {
  HealthSoFar,
  HealthWatch,
  HookRequest,
  Inherited,
  ProcessExit,
  SpawnResult,
  Stats,
  TimerHandle,
  WatcherDeps,
} from "./deps.ts";
import {
  isLive,
  type Legacy,
  type ReplyResult,
  type TimerName,
  type WatcherEffect,
  type WatcherInput,
  type WatcherState,
} from "./state.ts";
import { fleetWord, isAllHealthy, processViews } from "./status.ts";

/** Longer delays than this overflow Node's timers; the core sets one again that fired too early. */
const DELAY_MAX_MS = 2 ** 31 - 1;

type Feed = (input: WatcherInput) => void;
type Core = typeof transition;

export class WatcherRunner {
  readonly #deps: WatcherDeps;
  readonly #onReply: (ticket: number, result: ReplyResult) => void;
  readonly #core: Core;
  readonly #runner: Runner<WatcherState, WatcherInput, WatcherEffect>;
  readonly #timers = new Map<TimerName, TimerHandle>();
  /** What breaks off the calls of hooks that are under way, by id. */
  readonly #calls = new Map<number, () => void>();
  /** Health checks of live processes, by pid. */
  readonly #checks = new Map<number, HealthWatch>();
  #sinceWallMs: Millis;
  #isAbandoned = false;

  /** @param core the transition function; another one than the real one only in tests */
  constructor(
    initial: WatcherState,
    deps: WatcherDeps,
    onReply: (ticket: number, result: ReplyResult) => void,
    core: Core = transition,
  ) {
    this.#deps = deps;
    this.#onReply = onReply;
    this.#core = core;
    this.#sinceWallMs = deps.wall();
    this.#runner = new Runner<WatcherState, WatcherInput, WatcherEffect>(
      initial,
      (state, input, now) => this.#step(state, input, now),
      {
        now: () => deps.now(),
        perform: (effect, feed) => this.#perform(effect, feed),
        onBug: (error, input) => deps.log.critical("input lost", { input: input.kind, err: error }),
      },
    );
  }

  get state(): WatcherState {
    return this.#runner.state;
  }

  /** Wall ms since which the fleet's word for the state holds. */
  get sinceWallMs(): Millis {
    return this.#sinceWallMs;
  }

  readonly feed = (input: WatcherInput): void => {
    if (!this.#isAbandoned) this.#runner.feed(input);
  };

  /** Goes on with what another agent left; once, before anything else. @param living of its processes */
  adopt(legacy: Legacy, living: readonly Inherited[]): void {
    this.feed({ kind: "adopted", legacy });
    for (const process of living) this.#attend(process);
  }

  #attend(inherited: Inherited): void {
    const { pid, wid, notify } = inherited;
    const { config, processes } = this.state;
    const process = processes.find((one) => isLive(one) && one.pid === pid);
    if (process === undefined || !isLive(process)) return;
    this.#deps.attend(inherited, config, (exit) => this.#exited(wid, pid, exit));
    if (notify === null && config.lifecycle.healthcheck?.probe.type === "notify") return;
    try {
      const health = this.#deps.watchHealth(config, wid, notify ?? undefined);
      const uptimeMs = this.#deps.now() - process.sinceMs;
      if (health !== null)
        this.#check(health, wid, pid, { health: process.health, ailment: process.ailment, uptimeMs });
    } catch (error) {
      this.#deps.log.error("the health of an adopted process is not watched", { pid, reason: reasonOf(error) });
    }
  }

  /** Lets go of everything; no input and no effect from now on. Harmless twice. */
  abandon(): void {
    this.#isAbandoned = true;
    for (const timer of [...this.#timers.keys()]) this.#clearTimer(timer);
    for (const check of this.#checks.values()) check.close();
    this.#checks.clear();
    for (const cancel of this.#calls.values()) cancel();
    this.#calls.clear();
  }

  #step(state: WatcherState, input: WatcherInput, now: Millis): Step<WatcherState, WatcherEffect> {
    let step: Step<WatcherState, WatcherEffect>;
    try {
      step = this.#core(state, input, now);
    } catch (error) {
      this.#deps.log.error("internal error, the watcher is held", {
        input: JSON.stringify(input),
        goal: state.goal,
        status: state.status,
        stack: error instanceof Error ? error.stack : String(error),
      });
      step = failSafe(state, input, now, `internal error of watcher '${state.config.name}': ${reasonOf(error)}`);
    }
    this.#deps.stateTurned(state, step.state);
    const isHealthy = isAllHealthy(step.state);
    if (isHealthy !== isAllHealthy(state)) this.#deps.healthTurned(isHealthy);
    if (step.state.status !== state.status) this.#deps.statusTurned(step.state.status);
    if (step.state.config !== state.config) this.#deps.configTurned(step.state.config);
    if (fleetWord(step.state) !== fleetWord(state)) this.#sinceWallMs = this.#deps.wall();
    if (step.state.config.lifecycle.healthcheck !== state.config.lifecycle.healthcheck) this.#checkAnew(step.state);
    return step;
  }

  #perform(effect: WatcherEffect, feed: Feed): void {
    try {
      this.#do(effect, feed);
    } catch (error) {
      this.#deps.log.error("effect failed", { effect: effect.kind, err: error });
      // A spawn that threw must not be waited for.
      if (effect.kind === "spawn") feed({ kind: "spawn_failed", wid: effect.wid, reason: reasonOf(error) });
    }
  }

  #do(effect: WatcherEffect, feed: Feed): void {
    const { bus } = this.#deps;
    switch (effect.kind) {
      case "spawn": {
        this.#spawn(effect, feed);
        return;
      }
      case "signal": {
        this.#signal(effect, feed);
        return;
      }
      case "call_hook": {
        this.#callHook(effect, feed);
        return;
      }
      case "cancel_hook": {
        this.#calls.get(effect.id)?.();
        this.#calls.delete(effect.id);
        return;
      }
      case "set_timer": {
        this.#setTimer(effect.timer, effect.delayMs);
        return;
      }
      case "clear_timer": {
        this.#clearTimer(effect.timer);
        return;
      }
      case "publish": {
        bus.publish(effect.event);
        return;
      }
      case "emit":
        this.#log(effect.event);
        bus.emit(effect.event);
        return;
      case "intend": {
        this.#deps.intend(effect.intent);
        return;
      }
      case "escalate": {
        this.#deps.escalate(effect.reason);
        return;
      }
      case "reply": {
        this.#onReply(effect.ticket, effect.result);
        return;
      }
      default:
        return effect satisfies never;
    }
  }

  #spawn({ wid, config }: Extract<WatcherEffect, { kind: "spawn" }>, feed: Feed): void {
    let pid = 0;
    const health = this.#deps.watchHealth(config, wid);
    const withHealth = health === null ? config : { ...config, env: { ...config.env, ...health.env } };
    let result: SpawnResult;
    try {
      result = this.#deps.spawn({ config: withHealth, wid }, (exit) => {
        health?.close();
        this.#exited(wid, pid, exit);
      });
    } catch (error) {
      health?.close();
      throw error;
    }
    if (!result.ok) {
      health?.close();
      feed({ kind: "spawn_failed", wid, reason: result.reason });
      return;
    }
    pid = result.pid;
    feed({ kind: "spawned", wid, pid, startedMs: result.startedMs, chance: this.#deps.random() });
    if (health !== null) this.#check(health, wid, pid);
  }

  #exited(wid: number, pid: number, { code, signal }: ProcessExit): void {
    this.#endCheck(pid);
    this.feed({ kind: "exited", wid, pid, code, signal });
  }

  #endCheck(pid: number): void {
    this.#checks.get(pid)?.close();
    this.#checks.delete(pid);
  }

  #check(health: HealthWatch, wid: number, pid: number, sofar?: HealthSoFar): void {
    this.#checks.set(pid, health);
    health.begin(pid, (ailment) => this.feed({ kind: "health_changed", wid, pid, ailment }), sofar);
  }

  /**
   * Other checks for the processes that are there, after this turn. One that can hear of its check only when it is
   * made keeps the old one until it is replaced.
   */
  #checkAnew({ config, processes }: WatcherState): void {
    const { healthcheck } = config.lifecycle;
    if (healthcheck?.probe.type === "notify") return;
    for (const { wid, pid } of processes.filter(isLive)) {
      this.#endCheck(pid);
      queueMicrotask(() => {
        if (this.#isAbandoned || !this.state.processes.some((process) => isLive(process) && process.pid === pid))
          return;
        const health = this.#deps.watchHealth(config, wid);
        if (health !== null) this.#check(health, wid, pid);
      });
    }
  }

  #signal({ to, wid, pid, signum }: Extract<WatcherEffect, { kind: "signal" }>, feed: Feed): void {
    switch (to) {
      case "process": {
        this.#deps.signal(pid, signum);
        return;
      }
      case "group": {
        this.#deps.killGroup(pid, signum);
        return;
      }
      case "children": {
        const children = this.#deps.signalChildren(pid, signum);
        if (children.length > 0) feed({ kind: "children_signalled", wid, pid, children });
        return;
      }
      default:
        return to satisfies never;
    }
  }

  #callHook({ call, config }: Extract<WatcherEffect, { kind: "call_hook" }>, feed: Feed): void {
    const { id } = call;
    // Taken out again by an answer that comes before the call is back.
    this.#calls.set(id, () => undefined);
    try {
      const cancel = this.#deps.callHook(this.hookRequest(call, config), (outcome) => {
        this.#calls.delete(id);
        this.feed({ kind: "hook_returned", id, outcome });
      });
      if (this.#calls.has(id)) this.#calls.set(id, cancel);
    } catch (error) {
      this.#calls.delete(id);
      feed({ kind: "hook_returned", id, outcome: { kind: "failed", error: reasonOf(error) } });
    }
  }

  /** @param stats only for `extended_stats` */
  hookRequest(call: HookRequest["call"], config: WatcherConfig, stats: Stats | null = null): HookRequest {
    return {
      ...{ call, config, stats },
      status: this.state.status,
      processes: processViews(this.state),
      send: (pid, signum) => {
        const isOwn = this.state.processes.some((process) => isLive(process) && process.pid === pid);
        if (isOwn) this.#deps.signal(pid, signum);
        return isOwn;
      },
    };
  }

  #setTimer(timer: TimerName, delayMs: Millis): void {
    this.#clearTimer(timer);
    const handle = this.#deps.setTimer(Math.min(delayMs, DELAY_MAX_MS), () => {
      this.#timers.delete(timer);
      this.feed({ kind: "timer_fired", timer });
    });
    this.#timers.set(timer, handle);
  }

  #clearTimer(timer: TimerName): void {
    const handle = this.#timers.get(timer);
    if (handle === undefined) return;
    this.#timers.delete(timer);
    this.#deps.clearTimer(handle);
  }

  /** A start that fails is one line, at its end; what is tried without end, or beside others, is said each time. */
  #isSpawnNews(): boolean {
    const { status, config } = this.state;
    return status === "active" || config.maxRetry < 0;
  }

  /** One line per change. */
  #log({ kind, data, pid, wid, actor, cause }: EventDraft): void {
    const { log } = this.#deps;
    const facts = { wid, pid, ...data, actor, cause };
    const text = kind.replaceAll("_", " ");
    if (kind === "watcher_failed") log.error(text, facts);
    else if (
      (kind === "process_spawn_failed" && this.#isSpawnNews()) ||
      kind === "process_unhealthy" ||
      kind === "hook_failed" ||
      (kind === "process_exited" && (data["expected"] === false || data["unattended"] === true))
    ) {
      log.warning(text, facts);
    } else if (
      kind === "process_adopted" ||
      kind === "watcher_started" ||
      kind === "watcher_stopped" ||
      kind === "watcher_updated"
    ) {
      log.info(text, facts);
    } else log.debug(text, facts);
  }
}
