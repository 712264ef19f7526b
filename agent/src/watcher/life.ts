/**
 * The life of one process inside the core: spawned, healthy, signalled, killed, gone; and attempts that
 * fail. Each function takes one fact or one decision and leaves the rest to `settle`. Pure.
 */
import type { Millis } from "@circus-cluster/proto";
import type { Cause } from "./api.ts";
import { crashesAfter, retryDelayMs } from "./backoff.ts";
import { healthyAtMs, type NextSpawn, refills } from "./reconcile.ts";
import {
  isLive,
  isRunning,
  type LiveProcess,
  NOBODY,
  type Running,
  SIGKILL,
  type Stopping,
  type StopReason,
  spawningSlot,
  type WatcherInput,
} from "./state.ts";
import type { Turn } from "./turn.ts";

/** Spawns in a row before others get the event loop: about 30 ms of fork and exec. */
const SPAWN_BURST = 16;
/** Attempts that a reload makes where `max_retry` is endless: the old processes are still there to go on with. */
const RELOAD_ATTEMPTS_MAX = 5;

const NEWBORN = { health: "starting", healthyMs: null, ailment: null } as const;

type Fact<K extends WatcherInput["kind"]> = Extract<WatcherInput, { kind: K }>;

/** Asks for one process. */
export function beginSpawn(turn: Turn, next: NextSpawn): void {
  const { state, now } = turn;
  const vacancies = [...state.vacancies].sort((a, b) => a.dueMs - b.dueMs);
  const crashes = (next.fillsVacancy ? vacancies.shift()?.crashes : undefined) ?? 0;
  const spawnCount = state.spawnCount + 1;
  turn.patch({
    vacancies,
    spawnCount,
    spawnNotBeforeMs: spawnCount % SPAWN_BURST === 0 ? now + 1 : state.spawnNotBeforeMs,
    warmNotBeforeMs: now + state.config.warmupDelayS * 1000,
    processes: [...state.processes, { kind: "spawning", wid: next.wid, generation: state.generation, crashes }],
  });
  turn.ask({ kind: "spawn", wid: next.wid, config: state.config });
}

/** The process is there. One that nobody waits for any more is not left to itself (I2): it goes at once. */
export function onSpawned(turn: Turn, { wid, pid, startedMs, chance }: Fact<"spawned">): void {
  const slot = spawningSlot(turn.state);
  if (slot?.wid !== wid) {
    turn.ask({ kind: "signal", to: "group", wid, pid, signum: SIGKILL });
    return;
  }
  const process: Running = { ...slot, kind: "running", pid, startedMs, sinceMs: turn.now, ...NEWBORN, chance };
  turn.replaceProcess(wid, process);
  const { job, spawnFailures, reason } = turn.state;
  turn.patch({
    spawnFailures: 0,
    // This trouble is over; another one a person should still see.
    reason: spawnFailures > 0 ? null : reason,
    job: job === null ? null : { ...job, left: job.left - 1 },
  });
  turn.publish("spawn", { process_pid: pid, time: startedMs / 1000 });
  turn.emit("process_spawned", { generation: slot.generation }, turn.cause, { wid, pid });
  becomeHealthy(turn, process); // where `ready.min_uptime` is 0
}

/** The attempt failed: again after a while, until `max_retry` is used up. */
export function onSpawnFailed(turn: Turn, { wid, reason }: Fact<"spawn_failed">): void {
  const slot = spawningSlot(turn.state);
  if (slot?.wid !== wid) return;
  turn.replaceProcess(wid, null);
  const { state, now } = turn;
  const spawnFailures = state.spawnFailures + 1;
  turn.patch({
    spawnFailures,
    reason,
    spawnNotBeforeMs: Math.max(
      state.spawnNotBeforeMs,
      now + retryDelayMs(spawnFailures, state.config.lifecycle.backoff),
    ),
    // The place keeps its memory of early deaths.
    vacancies: slot.crashes > 0 ? [...state.vacancies, { crashes: slot.crashes, dueMs: now }] : state.vacancies,
  });
  turn.emit("process_spawn_failed", { reason, attempt: spawnFailures }, turn.cause, { wid });
  if (spawnFailures >= attemptsMax(turn)) giveUp(turn, reason);
}

function attemptsMax({ state }: Turn): number {
  if (state.config.maxRetry >= 0) return Math.max(1, state.config.maxRetry);
  return state.job?.kind === "reload" ? RELOAD_ATTEMPTS_MAX : Infinity;
}

/**
 * No more attempts. A watcher that is only starting, or has no process left, fails. Where others still
 * run, they are worth more than a clean verdict: the command fails, they stay, and the spawn goes on
 * being tried with the longest delays.
 */
