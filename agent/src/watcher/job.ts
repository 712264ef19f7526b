/** The beginning and the end of a job: what all commands share. Pure. */
import type { ErrorCode } from "@circus-cluster/proto";
import type { ChangeInfo } from "./api.ts";
import { callHook } from "./hooks.ts";
import { type JobKind, type Request, runningPids, type WatcherState } from "./state.ts";
import type { Turn } from "./turn.ts";

/** Makes the request the job; it is an operator's wish, so earlier failures do not count against it. */
export function open(turn: Turn, kind: JobKind, request: Request): void {
  turn.patch({
    job: { kind, request, before: runningPids(turn.state), left: 0, failure: null },
    spawnFailures: 0,
    spawnNotBeforeMs: 0,
  });
}

/** The way from stopped to starting; with hooks it leads over their answers. */
export function raise(turn: Turn): void {
  const { state } = turn;
  if (state.job === null) return;
  turn.patch({ isFailed: false, reason: null, goal: "down", hooksByMs: null, job: { ...state.job, kind: "start" } });
  if (state.config.numprocesses === 0) {
    finish(turn); // nothing to run: it stays stopped (reference §2.3, 5)
    return;
  }
  if (state.unmet.length > 0) {
    // What a hook may look for is what the watcher depends on: that comes first.
    turn.patch({ isUnasked: true });
    beginStarting(turn);
  } else if (!askHooks(turn)) beginStarting(turn);
}

/** Where there are hooks, can they be called? */
function askHooks(turn: Turn): boolean {
  return Object.keys(turn.state.config.hooks.byName).length > 0 && callHook(turn, "check");
}

/** Asks the hooks that {@link raise} put off, once nothing is unmet any more; true where something changed. */
export function askLate(turn: Turn): boolean {
  if (!turn.state.isUnasked || turn.state.unmet.length > 0) return false;
  turn.patch({ isUnasked: false });
  askHooks(turn);
  return true;
}

/** The hooks can be called. */
export function onChecked(turn: Turn): void {
  if (!callHook(turn, "before_start")) beginStarting(turn);
}

/**
 * A hook will not have it started: it stays stopped, without an event (reference §2.3, 3). One that waited for what it
 * depends on was said to be starting, and so is said to have stopped.
 */
export function stayStopped(turn: Turn, reason: string, isFailed: boolean): void {
  turn.patch({ reason, isFailed, goal: "down" });
  if (turn.state.status === "starting") turn.become("stopped");
  else if (isFailed) turn.tellFailed();
  refuse(turn, "failed", reason);
}

/** From stopped to starting: a new generation. */
export function beginStarting(turn: Turn): void {
  const { state } = turn;
  if (state.job === null || state.status === "starting") return;
  turn.patch({
    goal: "up",
    generation: nextGeneration(state, state.job.request),
    spent: 0,
    succeeded: 0,
    vacancies: [],
    warmNotBeforeMs: 0,
    job: { ...state.job, left: state.config.numprocesses },
  });
  turn.become("starting");
}

/** Only ever grows, also over a restart of the agent (design §5). */
export function nextGeneration(state: WatcherState, request: Request): number {
  return Math.max(state.generation + 1, request.wallMs);
}

/** It did what was asked. */
export function finish(turn: Turn): void {
  const { job } = turn.state;
  if (job === null) return;
  const after = runningPids(turn.state);
  turn.reply(job.request.ticket, turn.done(difference(job.before, after)));
  turn.patch({ job: null });
}

/** It could not. */
export function refuse(turn: Turn, code: ErrorCode, reason: string): void {
  const { job } = turn.state;
  if (job === null) return;
  if (job.kind === "reload") turn.emit("watcher_updated", { reloaded: false, reason });
  turn.reply(job.request.ticket, { kind: "refused", code, reason });
  turn.patch({ job: null });
}

function difference(before: readonly number[], after: readonly number[]): ChangeInfo {
  return {
    stopped: before.filter((pid) => !after.includes(pid)),
    started: after.filter((pid) => !before.includes(pid)),
    kept: before.filter((pid) => after.includes(pid)),
  };
}
