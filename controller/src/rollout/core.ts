/**
 * The core of a rollout: one pure function from state and input to state and effects (design §5 "Rollouts").
 *
 * Invariants: (1) a host is commanded with one id only, which was stored before; (2) at most one wave is in
 * flight, and the next begins when all of the one before are done, failed or skipped; (3) with more failed
 * hosts than tolerated nothing new begins, what is open is followed to its end, the rest is untouched; (4) it
 * ends, whatever the hosts do: every wait has a countdown that runs while the controller can see the fleet.
 */
import { formatDuration, type Millis, type Step } from "@circus-cluster/proto";
import { hopeless, illness, isRestarted, lacking, soakFault } from "./gate.ts";
import { STOPPED_ON_PURPOSE, tolerated } from "./plan.ts";
import {
  FIRST_TRIAL,
  type HostView,
  ROLLOUT_TIMINGS,
  type RolloutCore,
  type RolloutEffect,
  type RolloutInput,
  type RolloutTimings,
  type Work,
} from "./state.ts";
import { isOpen, Turn } from "./turn.ts";

/** @param now wall ms, for the record; countdowns run by `elapsed` */
export function transition(
  core: RolloutCore,
  input: RolloutInput,
  now: Millis,
  timings: RolloutTimings = ROLLOUT_TIMINGS,
): Step<RolloutCore, RolloutEffect> {
  if (core.state !== "running") return { state: core, effects: [] };
  const turn = new Turn(core, now, timings);
  take(turn, input);
  for (const { host } of core.steps) settle(turn, host);
  advance(turn);
  return { effects: turn.effects(input), state: turn.core };
}

function take(turn: Turn, input: RolloutInput): void {
  switch (input.kind) {
    case "begin": {
      const { command, options, steps } = turn.core;
      turn.tell("rollout_started", { command, options, hosts: steps.map(({ host, wave }) => ({ host, wave })) });
      return;
    }
    case "resume":
      resume(turn);
      return;
    case "looked":
      onLooked(turn, input.host, input.found);
      return;
    case "accepted": {
      const work = turn.awaiting(input.commandId);
      if (work?.state === "sent") turn.become(work.host, "accepted");
      return;
    }
    case "answered": {
      const work = turn.awaiting(input.commandId);
      if (work === undefined) return;
      if (input.outcome === "refused") turn.fail(work.host, `refused: ${input.reason ?? "no reason given"}`);
      else {
        turn.become(work.host, "restarted");
        // Events of the restart may still be on their way here; the picture of now is asked for.
        turn.look(work.host);
      }
      return;
    }
    case "absent": {
      const work = turn.awaiting(input.commandId);
      if (work !== undefined) turn.amend(work.host, {}, { resendInMs: turn.timings.resendMs });
      return;
    }
    case "seen":
      turn.patch({ sights: new Map(turn.core.sights).set(input.host, input.sight) });
      return;
    case "elapsed":
      if (turn.core.isOnline) elapse(turn, input.ms);
      return;
    case "online":
      turn.patch({ isOnline: input.isOnline });
      if (input.isOnline) again(turn);
      return;
    default:
      input satisfies never;
  }
}

/** After a restart of the controller: what is open is taken up before anything new begins. */
function resume(turn: Turn): void {
  for (const { host } of turn.core.steps.filter(isOpen)) turn.amend(host, {}, { ...FIRST_TRIAL, isResumed: true });
  again(turn);
}

/** Nobody knows what was missed meanwhile: the same commands again, and fresh pictures. */
function again(turn: Turn): void {
  for (const { host, state } of turn.core.steps) {
    if (state === "sent" || state === "accepted") {
      turn.amend(host, {}, { sends: 0 });
      turn.send(host);
    } else if (state === "restarted" || state === "soaking") turn.look(host);
    // The question of before was lost with the connection.
    else if (state === "pending") turn.amend(host, {}, { isLooking: false });
  }
}

