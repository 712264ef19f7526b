/**
 * The core of a rollout: one pure function from state and input to state and effects (design §5 "Rollouts").
 *
 * Invariants: (1) a host is commanded with one id only in each attempt, which was stored before; (2) at most one
 * wave is in flight, and the next begins when all of the one before are done, failed or skipped; (3) with more failed
 * hosts than tolerated nothing new begins, what is open is followed to its end, the rest is untouched; (4) it
 * ends or says what it waits for, whatever the hosts do: every other wait has a countdown that runs while the
 * controller can see the fleet; (5) no healthy host is commanded where that would leave fewer healthy than the floor.
 */
import { formatDuration, hasEnded, type Millis, type Step } from "@circus-cluster/proto";
import { advance, isStopping } from "./advance.ts";
import { decide } from "./decisions.ts";
import { elapsedOut } from "./drain.ts";
import { onDrained, onPutBack, sendTo, takeOut } from "./drain-turn.ts";
import { obstacles } from "./floor.ts";
import { beforeOf, settledReason, wantedOf } from "./order.ts";
import { idleReason } from "./plan.ts";
import { sendDrained, settle } from "./settle.ts";
import {
  FIRST_TRIAL,
  type Found,
  type HostView,
  ROLLOUT_TIMINGS,
  type RolloutCore,
  type RolloutEffect,
  type RolloutInput,
  type RolloutTimings,
  type Values,
  type Work,
} from "./state.ts";
import { isOpen, outcomeAfter, Turn } from "./turn.ts";

/** @param now wall ms, for the record; countdowns run by `elapsed` */
export function transition(
  core: RolloutCore,
  input: RolloutInput,
  now: Millis,
  timings: RolloutTimings = ROLLOUT_TIMINGS,
): Step<RolloutCore, RolloutEffect> {
  const isTakenUpAgain = input.kind === "retry" || input.kind === "resume";
  if (hasEnded(core.state) && !isTakenUpAgain) return { state: core, effects: [] };
  const turn = new Turn(core, now, timings);
  const host = take(turn, input);
  if (hasEnded(turn.core.state)) return { state: core, effects: [] }; // the decision did not fit
  if (host !== null) settle(turn, host);
  else for (const step of core.steps) settle(turn, step.host);
  sendDrained(turn);
  advance(turn);
  const effects = turn.effects();
  return { effects, state: turn.core };
}

/** @returns the only host that it concerns; null: any */
function take(turn: Turn, input: RolloutInput): string | null {
  switch (input.kind) {
    case "begin": {
      const { command, properties, options, steps, floor } = turn.core;
      const hosts = steps.map(({ host, wave }) => ({ host, wave }));
      const more = command === "config" ? properties : {};
      turn.tell("rollout_started", { command, ...more, options, floor, hosts });
      return null;
    }
    case "take-up":
      takeUp(turn);
      return null;
    case "pause":
    case "resume":
    case "abort":
    case "supersede":
    case "retry":
      decide(turn, input);
      return null;
    case "looked":
      onLooked(turn, input.host, input.found, input.values ?? null);
      return input.host;
    case "accepted": {
      const work = turn.awaiting(input.commandId);
      if (work?.state === "sent") turn.become(work.host, "accepted", { outcome: outcomeAfter("accepted") });
      else if (work !== undefined) turn.amend(work.host, {}, { isHeard: true });
      return work?.host ?? "";
    }
    case "answered":
      return onAnswered(turn, input);
    case "absent": {
      const work = turn.awaiting(input.commandId);
      if (work !== undefined) turn.amend(work.host, {}, { resendInMs: turn.timings.resendMs });
      return work?.host ?? "";
    }
    case "seen":
      turn.see(input.host, input.sight);
      return input.host;
    case "busy":
      turn.patch({ busy: input.hosts });
      return "";
    case "elapsed":
      if (turn.core.isOnline) elapse(turn, input.ms);
      return null;
    case "online":
      turn.patch({ isOnline: input.isOnline });
      if (input.isOnline) again(turn);
      return null;
    default:
      return input satisfies never;
  }
}

/** After a restart of the controller: what is open is taken up before anything new begins. */
function takeUp(turn: Turn): void {
  for (const { host } of turn.core.steps.filter(isOpen)) turn.amend(host, {}, { ...FIRST_TRIAL, isResumed: true });
  again(turn);
}

/** Nobody knows what was missed meanwhile: the same commands again, and fresh pictures. */
function again(turn: Turn): void {
  for (const { host, state } of turn.core.steps) {
    if (state === "sent" || state === "accepted" || state === "draining" || state === "undraining") {
      turn.amend(host, {}, { sends: 0, isHeard: false });
      turn.send(host);
    } else if (state === "restarted" || state === "soaking") turn.look(host);
    // The question of before was lost with the connection.
    else if (state === "pending") turn.amend(host, {}, { isLooking: false });
  }
}

