/**
 * Commands on a watcher: they queue, one at a time becomes the job, and the job is over when reality has
 * come to what it asked for. Nothing here spawns or stops: a job sets the goal (I1). Pure.
 *
 * J1  Every request gets exactly one reply, and loses its place when it gets it.
 * J2  A `stop` does not wait: it overtakes the job and every queued command that would start something.
 * J3  A `kill` does not queue: it is the help against a process that hangs.
 * J4  What changes the configuration does not wait behind a start that is stalled: it may be the help. A reload does not
 *     either, nor a restart behind a start that fails without end: they are refused.
 */
import { begin } from "./begin.ts";
import { becomeStopped, callHook, isCalling, lower } from "./hooks.ts";
import { askLate, finish, raise, refuse } from "./job.ts";
import { count, isEndless, isStalled, missing, wanted } from "./reconcile.ts";
import {
  type Command,
  isLive,
  isRunning,
  type Job,
  type ProcessState,
  QUEUE_MAX,
  type Request,
  spawningSlot,
  type WatcherState,
} from "./state.ts";
import { reasonOf } from "./status.ts";
import { beginStop, ordinaryStop, signalOnce } from "./stop.ts";
import type { Turn } from "./turn.ts";

type Asked<K extends Command["kind"]> = Request & { readonly command: Extract<Command, { kind: K }> };
const isAsked = <K extends Command["kind"]>(request: Request, kind: K): request is Asked<K> =>
  request.command.kind === kind;

/** Takes a request in: into the queue, past it, or not at all. */
export function onCommand(turn: Turn, request: Request): void {
  if (isAsked(request, "kill")) {
    killNow(turn, request);
    return;
  }
  if (isAsked(request, "signal")) {
    const { pids, signum } = request.command;
    for (const process of turn.state.processes.filter(isLive)) {
      if (pids.includes(process.pid)) signalOnce(turn, process, signum);
    }
    turn.reply(request.ticket, turn.done());
    return;
  }
  const isStop = request.command.kind === "stop";
  if (isStop) overtake(turn);
  const { job, queue } = turn.state;
  if (isStop && job === null) {
    begin(turn, request);
    return;
  }
  const isFull = queue.length >= QUEUE_MAX && (!isStop || queue.some((waiting) => waiting.command.kind === "stop"));
  if (isFull) {
    const reason = `too many commands wait on '${turn.state.config.name}'`;
    turn.reply(request.ticket, { kind: "refused", code: "conflict", reason });
    return;
  }
  turn.patch({ queue: isStop ? [request, ...queue] : [...queue, request] });
}

/** J2. What only changes the configuration keeps its effect, and its place behind the stop. */
function overtake(turn: Turn): void {
  const { job, queue } = turn.state;
  const reason = "overtaken by stop";
  if (job !== null && job.request.command.kind !== "stop") {
    if (job.kind === "resize") finish(turn);
    else refuse(turn, "conflict", reason);
  }
  const startsSomething = ({ command: { kind } }: Request) =>
    kind === "start" || kind === "restart" || kind === "reload";
  for (const waiting of queue.filter(startsSomething)) {
    turn.reply(waiting.ticket, { kind: "refused", code: "conflict", reason });
  }
  turn.patch({ queue: queue.filter((waiting) => !startsSomething(waiting)) });
}

/** J3. */
function killNow(turn: Turn, request: Asked<"kill">): void {
  const { pid, signum, gracefulTimeoutS } = request.command;
  const { config, kills } = turn.state;
  const targets = turn.state.processes.filter(isLive).filter((process) => pid === null || process.pid === pid);
  if (pid !== null && targets.length === 0) {
    const reason = `process ${pid} not found in '${config.name}'`;
    turn.reply(request.ticket, { kind: "refused", code: "not-found", reason });
    return;
  }
  if (targets.length === 0) {
    turn.reply(request.ticket, turn.done());
    return;
  }
  if (kills.length >= QUEUE_MAX) {
    const reason = `too many kills wait on '${config.name}'`;
    turn.reply(request.ticket, { kind: "refused", code: "conflict", reason });
    return;
  }
  const ordinary = ordinaryStop(turn, "kill");
  for (const process of targets) {
    beginStop(turn, process, {
      ...ordinary,
      signum: signum ?? ordinary.signum,
      graceMs: gracefulTimeoutS === null ? ordinary.graceMs : gracefulTimeoutS * 1000,
      cause: request.cause,
    });
  }
  turn.patch({ kills: [...kills, { request, pids: targets.map((process) => process.pid) }] });
}

/** Moves the job on, or begins the next one. True where something changed. */
export function advance(turn: Turn): boolean {
  const { state } = turn;
  if (state.goal === "down" && state.status === "stopping") {
    if (state.processes.length > 0 || isCalling(state, "before_stop")) return false;
    becomeStopped(turn);
    return true;
  }
  if (state.job === null) return hasRunOut(state) ? lowered(turn) : beginNext(turn);
  return changeStalled(turn, state.job) || refuseRenewals(turn) || settleJob(turn, state.job);
}