function onLooked(turn: Turn, host: string, found: HostView | "no answer" | "no watcher"): void {
  const work = turn.work(host);
  if (work?.trial.isLooking !== true) return;
  const isPicture = typeof found === "object";
  turn.amend(host, {}, { isLooking: false, hasFreshView: isPicture });
  if (isPicture) {
    // Who answers is there, whatever presence thought.
    turn.patch({ sights: new Map(turn.core.sights).set(host, { view: found, isLost: false }) });
  }
  if (work.state !== "pending" || isStopping(turn.core)) return;
  if (found === "no answer") onNoPicture(turn, work);
  else if (found === "no watcher") turn.become(host, "skipped", {}, "it has no such watcher any more");
  else if (found.state === "stopped") turn.become(host, "skipped", {}, STOPPED_ON_PURPOSE);
  else {
    turn.become(host, "sent", {
      generationBefore: Math.max(found.generation, ...found.processes.map((process) => process.generation)),
      pidsBefore: found.processes.map((process) => process.pid),
      trial: FIRST_TRIAL,
    });
    turn.send(host);
  }
}

/** It may be on its way back: asked again before it counts as not reached. */
function onNoPicture(turn: Turn, { host, trial }: Work): void {
  if (!turn.core.isOnline) return; // it is us who cannot be reached
  const sends = trial.sends + 1;
  if (sends >= turn.timings.sendsMax) turn.fail(host, "not delivered: the host does not answer");
  else turn.amend(host, {}, { sends, resendInMs: turn.timings.resendMs });
}

function elapse(turn: Turn, ms: Millis): void {
  for (const { host, state, trial } of turn.core.steps) {
    const { resendInMs } = trial;
    if (state === "pending" && resendInMs !== null) turn.amend(host, {}, { resendInMs: resendInMs - ms });
  }
  for (const work of turn.core.steps.filter(isOpen)) {
    const { host, trial, state } = work;
    const isSoaking = state === "soaking" && (turn.core.sights.get(host)?.view ?? null) !== null;
    turn.amend(host, isSoaking ? { soakLeftMs: work.soakLeftMs - ms } : { healthLeftMs: work.healthLeftMs - ms }, {
      quietMs: trial.quietMs + ms,
      resendInMs: trial.resendInMs === null ? null : trial.resendInMs - ms,
    });
  }
  const unsavedMs = turn.core.unsavedMs + ms;
  turn.patch({ unsavedMs });
  if (unsavedMs >= turn.timings.checkpointMs) turn.due();
}

/** What follows for one host from all that is known of it now. */
function settle(turn: Turn, host: string): void {
  const work = turn.work(host);
  switch (work?.state) {
    case "sent":
    case "accepted":
      settleCommand(turn, work);
      return;
    case "restarted":
      settleRestarted(turn, work);
      return;
    case "soaking":
      settleSoaking(turn, work);
      return;
    case "done":
      settleDone(turn, work);
      return;
    default:
  }
}

function settleCommand(turn: Turn, work: Work): void {
  const { host, state, trial, healthLeftMs } = work;
  const sight = turn.core.sights.get(host);
  const { sendsMax, answerMs } = turn.timings;
  const limit = formatDuration(turn.core.options.healthTimeoutMs);
  if (sight?.isLost === true) {
    turn.fail(host, state === "sent" ? "not delivered: the host is lost" : "accepted, no result: the host is lost");
  } else if (healthLeftMs <= 0) {
    const what = state === "sent" ? "not delivered: no answer" : "accepted, no result";
    turn.fail(host, `${what} within ${limit}`);
  } else if (trial.resendInMs !== null) {
    if (trial.resendInMs > 0) return;
    if (state === "sent" && trial.sends >= sendsMax) turn.fail(host, "not delivered: the host is not connected");
    else turn.send(host);
  } else if (state === "sent" && trial.quietMs >= answerMs) {
    if (trial.sends >= sendsMax) turn.fail(host, `not delivered: no answer to ${sendsMax} sendings`);
    else turn.send(host);
  } else if (trial.sentEpoch !== null && (sight?.view?.epoch ?? 0) > trial.sentEpoch) {
    turn.send(host); // its agent began a new life, and joins or repeats what the old one had accepted
  }
}

