/**
 * A watcher goes on where another agent, which is no more, left it: with its processes, its counters and the command
 * that was under way. What went while nobody was there is a death like any other. Pure.
 */
import { announce } from "./hooks.ts";
import { onExited, uptime } from "./life.ts";
import { type Command, isRunning, type Job, type Legacy, NOBODY } from "./state.ts";
import type { Turn } from "./turn.ts";

export function onAdopted(turn: Turn, legacy: Legacy): void {
  const { processes, gone, generation, spent, succeeded, restarts, spawnFailures, spawnNotBeforeMs, vacancies } =
    legacy;
  const { reason, isFailed, status } = legacy;
  const job = jobOf(turn, legacy);
  const counters = { generation, spent, succeeded, restarts, spawnFailures, spawnNotBeforeMs, vacancies };
  turn.patch({ ...counters, reason, isFailed, status, goal: goalOf(legacy, job), processes, job });
  const living = processes.filter(({ pid }) => !gone.some((one) => one.pid === pid));
  tellStatus(turn, living.length);
  for (const process of living) {
    announce(turn, process.pid);
    const { health, wid, pid } = process;
    turn.emit(
      "process_adopted",
      { generation: process.generation, health, uptime_ms: uptime(turn, process) },
      ...([NOBODY, { wid, pid }] as const),
    );
  }
  for (const { pid, code, signal } of gone) {
    const process = processes.find((one) => one.pid === pid);
    if (process !== undefined) onExited(turn, { kind: "exited", wid: process.wid, pid, code, signal }, true);
  }
}

/** No agent of before is told what the core does now: a goal that only a command leads out of needs that command. */
function goalOf({ goal, processes, status }: Legacy, job: Job | null): Legacy["goal"] {
  if (goal === "held") return processes.length > 0 ? "up" : "down";
  if (goal === "down" && status === "active") return "up";
  return job === null && (goal === "overlap" || goal === "rollback" || goal === "sequence") ? "up" : goal;
}

/** The command that was under way, with nobody who waits for its reply. */
function jobOf({ state }: Turn, { job, goal, status, processes, wallMs }: Legacy): Job | null {
  const kind = job?.kind ?? (status === "starting" ? "start" : null);
  // What only fitted the number is done by the goal alone; one that had not got past its first hooks is asked for anew.
  if (kind === null || kind === "resize" || (kind === "start" && goal === "down")) return null;
  return {
    kind,
    request: { ticket: 0, cause: NOBODY, wallMs, command: commandOf(kind, job?.isSequential ?? false) },
    before: processes.filter(isRunning).map(({ pid }) => pid),
    left: kind === "start" ? state.config.numprocesses : 0,
    failure: job?.failure ?? null,
  };
}

function commandOf(kind: Exclude<Job["kind"], "resize">, sequential: boolean): Command {
  switch (kind) {
    case "start":
      return { kind };
    case "stop":
      return { kind, intent: null };
    case "restart":
      return { kind, newerThan: null };
    case "reload":
      return { kind, graceful: true, sequential, newerThan: null };
    default:
      return kind satisfies never;
  }
}

/** History is to know what it is from now on; on the PUB socket nothing has changed. */
function tellStatus(turn: Turn, adopted: number): void {
  const { status, generation, isFailed, reason } = turn.state;
  switch (status) {
    case "starting":
      turn.emit("watcher_starting", { generation, adopted }, NOBODY);
      return;
    case "active":
      turn.emit("watcher_started", { generation, adopted }, NOBODY);
      return;
    case "stopping":
      turn.emit("watcher_stopping", { adopted }, NOBODY);
      return;
    case "stopped":
      if (isFailed) turn.emit("watcher_failed", { reason }, NOBODY);
      return;
    default:
      return status satisfies never;
  }
}
