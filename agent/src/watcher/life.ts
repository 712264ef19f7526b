/**
 * The life of one process inside the core: spawned, healthy, signalled, killed, gone; and attempts that
 * fail. Each function takes one fact or one decision and leaves the rest to `settle`. Pure.
 */
import type { Millis } from "@circus-cluster/proto";
import { crashesAfter, retryDelayMs } from "./backoff.ts";
import { announce, callHook, dropCalls, lower } from "./hooks.ts";
import { healthyAtMs, type NextSpawn, refills } from "./reconcile.ts";
import {
  type HookCall,
  isLive,
  isRunning,
  type LiveProcess,
  NOBODY,
  type Running,
  SIGKILL,
  type Spawning,
  spawningSlot,
  type WatcherInput,
} from "./state.ts";
import { killGroup } from "./stop.ts";
import type { Turn } from "./turn.ts";

/** Spawns in a row before others get the event loop: about 30 ms of fork and exec. */
const SPAWN_BURST = 16;
/** Attempts that a reload makes where `max_retry` is endless: the old processes are still there to go on with. */
const RELOAD_ATTEMPTS_MAX = 5;

/** As Circus numbers what it finds: a process that went by itself, which the kernel knows no more. */
const GONE = 2;

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
  });
  const slot: Spawning = { kind: "spawning", wid: next.wid, generation: state.generation, crashes, isAsking: false };
  const isAsking = callHook(turn, "before_spawn", { process: slot });
  turn.patch({ processes: [...state.processes, { ...slot, isAsking }] });
  if (!isAsking) turn.ask({ kind: "spawn", wid: next.wid, config: state.config });
}

/** `before_spawn` has answered. */
export function onMayForkAnswered(turn: Turn, isYes: boolean, why: string): void {
  const slot = spawningSlot(turn.state);
  if (slot?.isAsking !== true) return;
  if (!isYes) {
    turn.replaceProcess(slot.wid, null);
    veto(turn, why);
    return;
  }
  turn.replaceProcess(slot.wid, { ...slot, isAsking: false });
  turn.ask({ kind: "spawn", wid: slot.wid, config: turn.state.config });
}

/** `after_spawn` has answered. */
export function onSpawnAnswered(turn: Turn, { subject }: HookCall, isYes: boolean, why: string): void {
  if (isYes && subject !== null && subject.pid !== null) announce(turn, subject.pid);
  if (!isYes) veto(turn, why);
}

/** A hook does not want it. Where an older generation still runs that is kept (as by a failed reload); else the watcher stops. */
export function veto(turn: Turn, why: string): void {
  switch (turn.state.goal) {
    case "down":
    case "held":
      return;
    case "overlap":
    case "rollback":
      spoilReload(turn, why);
      return;
    case "up":
    case "sequence":
      failJob(turn, why);
      turn.patch({ isFailed: true, reason: why });
      lower(turn);
      return;
    default:
      return turn.state.goal satisfies never;
  }
}

/** The process is there. One that nobody waits for any more is not left to itself (I2): it goes at once. */
export function onSpawned(turn: Turn, { wid, pid, startedMs, chance }: Fact<"spawned">): void {
  const slot = spawningSlot(turn.state);
  if (slot?.wid !== wid || slot.isAsking) {
    turn.ask({ kind: "signal", to: "group", wid, pid, signum: SIGKILL });
    return;
  }
  const { isAsking: _isAsking, ...place } = slot;
  const since = { startedMs, sinceMs: turn.now };
  const process: Running = { ...place, kind: "running", pid, ...since, ...NEWBORN, chance, isAnnounced: false };
  turn.replaceProcess(wid, process);
  const { job, spawnFailures, reason } = turn.state;
  turn.patch({
    spawnFailures: 0,
    // This trouble is over; another one a person should still see.
    reason: spawnFailures > 0 ? null : reason,
    job: job === null ? null : { ...job, left: job.left - 1 },
  });
  if (!callHook(turn, "after_spawn", { process, facts: { pid } })) announce(turn, pid);
  turn.emit("process_spawned", { generation: slot.generation }, turn.cause, { wid, pid });
  const born = turn.state.processes.at(-1); // I5
  if (born?.kind === "running") becomeHealthy(turn, born); // where `ready.min_uptime` is 0
}

/** The attempt failed: again after a while, until `max_retry` is used up. */
export function onSpawnFailed(turn: Turn, { wid, reason }: Fact<"spawn_failed">): void {
  const slot = spawningSlot(turn.state);
  if (slot?.wid !== wid || slot.isAsking) return;
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
  lower(turn);
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

/**
 * The process is gone. A fact about one that is not known changes nothing.
 *
 * @param isLate it went while no agent was there: nobody knows when
 */
export function onExited(turn: Turn, exit: Fact<"exited">, isLate = false): void {
  const process = turn.state.processes.find((p) => isLive(p) && p.wid === exit.wid && p.pid === exit.pid);
  if (process === undefined || !isLive(process)) return;
  const { wid, pid } = process;
  const { code, signal } = exit;
  announce(turn, pid);
  turn.replaceProcess(wid, null);
  // Nobody is left to signal. A call that is under way is left to its end.
  dropCalls(turn, (call) => call.hook === "before_signal" && call.subject?.pid === pid && call.deadlineMs === null);
  const exitCode = code ?? (signal === null ? null : -signal);
  callHook(turn, "before_reap", { process, facts: { process_pid: pid } });
  turn.publish("reap", { process_pid: pid, exit_code: exitCode });
  callHook(turn, "after_reap", {
    process,
    facts: {
      process_pid: pid,
      exit_code: exitCode,
      process_status: process.kind === "stopping" ? null : GONE,
    },
  });
  turn.emit(
    "process_exited",
    {
      ...{ code, signal, expected: process.kind === "stopping" },
      ...(isLate ? { unattended: true } : { uptime_ms: uptime(turn, process) }),
    },
    process.kind === "stopping" ? process.cause : NOBODY,
    { wid, pid },
  );
  endKillWaits(turn, pid);
  failReload(turn, process, exit);
  leavePlace(turn, process, exit);
}

export function uptime(turn: Turn, process: LiveProcess): Millis {
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
    turn.patch({ spent: state.spent + 1, succeeded: state.succeeded + (exit.code === 0 ? 1 : 0) });
    const isBad = (exit.code ?? exit.signal ?? 0) !== 0;
    if (isBad && !state.config.respawn) turn.patch({ reason: `process ${process.pid} ${howItEnded(exit)}` });
    // Whoever made the agent's life hang on this watcher wants to know that it did not end well.
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