function giveUp(turn: Turn, reason: string): void {
  const { state } = turn;
  if (state.goal === "down" || state.goal === "rollback") return;
  const isManned = state.status === "active" && state.processes.some(isRunning);
  failJob(turn, reason);
  if (isManned) return;
  turn.patch({ isFailed: true, reason });
  turn.lower();
}

/**
 * Time has passed: one that has lived long enough is healthy; one that was asked to go and did not in time
 * is killed. The timers say whether there is anything to look for (I4).
 */
export function elapse(turn: Turn): void {
  const { processes, timers } = turn.state;
  if (Math.min(timers.healthy ?? Infinity, timers.kill ?? Infinity) > turn.now) return;
  for (const process of processes) {
    if (process.kind === "running") becomeHealthy(turn, process);
    else if (process.kind === "stopping" && process.phase === "signalled" && process.killAtMs <= turn.now) {
      killGroup(turn, process);
    }
  }
}

/** If its time has come. */
function becomeHealthy(turn: Turn, process: Running): void {
  const atMs = healthyAtMs(turn.state, process);
  if (process.health === "starting" && atMs !== null && atMs <= turn.now) recover(turn, process);
}

function recover(turn: Turn, process: Running): void {
  turn.replaceProcess(process.wid, { ...process, health: "healthy", healthyMs: turn.now, ailment: null });
  turn.emit("process_healthy", { uptime_ms: uptime(turn, process) }, NOBODY, process);
}

/** The health check has made up its mind. What becomes of an ill process is for `reconcile` to say. */
export function onHealthChanged(turn: Turn, { wid, pid, ailment }: Fact<"health_changed">): void {
  const process = turn.state.processes.find((p) => p.wid === wid && isRunning(p) && p.pid === pid);
  if (process === undefined || !isRunning(process) || turn.state.config.lifecycle.healthcheck === null) return;
  if (ailment === null) {
    if (process.health !== "healthy") recover(turn, process);
    return;
  }
  if (process.health === "unhealthy") return;
  const crashes = isProven(turn, process) ? 0 : process.crashes;
  turn.replaceProcess(wid, { ...process, health: "unhealthy", healthyMs: null, ailment, crashes });
  turn.emit("process_unhealthy", { reason: ailment, uptime_ms: uptime(turn, process) }, NOBODY, process);
  if (isTrial(turn, process)) spoilReload(turn, `new process ${pid} is unhealthy: ${ailment}`);
}

function healthyFor(turn: Turn, { healthyMs }: LiveProcess): Millis {
  return healthyMs === null ? 0 : turn.now - healthyMs;
}

function isProven(turn: Turn, process: LiveProcess): boolean {
  return process.healthyMs !== null && healthyFor(turn, process) >= turn.state.config.lifecycle.backoff.resetMs;
}

/** How a process is asked to go, where it is not the watcher's own way. */
export interface StopManner {
  readonly reason: StopReason;
  readonly signum: number;
  readonly graceMs: Millis;
  readonly cause: Cause;
}

/** The watcher's own way: `stop_signal`, then `graceful_timeout`. */
export function ordinaryStop(turn: Turn, reason: StopReason): StopManner {
  const { stopSignal, gracefulTimeoutS } = turn.state.config;
  return { reason, signum: stopSignal, graceMs: gracefulTimeoutS * 1000, cause: turn.cause };
}

/** Asks a process to go. No grace at all means SIGKILL to its group (reference §2.4). */
export function beginStop(turn: Turn, process: LiveProcess, manner: StopManner): void {
  const { reason, signum, graceMs, cause } = manner;
  const { wid, pid } = process;
  const killAtMs = turn.now + Math.max(0, graceMs);
  const stopping: Stopping =
    process.kind === "running"
      ? { ...process, kind: "stopping", phase: "signalled", reason, killAtMs, cause }
      : // Asked again, and harder: the reason stays, the deadline only comes nearer.
        { ...process, killAtMs: Math.min(process.killAtMs, killAtMs) };
  if (graceMs <= 0) {
    if (stopping.phase === "signalled") killGroup(turn, stopping);
    return;
  }
  turn.replaceProcess(wid, stopping);
  // The children first: once their parent is gone nobody can tell whose they were.
  if (turn.state.config.stopChildren) turn.ask({ kind: "signal", to: "children", wid, pid, signum });
  turn.ask({ kind: "signal", to: "process", wid, pid, signum });
  tellKill(turn, stopping, signum, cause);
}

function killGroup(turn: Turn, process: Stopping): void {
  turn.replaceProcess(process.wid, { ...process, phase: "killing" });
  turn.ask({ kind: "signal", to: "group", wid: process.wid, pid: process.pid, signum: SIGKILL });
  tellKill(turn, process, SIGKILL, process.cause);
}