function onAnswered(turn: Turn, input: Extract<RolloutInput, { kind: "answered" }>): string {
  const work = turn.awaiting(input.commandId);
  if (work === undefined) return "";
  const { host } = work;
  if (work.state === "draining" || work.state === "undraining") {
    if (input.outcome === "refused") turn.fail(host, input.reason ?? "the hook failed");
    else if (work.state === "draining") onDrained(turn, work);
    else onPutBack(turn, work);
  } else if (input.outcome === "refused") {
    turn.amend(host, { outcome: "refused" });
    turn.fail(host, `refused: ${input.reason ?? "no reason given"}`);
  } else {
    turn.become(host, "restarted", { outcome: outcomeAfter("restarted") });
    // Events of the restart may still be on their way here; the picture of now is asked for.
    turn.look(host);
  }
  return host;
}

function onLooked(turn: Turn, host: string, found: Found, values: Values | null): void {
  const work = turn.work(host);
  if (work?.trial.isLooking !== true) return;
  const isPicture = typeof found === "object";
  turn.amend(host, {}, { isLooking: false, hasFreshView: isPicture });
  // Who answers is there, whatever presence thought.
  if (isPicture) turn.see(host, { view: found, isLost: false });
  if (work.state !== "pending" || turn.core.state === "paused" || isStopping(turn.core)) return;
  if (found === "no answer") onNoPicture(turn, work);
  else if (found === "no watcher") turn.skip(host, "it has no such watcher any more");
  else if (obstacles(turn.core)(host) === null) start(turn, work, found, values);
  // Else it is asked again when it may begin.
}

/** The first sending: all that the command means is fixed here. */
function start(turn: Turn, work: Work, view: HostView, values: Values | null): void {
  const { core } = turn;
  const { host, before: known } = work;
  const isForward = core.phase === "forward";
  const idle = isForward ? (idleReason(view.state, core.command) ?? settledReason(core, values)) : null;
  if (idle !== null) {
    turn.skip(host, idle);
    return;
  }
  const before = known ?? beforeOf(core, view, values);
  if (typeof before === "string") {
    turn.fail(host, before);
    return;
  }
  const wanted = isForward ? wantedOf(core, view, values) : work.wanted;
  if (typeof wanted === "string") {
    turn.fail(host, wanted);
    return;
  }
  const fixed = {
    generationBefore: Math.max(view.generation, ...view.processes.map((process) => process.generation)),
    ...(isForward ? { pidsBefore: view.processes.map((process) => process.pid) } : {}),
    ...{ wanted, before },
    trial: FIRST_TRIAL,
  };
  if (core.options.drainMs > 0 && isForward) takeOut(turn, host, fixed);
  else sendTo(turn, host, fixed);
}

/** It may be on its way back: asked again before it counts as not reached. */
function onNoPicture(turn: Turn, { host, trial }: Work): void {
  if (!turn.core.isOnline) return; // it is us who cannot be reached
  const sends = trial.sends + 1;
  if (sends >= turn.timings.sendsMax) turn.lose(host, "not delivered: the host does not answer");
  else turn.amend(host, {}, { sends, resendInMs: turn.timings.resendMs });
}

function elapse(turn: Turn, ms: Millis): void {
  for (const work of turn.core.steps) {
    const { host, state, trial } = work;
    if (state === "pending" && trial.resendInMs !== null) {
      turn.amend(host, {}, { resendInMs: trial.resendInMs - ms });
    } else if (isOpen(work)) {
      const isSoaking = state === "soaking" && (turn.sight(host)?.view ?? null) !== null;
      const rest = isSoaking ? { soakLeftMs: work.soakLeftMs - ms } : { healthLeftMs: work.healthLeftMs - ms };
      turn.amend(host, elapsedOut(work, ms) ?? rest, {
        quietMs: trial.quietMs + ms,
        resendInMs: trial.resendInMs === null ? null : trial.resendInMs - ms,
      });
    }
  }
  if (turn.core.state === "running") run(turn, ms);
  const unsavedMs = turn.core.unsavedMs + ms;
  turn.patch({ unsavedMs });
  if (unsavedMs >= turn.timings.checkpointMs) turn.due();
}

/** Countdowns of the whole: they stand still while it is paused. */
function run(turn: Turn, ms: Millis): void {
  const { pauseLeftMs, deadlineLeftMs, options, phase } = turn.core;
  if (pauseLeftMs !== null) turn.patch({ pauseLeftMs: Math.max(0, pauseLeftMs - ms) });
  if (deadlineLeftMs === null || phase === "rollback") return;
  const left = deadlineLeftMs - ms;
  turn.patch({ deadlineLeftMs: left });
  if (left > 0) return;
  const reason = `the deadline of ${formatDuration(options.deadlineMs ?? 0)} is over`;
  turn.show({ state: "aborting", ending: { state: "failed", reason } });
  turn.tell("rollout_aborting", { reason });
}
