/**
 * Compares what is wanted with what is and says what to do about it: the only place that asks for a spawn
 * or a stop (I1), and the only one that knows when the next deadline is (I4). Pure; changes nothing.
 */
import type { Millis } from "@circus-cluster/proto";
import { isCalling } from "./hooks.ts";
import {
  isRunning,
  type ProcessState,
  type Running,
  type StopReason,
  spawningSlot,
  type TimerName,
  type Timers,
  type WatcherState,
} from "./state.ts";

/**
 * A process on its way out for one of these reasons is replaced once it is gone, and until then keeps its
 * place: so a worker that ignores its signal is not joined by a successor.
 */
const HOLDS_PLACE: Readonly<Record<StopReason, boolean>> = {
  kill: true,
  expire: true,
  replace: true,
  unhealthy: true,
  stop: false,
  surplus: false,
  rollback: false,
};

interface Stop {
  readonly pid: number;
  readonly reason: StopReason;
}

export interface NextSpawn {
  readonly wid: number;
  /** Monotonic ms before which it must not happen. */
  readonly atMs: Millis;
  /** It fills a vacancy, the one that is due first; otherwise it is wanted afresh. */
  readonly fillsVacancy: boolean;
}

export interface Plan {
  readonly stops: readonly Stop[];
  readonly spawn: NextSpawn | null;
}

/** Processes that are wanted when the goal is `up`. */
export function wanted(state: WatcherState): number {
  return Math.max(0, state.config.numprocesses - state.spent);
}

/** Is a process that went by itself replaced? With `on_demand` the next connection asks for one (reference §2.8). */
export function refills({ config }: WatcherState): boolean {
  return config.respawn && !config.onDemand;
}

/** How many more processes the goal asks for; a crashed one that backs off counts as missing. */
export function missing(state: WatcherState): number {
  switch (state.goal) {
    case "up":
    case "sequence":
      return Math.max(0, wanted(state) - count(state, (p) => p.kind !== "stopping" || HOLDS_PLACE[p.reason]));
    case "overlap":
      return Math.max(0, state.config.numprocesses - count(state, (p) => p.generation === state.generation));
    case "down":
    case "rollback":
    case "held":
      return 0;
    default:
      return state.goal satisfies never;
  }
}

/** Counts without a copy: a start of a thousand asks this thousands of times. */
export function count(state: WatcherState, which: (process: ProcessState) => boolean): number {
  let n = 0;
  for (const process of state.processes) if (which(process)) n++;
  return n;
}

/** It would start, but what it depends on is not healthy yet. One that runs already goes on without. */
export function isWaiting(state: WatcherState): boolean {
  return state.status === "starting" && state.processes.length === 0 && state.unmet.length > 0;
}

/** Its hooks have still to say whether it may start. */
function isEntering(state: WatcherState): boolean {
  return state.isUnasked || isCalling(state, "check") || isCalling(state, "before_start");
}

/**
 * It is not getting on: what it depends on is not healthy, or its program cannot be spawned. That may never end. Nothing
 * of it runs, so its configuration can change as on one that is stopped.
 */
export function isStalled(state: WatcherState): boolean {
  const { job, status, processes, calls, isUnasked, spawnFailures } = state;
  if (job?.kind !== "start" || status !== "starting" || processes.length > 0 || calls.length > 0) return false;
  return isUnasked || spawnFailures > 0 || isWaiting(state);
}

/** A start whose attempts fail, with nothing that ends them. What it depends on may be healthy at any moment. */
export function isEndless(state: WatcherState): boolean {
  return isStalled(state) && state.spawnFailures > 0 && state.config.maxRetry < 0;
}

/** New processes beside the old ones, and beside some that are still on their way out since before: these first. */
function isCrowded(state: WatcherState): boolean {
  const { goal, processes, config } = state;
  return goal === "overlap" && processes.length >= 2 * config.numprocesses && count(state, isLeaving) > 0;
}

function isLeaving(process: ProcessState): boolean {
  return process.kind === "stopping";
}

/** The next spawn that the goal asks for, due or not; null while one is under way (I3) or none is wanted. */
function nextSpawn(state: WatcherState): NextSpawn | null {
  // The next one comes when the hook has said what becomes of the last.
  if (spawningSlot(state) !== null || isCalling(state, "after_spawn")) return null;
  if (isWaiting(state) || isEntering(state) || isCrowded(state)) return null;
  const lacking = missing(state);
  if (lacking === 0) return null;
  const fillsVacancy = state.goal !== "overlap" && state.vacancies.length >= lacking;
  let atMs = state.spawnNotBeforeMs;
  // A graceful reload brings its new processes up without pause (reference §2.7).
  if (state.goal !== "overlap") atMs = Math.max(atMs, state.warmNotBeforeMs);
  if (fillsVacancy) atMs = Math.max(atMs, Math.min(...state.vacancies.map((vacancy) => vacancy.dueMs)));
  return { wid: freeWid(state), atMs, fillsVacancy };
}