function tellKill(turn: Turn, { wid, pid, reason }: Stopping, signal: number, cause: Cause): void {
  turn.publish("kill", { process_pid: pid });
  turn.emit("process_killed", { signal, reason }, cause, { wid, pid });
}

/** `stop_children` found these (reference §2.4: one `kill` event each). */
export function onChildrenSignalled(turn: Turn, { children }: Fact<"children_signalled">): void {
  for (const child of children) turn.publish("kill", { process_pid: child });
}

/** The process is gone. A fact about one that is not known changes nothing. */
export function onExited(turn: Turn, exit: Fact<"exited">): void {
  const process = turn.state.processes.find((p) => isLive(p) && p.wid === exit.wid && p.pid === exit.pid);
  if (process === undefined || !isLive(process)) return;
  const { wid, pid } = process;
  const { code, signal } = exit;
  turn.replaceProcess(wid, null);
  turn.publish("reap", { process_pid: pid, exit_code: code ?? (signal === null ? null : -signal) });
  turn.emit(
    "process_exited",
    { code, signal, uptime_ms: uptime(turn, process), expected: process.kind === "stopping" },
    process.kind === "stopping" ? process.cause : NOBODY,
    { wid, pid },
  );
  endKillWaits(turn, pid);
  failReload(turn, process, exit);
  leavePlace(turn, process, exit);
}

function uptime(turn: Turn, process: LiveProcess): Millis {
  return Math.max(0, Math.round(turn.now - process.sinceMs));
}

function endKillWaits(turn: Turn, pid: number): void {
  const kills = turn.state.kills.map((kill) => ({ ...kill, pids: kill.pids.filter((other) => other !== pid) }));
  for (const { request } of kills.filter((kill) => kill.pids.length === 0)) {
    turn.reply(request.ticket, turn.done());
  }
  turn.patch({ kills: kills.filter((kill) => kill.pids.length > 0) });
}

/** A new process that goes before it was healthy ends the reload that made it. */
function failReload(turn: Turn, process: LiveProcess, exit: Fact<"exited">): void {
  if (!isTrial(turn, process)) return;
  const after = `after ${(uptime(turn, process) / 1000).toFixed(2)} s`;
  spoilReload(turn, `new process ${process.pid} ${howItEnded(exit)} ${after}, before the reload was done`);
}

function howItEnded({ code, signal }: Fact<"exited">): string {
  if (signal !== null) return `was killed by signal ${signal}`;
  return code === null ? "exited with unknown status" : `exited with status ${code}`;
}

/** Does the reload under way stand or fall with this process? */
function isTrial({ state }: Turn, process: LiveProcess): boolean {
  const isOfReload = state.goal === "overlap" || state.goal === "sequence";
  if (!isOfReload || state.job === null || process.generation !== state.generation) return false;
  // Once healthy, a death is one like any other, except that an overlap still counts on all its processes.
  return process.health !== "healthy" || state.goal === "overlap";
}

function spoilReload(turn: Turn, reason: string): void {
  turn.patch({ reason });
  failJob(turn, reason);
}

/** The job can only clean up now. An overlap does so at once, before anything else is spawned for it. */
function failJob(turn: Turn, reason: string): void {
  const { job, goal } = turn.state;
  if (job === null) return;
  turn.patch({ job: { ...job, failure: job.failure ?? reason }, goal: goal === "overlap" ? "rollback" : goal });
}

/** Decides whether the place of a process that is gone stays empty, and for how long. */
function leavePlace(turn: Turn, process: LiveProcess, exit: Fact<"exited">): void {
  const { state, now } = turn;
  if (state.goal === "down" || state.goal === "held") return;
  if (process.kind === "stopping") {
    const isToBeReplaced = process.reason === "kill" || process.reason === "expire";
    if (isToBeReplaced && !refills(state)) turn.patch({ spent: state.spent + 1 });
    if (process.reason !== "unhealthy") return;
  }
  // In an overlap or rollback the newest generation does not count yet.
  if (process.generation === state.generation && (state.goal === "overlap" || state.goal === "rollback")) return;
  if (!refills(state)) {
    turn.patch({ spent: state.spent + 1 });
    // Whoever made the agent's life hang on this watcher wants to know that it did not end well.
    const isBad = (exit.code ?? exit.signal ?? 0) !== 0;
    if (isBad && state.config.lifecycle.onFailed === "quit") {
      turn.patch({ isFailed: true, reason: `process ${process.pid} ${howItEnded(exit)}` });
    }
    return;
  }
  const { backoff } = state.config.lifecycle;
  const crashes = crashesAfter(process.crashes, healthyFor(turn, process), backoff);
  turn.patch({
    restarts: state.restarts + 1,
    vacancies: [...state.vacancies, { crashes, dueMs: now + retryDelayMs(crashes, backoff) }],
  });
}