function settleRestarted(turn: Turn, work: Work): void {
  const { host, trial, healthLeftMs, generationBefore } = work;
  const sight = turn.core.sights.get(host);
  const view = sight?.view ?? null;
  const before = generationBefore ?? 0;
  const fault = sight?.isLost === true ? "the host is lost" : null;
  const reason = fault ?? (view !== null && trial.hasFreshView ? hopeless(view) : null);
  if (reason !== null) turn.fail(host, reason);
  else if (view !== null && isRestarted(view, before)) {
    turn.become(host, "soaking", {
      pidsAfter: view.processes.map((process) => process.pid),
      trial: { ...trial, crashes: { epoch: view.epoch, count: view.crashes } },
    });
    const soaking = turn.work(host);
    if (soaking !== undefined) settleSoaking(turn, soaking);
  } else if (healthLeftMs <= 0) turn.fail(host, lacking(view, before, turn.core.options.healthTimeoutMs));
  else if (!trial.hasFreshView && !trial.isLooking && trial.quietMs >= turn.timings.answerMs) turn.look(host);
}

function settleSoaking(turn: Turn, work: Work): void {
  const { host, trial, healthLeftMs, soakLeftMs, pidsAfter } = work;
  const sight = turn.core.sights.get(host);
  const view = sight?.view ?? null;
  const fault =
    sight?.isLost === true ? "the host was lost in the soak time" : view === null ? null : soakFault(view, pidsAfter);
  if (fault !== null) turn.fail(host, fault);
  else if (view === null) {
    // Only after a restart of the controller: until it is seen again no soak time counts, the other one does.
    if (healthLeftMs <= 0) turn.fail(host, "the host was not seen again in the soak time");
  } else if (soakLeftMs <= 0) {
    turn.become(host, "done", { trial: { ...trial, crashes: { epoch: view.epoch, count: view.crashes } } });
  }
}

function settleDone(turn: Turn, work: Work): void {
  const sight = turn.core.sights.get(work.host);
  if (sight === undefined) return;
  const reason = illness(sight, work.trial);
  if (reason !== null) turn.fail(work.host, reason);
  else if (sight.view !== null && work.trial.crashes?.epoch !== sight.view.epoch) {
    const { epoch, crashes: count } = sight.view;
    turn.amend(work.host, {}, { crashes: { epoch, count } });
  }
}

function failures(core: RolloutCore): readonly Work[] {
  return core.steps.filter((step) => step.state === "failed");
}

function isStopping(core: RolloutCore): boolean {
  return failures(core).length > tolerated(core.options.maxFail, core.steps.length);
}

/** Begins what may begin, or ends it all. */
function advance(turn: Turn): void {
  const { core } = turn;
  const pending = core.steps.filter((step) => step.state === "pending");
  const open = core.steps.filter(isOpen);
  if (isStopping(core) || pending.length === 0) {
    if (open.length === 0) finish(turn);
    return;
  }
  // Nothing can be asked without a connection, and nothing new begins before the old is settled.
  const isUnsettled = open.some(({ trial, state }) => trial.isResumed && (state === "sent" || state === "accepted"));
  if (!core.isOnline || isUnsettled) return;
  const wave = Math.min(...[...pending, ...open].map((step) => step.wave));
  for (const { host, trial } of pending.filter((step) => step.wave === wave)) {
    if (!trial.isLooking && (trial.resendInMs ?? 0) <= 0) turn.look(host);
  }
}

function finish(turn: Turn): void {
  const failed = failures(turn.core);
  const isFailed = isStopping(turn.core);
  for (const { host, state } of turn.core.steps) if (state === "pending") turn.become(host, "untouched");
  const names = failed.map(({ host, reason }) => `${host}: ${reason ?? "failed"}`).join("; ");
  const untouched = turn.core.steps.filter((step) => step.state === "untouched").length;
  const left = untouched === 0 ? "" : `; ${untouched} ${untouched === 1 ? "host" : "hosts"} untouched`;
  const state = isFailed ? "failed" : "done";
  const reason = failed.length === 0 ? null : `${names}${left}`;
  turn.patch({ state, reason, ended: turn.now });
  turn.tell("rollout_ended", { state, reason });
  turn.end();
}
