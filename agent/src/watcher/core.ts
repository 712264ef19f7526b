/**
 * The core of a watcher: one pure function from state and input to state and effects. It starts nothing,
 * knows no clock and keeps nothing. Read `transition`: that is the whole idea. Time passes, an input records
 * a wish or a fact, and then what is, what is wanted and what was asked are brought together until nothing
 * changes any more.
 */
import type { Millis, Step } from "@circus-cluster/proto";
import { onAdopted } from "./adoption.ts";
import { onAnswered } from "./answers.ts";
import { dropCalls, serveCalls, takeAnswer, takeOverdue } from "./hooks.ts";
import { advance, onCommand } from "./jobs.ts";
import { beginSpawn, elapse, onExited, onHealthChanged, onSpawned, onSpawnFailed } from "./life.ts";
import { deadlines, missing, reconcile } from "./reconcile.ts";
import { isLive, TIMERS, type WatcherEffect, type WatcherInput, type WatcherState } from "./state.ts";
import { beginStop, onChildrenSignalled, ordinaryStop } from "./stop.ts";
import { Turn } from "./turn.ts";

/** More than a full queue of commands, each of which is done in a few rounds. */
const ROUNDS_MAX = 1000;

/** @param now monotonic ms, never less than before */
export function transition(state: WatcherState, input: WatcherInput, now: Millis): Step<WatcherState, WatcherEffect> {
  const turn = new Turn(state, now);
  elapse(turn);
  for (const answer of takeOverdue(turn)) onAnswered(turn, answer);
  take(turn, input);
  settle(turn);
  serveCalls(turn);
  retime(turn);
  return { state: turn.state, effects: turn.effects() };
}

function take(turn: Turn, input: WatcherInput): void {
  switch (input.kind) {
    case "adopted": {
      onAdopted(turn, input.legacy);
      return;
    }
    case "command": {
      onCommand(turn, input.request);
      return;
    }
    case "spawned": {
      onSpawned(turn, input);
      return;
    }
    case "spawn_failed": {
      onSpawnFailed(turn, input);
      return;
    }
    case "exited": {
      onExited(turn, input);
      return;
    }
    case "children_signalled": {
      onChildrenSignalled(turn, input);
      return;
    }
    case "health_changed": {
      onHealthChanged(turn, input);
      return;
    }
    case "hook_returned": {
      const answer = takeAnswer(turn, input);
      if (answer !== null) onAnswered(turn, answer);
      return;
    }
    case "dependencies_changed": {
      turn.patch({ unmet: input.unmet });
      return;
    }
    case "timer_fired": {
      // Whether anything is due is for `settle` to see; a timer that came too early is set again.
      const { [input.timer]: _fired, ...timers } = turn.state.timers;
      turn.patch({ timers });
      return;
    }
    default:
      return input satisfies never;
  }
}

function settle(turn: Turn): void {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    act(turn);
    if (!advance(turn)) return;
  }
  throw new Error(`invariant broken: not settled after ${ROUNDS_MAX} rounds`);
}

/** Does what `reconcile` finds. */
function act(turn: Turn): void {
  trimVacancies(turn);
  const plan = reconcile(turn.state, turn.now);
  for (const { pid, reason } of plan.stops) {
    const process = turn.state.processes.find((p) => isLive(p) && p.pid === pid);
    if (process !== undefined && isLive(process)) beginStop(turn, process, ordinaryStop(turn, reason));
  }
  if (plan.spawn !== null) beginSpawn(turn, plan.spawn);
}

/** After a `decr` fewer dead are to be replaced: those whose turn would come last are forgotten. */
function trimVacancies(turn: Turn): void {
  const { state } = turn;
  if (state.vacancies.length === 0 || (state.goal !== "up" && state.goal !== "sequence")) return;
  const lacking = missing(state);
  if (state.vacancies.length <= lacking) return;
  turn.patch({ vacancies: [...state.vacancies].sort((a, b) => a.dueMs - b.dueMs).slice(0, lacking) });
}

/** Makes the timers what the deadlines are (I4). */
function retime(turn: Turn): void {
  const due = deadlines(turn.state);
  for (const timer of TIMERS) {
    const atMs = due[timer];
    if (atMs === turn.state.timers[timer]) continue;
    if (atMs === undefined) turn.ask({ kind: "clear_timer", timer });
    else turn.ask({ kind: "set_timer", timer, delayMs: Math.max(0, atMs - turn.now) });
  }
  turn.patch({ timers: due });
}

/**
 * What to do where {@link transition} threw: the watcher is held. Its processes go on untouched, facts are
 * still recorded (I2), everybody who waits is told, and the next command sets a goal again.
 *
 * @param reason for people, in the event and the snapshot
 */
export function failSafe(
  state: WatcherState,
  input: WatcherInput,
  now: Millis,
  reason: string,
): Step<WatcherState, WatcherEffect> {
  const turn = new Turn(state, now);
  const { job, queue, kills } = state;
  const waiting = [...(job === null ? [] : [job.request]), ...queue, ...kills.map((kill) => kill.request)];
  if (input.kind === "command") waiting.push(input.request);
  for (const ticket of new Set(waiting.map((request) => request.ticket))) {
    turn.reply(ticket, { kind: "refused", code: "internal", reason });
  }
  turn.emit("watcher_failed", { reason });
  dropCalls(turn, () => true);
  const processes = state.processes.filter((process) => process.kind !== "spawning" || !process.isAsking);
  turn.patch({ goal: "held", reason, isFailed: true, isUnasked: false });
  turn.patch({ job: null, queue: [], kills: [], vacancies: [], processes });
  if (input.kind === "spawned") onSpawned(turn, input);
  const subject = "wid" in input ? state.processes.find((process) => process.wid === input.wid) : undefined;
  const isGone =
    (input.kind === "spawn_failed" && subject?.kind === "spawning") ||
    (input.kind === "exited" && subject !== undefined && isLive(subject) && subject.pid === input.pid);
  if (subject !== undefined && isGone) turn.replaceProcess(subject.wid, null);
  turn.patch({ status: turn.state.processes.length > 0 ? "active" : "stopped" });
  if (input.kind === "timer_fired") {
    const { [input.timer]: _fired, ...timers } = turn.state.timers;
    turn.patch({ timers });
  }
  retime(turn);
  return { state: turn.state, effects: turn.effects() };
}