const CHANGES: ReadonlySet<Command["kind"]> = new Set(["set", "configure", "resize", "resize_by"]);

/** J4. */
function changeStalled(turn: Turn, job: Job): boolean {
  if (!isStalled(turn.state)) return false;
  const change = turn.state.queue.find(({ command }) => CHANGES.has(command.kind));
  if (change === undefined) return false;
  turn.patch({ queue: turn.state.queue.filter((waiting) => waiting !== change) });
  begin(turn, change);
  const { numprocesses } = turn.state.config;
  turn.patch({ job: { ...job, left: numprocesses } });
  if (numprocesses === 0) lower(turn); // nothing to start any more
  return true;
}

/**
 * J4. Who asks for one would wait as long as the start does: maybe for ever. A restart that only asks for processes newer
 * than some waits: that start makes them.
 */
function refuseRenewals(turn: Turn): boolean {
  const { state } = turn;
  if (!isStalled(state)) return false;
  const isVain = ({ command }: Request): boolean =>
    command.kind === "reload" || (command.kind === "restart" && command.newerThan === null && isEndless(state));
  const renewals = state.queue.filter(isVain);
  if (renewals.length === 0) return false;
  const why = reasonOf(state);
  for (const { ticket, command } of renewals) {
    const reason = `there is nothing to ${command.kind}, it is still starting${why === null ? "" : `: ${why}`}`;
    turn.reply(ticket, { kind: "refused", code: "failed", reason });
  }
  turn.patch({ queue: state.queue.filter((waiting) => !isVain(waiting)) });
  return true;
}

/** `respawn = False` and the last process is gone (reference §2.7). */
function hasRunOut(state: WatcherState): boolean {
  return state.goal === "up" && state.spent > 0 && wanted(state) === 0 && state.processes.length === 0;
}

function lowered(turn: Turn): true {
  lower(turn);
  return true;
}

function beginNext(turn: Turn): boolean {
  const [next, ...queue] = turn.state.queue;
  if (next === undefined) return false;
  turn.patch({ queue });
  begin(turn, next);
  return true;
}

function settleJob(turn: Turn, job: Job): boolean {
  const { state } = turn;
  const isNew = (process: ProcessState) => process.generation === state.generation;
  const isHealthy = (process: ProcessState) => isRunning(process) && process.health === "healthy";
  switch (state.goal) {
    case "down":
      // What a stop is followed by waits for the last of its hooks, and a start for what its own say.
      if (state.calls.length > 0) return false;
      if (job.failure !== null) refuse(turn, "failed", job.failure);
      else if (job.kind === "restart") raise(turn);
      else finish(turn);
      return true;
    case "up":
      if (askLate(turn)) return true;
      if (job.failure !== null) refuse(turn, "failed", job.failure);
      else if (isCalling(state, "after_start") || !isUpJobDone(state, job)) return false;
      // Its answer ends the job.
      else if (state.status !== "starting" || !callHook(turn, "after_start")) finishUp(turn, job);
      return true;
    case "overlap":
      if (isCalling(state, "after_spawn")) return false;
      if (count(state, (process) => isNew(process) && isHealthy(process)) < state.config.numprocesses) return false;
      turn.patch({ goal: "up", spent: 0, succeeded: 0, job: { ...job, left: 0 } });
      return true;
    case "rollback":
      if (state.processes.some(isNew)) return false;
      turn.patch({ goal: "up" });
      refuse(turn, "failed", job.failure ?? "the reload failed");
      return true;
    case "sequence":
      if (job.failure !== null) {
        turn.patch({ goal: "up" });
        refuse(turn, "failed", job.failure);
      } else if (missing(state) === 0 && state.processes.every((process) => isNew(process) && isHealthy(process))) {
        turn.patch({ goal: "up", job: { ...job, left: 0 } });
      } else return false;
      return true;
    case "held":
      return false;
    default:
      return state.goal satisfies never;
  }
}

/** All that it asked to be spawned is there, and all that it made superfluous is gone. */
function isUpJobDone(state: WatcherState, job: Job): boolean {
  const isFilling = job.left > 0 && (spawningSlot(state) !== null || missing(state) > 0);
  return (
    !isFilling &&
    !isCalling(state, "after_spawn") &&
    !state.processes.some((p) => p.kind === "stopping" && p.reason === "surplus")
  );
}

export function finishUp(turn: Turn, job: Job): void {
  if (turn.state.status === "starting") turn.become("active");
  const { command } = job.request;
  // Of a stopped watcher it was a start; Circus says all the same that it was reloaded.
  if (job.kind === "reload" || (command.kind === "reload" && command.graceful)) {
    turn.publish("reload");
    turn.emit("watcher_updated", { reloaded: true, generation: turn.state.generation });
  }
  finish(turn);
}