/** The smallest unused number from 1: in 1..2N, as never more than 2N processes live at once (reference §2.5). */
function freeWid(state: WatcherState): number {
  const used: boolean[] = [];
  for (const process of state.processes) used[process.wid] = true;
  let wid = 1;
  while (used[wid] === true) wid++;
  return wid;
}

/** What to do now. */
export function reconcile(state: WatcherState, now: Millis): Plan {
  const next = nextSpawn(state);
  return { stops: stops(state, now), spawn: next !== null && next.atMs <= now ? next : null };
}

function stops(state: WatcherState, now: Millis): readonly Stop[] {
  const running = state.processes.filter(isRunning);
  const all = (which: readonly Running[], reason: StopReason) => which.map(({ pid }) => ({ pid, reason }));
  switch (state.goal) {
    case "down":
      return isCalling(state, "before_stop") ? [] : all(running, "stop");
    case "rollback":
      return all(
        running.filter((process) => process.generation === state.generation),
        "rollback",
      );
    case "up": {
      const excess = Math.max(0, running.length - wanted(state));
      const replaces = replacesIll(state);
      const isIll = (process: Running) => replaces && process.health === "unhealthy";
      if (excess === 0 && state.config.maxAgeS <= 0 && !running.some(isIll)) return [];
      const [old, kept] = [running.slice(0, excess), running.slice(excess)];
      const unfit = kept.filter(isIll);
      const expired = kept.filter((process) => !isIll(process) && (expiryMs(state, process) ?? Infinity) <= now);
      return [...all(old, "surplus"), ...all(unfit, "unhealthy"), ...all(expired, "expire")];
    }
    case "sequence": {
      const old = nextToReplace(state);
      return old !== null && state.warmNotBeforeMs <= now ? all([old], "replace") : [];
    }
    case "overlap":
    case "held":
      return [];
    default:
      return state.goal satisfies never;
  }
}

/** Without `respawn` nobody would come in its place: then it is only told that a process is ill. */
function replacesIll({ config }: WatcherState): boolean {
  return config.respawn && config.lifecycle.healthcheck?.onUnhealthy === "replace";
}

/** In a sequential reload: the oldest process of an older generation, once all others are there and healthy. */
function nextToReplace(state: WatcherState): Running | null {
  const running = state.processes.filter(isRunning);
  const isSettled =
    missing(state) === 0 &&
    running.length === state.processes.length &&
    running.every((process) => process.generation < state.generation || process.health === "healthy");
  return isSettled ? (running.find((process) => process.generation < state.generation) ?? null) : null;
}

/** Monotonic ms at which a process is too old, by `max_age` and its own share of the variance; null for never. */
function expiryMs({ config }: WatcherState, process: Running): Millis | null {
  if (config.maxAgeS <= 0) return null;
  const extraS = Math.floor(process.chance * (Math.max(0, config.maxAgeVarianceS) + 1));
  return process.sinceMs + (config.maxAgeS + extraS) * 1000;
}

/**
 * Monotonic ms at which a process has lived long enough to count as healthy (`ready.min_uptime`); null where a
 * health check says so instead.
 */
export function healthyAtMs({ config }: WatcherState, process: Running): Millis | null {
  return config.lifecycle.healthcheck === null ? process.sinceMs + config.readyMinUptimeS * 1000 : null;
}

/** The deadlines that lie ahead: exactly the timers that should be running. */
export function deadlines(state: WatcherState): Timers {
  const timers: Partial<Record<TimerName, Millis>> = {};
  const next = nextSpawn(state);
  if (next !== null) timers.spawn = next.atMs;
  const calledMs = state.calls[0]?.deadlineMs;
  if (calledMs !== undefined && calledMs !== null) {
    timers.hook = state.status === "stopped" ? Math.min(calledMs, state.hooksByMs ?? Infinity) : calledMs;
  }
  if (state.goal === "sequence" && nextToReplace(state) !== null) timers.pace = state.warmNotBeforeMs;
  const ages = state.goal === "up" && state.config.maxAgeS > 0;
  for (const process of state.processes) {
    if (process.kind === "stopping" && process.phase === "signalled") {
      timers.kill = Math.min(timers.kill ?? Infinity, process.killAtMs);
    }
    if (process.kind !== "running") continue;
    // The first one is the earliest: all wait equally long, and they stand in order (I5).
    if (process.health === "starting" && timers.healthy === undefined) {
      const atMs = healthyAtMs(state, process);
      if (atMs !== null) timers.healthy = atMs;
    }
    if (ages) timers.age = Math.min(timers.age ?? Infinity, expiryMs(state, process) ?? Infinity);
  }
  return timers;
}
