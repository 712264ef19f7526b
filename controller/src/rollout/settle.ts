/** What follows for one host from all that is known of it now: given up, sent again, soaking, done. Pure. */
import { formatDuration, type Millis } from "@circus-cluster/proto";
import { isStopping } from "./advance.ts";
import { stepCommandId } from "./command-id.ts";
import { LET_ALONE } from "./drain.ts";
import { beginSoaking, sendTo } from "./drain-turn.ts";
import { hopeless, illness, isReached, lacking, soakFault } from "./gate.ts";
import { goalOf } from "./order.ts";
import { idleReason } from "./plan.ts";
import type { Work } from "./state.ts";
import type { Turn } from "./turn.ts";

export function settle(turn: Turn, host: string): void {
  const work = turn.work(host);
  switch (work?.state) {
    case "draining":
    case "undraining":
      settleDrain(turn, work);
      return;
    case "drained":
      settleDrained(turn, work);
      return;
    case "sent":
    case "accepted":
      pursue(turn, work, { isHeard: work.state === "accepted", leftMs: work.healthLeftMs, what: "" });
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

/** How far a command has come that is sent until it is answered. */
interface Pursuit {
  /** The host has said that it does it. */
  readonly isHeard: boolean;
  readonly leftMs: Millis;
  /** Stands before each reason. */
  readonly what: string;
}

/** Sent again where nothing is heard of it; given up where that is no use, or its time is over. */
function pursue(turn: Turn, { host, trial }: Work, { isHeard, leftMs, what }: Pursuit): void {
  const sight = turn.sight(host);
  const { sendsMax, answerMs } = turn.timings;
  const limit = formatDuration(turn.core.options.healthTimeoutMs);
  if (sight?.isLost === true) {
    turn.lose(host, `${what}${isHeard ? "accepted, no result" : "not delivered"}: the host is lost`);
  } else if (leftMs <= 0) {
    turn.fail(host, `${what}${isHeard ? "accepted, no result" : "not delivered: no answer"} within ${limit}`);
  } else if (trial.resendInMs !== null) {
    if (trial.resendInMs > 0) return;
    if (!isHeard && trial.sends >= sendsMax) turn.lose(host, `${what}not delivered: the host is not connected`);
    else turn.send(host);
  } else if (!isHeard && trial.quietMs >= answerMs) {
    if (trial.sends >= sendsMax) turn.lose(host, `${what}not delivered: no answer to ${sendsMax} sendings`);
    else turn.send(host);
  } else if (trial.sentEpoch !== null && (sight?.view?.epoch ?? 0) > trial.sentEpoch) {
    turn.send(host); // its agent began a new life, and joins or repeats what the old one had accepted
  }
}

/** Taken out of its balancer, or put back into it. */
function settleDrain(turn: Turn, work: Work): void {
  const { state, trial, drain } = work;
  if (state === "draining" && isStopping(turn.core)) turn.putBack(work.host, LET_ALONE);
  else {
    const what = state === "draining" ? "drain: " : "undrain: ";
    pursue(turn, work, { isHeard: trial.isHeard, leftMs: drain?.leftMs ?? 0, what });
  }
}

/** Out of its balancer: what is under way there comes to its end, or the time for that is over. */
function settleDrained(turn: Turn, { host }: Work): void {
  if (turn.sight(host)?.isLost === true) turn.lose(host, "the host is lost");
  else if (isStopping(turn.core)) turn.putBack(host, LET_ALONE);
}

/** Commands the hosts that were out long enough; when all else is settled, for a failure of another one stops it. */
export function sendDrained(turn: Turn): void {
  if (turn.core.options.drainMs === 0) return;
  for (const { host, state, drain } of turn.core.steps) {
    if (state !== "drained" || drain === null || drain.leftMs > 0 || isStopping(turn.core)) continue;
    // Nobody is to start by this what somebody has stopped meanwhile.
    const idle = idleReason(turn.sight(host)?.view?.state ?? null, turn.core.command);
    if (idle === null) sendTo(turn, host);
    else turn.skip(host, idle);
  }
}

function settleRestarted(turn: Turn, work: Work): void {
  const { host, trial, healthLeftMs, generationBefore } = work;
  const goal = goalOf(turn.core);
  const sight = turn.sight(host);
  const view = sight?.view ?? null;
  const before = generationBefore ?? 0;
  if (sight?.isLost === true) {
    turn.lose(host, "the host is lost");
    return;
  }
  const reason = view !== null && trial.hasFreshView ? hopeless(goal, view) : null;
  // Of a goal that held before, only a picture from after the command is a proof.
  const isProof = goal === "renewed" || trial.hasFreshView;
  if (reason !== null) turn.fail(host, reason);
  else if (view !== null && isProof && isReached(goal, view, before)) {
    const pidsAfter = view.processes.map((process) => process.pid);
    if (work.drain?.isOut === true) turn.putBack(host, null, { pidsAfter });
    else {
      beginSoaking(turn, host, pidsAfter);
      settle(turn, host);
    }
  } else if (healthLeftMs <= 0) {
    turn.fail(host, lacking(goal, view, before, turn.core.options.healthTimeoutMs));
  } else if (!trial.hasFreshView && !trial.isLooking && trial.quietMs >= turn.timings.answerMs) turn.look(host);
}

function settleSoaking(turn: Turn, work: Work): void {
  const { host, trial, healthLeftMs, soakLeftMs, pidsAfter } = work;
  const sight = turn.sight(host);
  const view = sight?.view ?? null;
  if (sight?.isLost === true) {
    turn.lose(host, "the host was lost in the soak time");
    return;
  }
  const fault = view === null ? null : soakFault(goalOf(turn.core), view, pidsAfter);
  if (fault !== null) turn.fail(host, fault);
  else if (view === null) {
    // Only after a restart of the controller: until it is seen again no soak time counts, the other one does.
    if (healthLeftMs <= 0) turn.fail(host, "the host was not seen again in the soak time");
  } else if (soakLeftMs <= 0) {
    const crashes = { epoch: view.epoch, count: view.crashes };
    const isBack = turn.core.phase === "rollback";
    turn.become(host, isBack ? "restored" : "done", { trial: { ...trial, crashes } }, isBack ? "rolled back" : null);
  }
}

/** Those of an earlier attempt are not watched: much may have happened on purpose since. */
function isWatched(turn: Turn, { host, commandId }: Work): boolean {
  return commandId === stepCommandId(turn.core.id, host, turn.core.attempt);
}

function settleDone(turn: Turn, work: Work): void {
  const { options } = turn.core;
  const sight = turn.sight(work.host);
  if (sight === null || !isWatched(turn, work) || turn.core.phase === "rollback") return;
  if (sight.isLost && options.onLost === "skip") return;
  const reason = illness(goalOf(turn.core), sight, work.trial);
  if (reason !== null) turn.fail(work.host, reason);
  else if (sight.view !== null && work.trial.crashes?.epoch !== sight.view.epoch) {
    const { epoch, crashes: count } = sight.view;
    turn.amend(work.host, {}, { crashes: { epoch, count } });
  }
}
