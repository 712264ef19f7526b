/** What follows for one host from all that is known of it now: given up, sent again, soaking, done. Pure. */
import { formatDuration } from "@circus-cluster/proto";
import { stepCommandId } from "./command-id.ts";
import { hopeless, illness, isReached, lacking, soakFault } from "./gate.ts";
import { goalOf } from "./order.ts";
import type { Work } from "./state.ts";
import type { Turn } from "./turn.ts";

export function settle(turn: Turn, host: string): void {
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

/** A silent host fails or, where that was asked for, is left out. */
export function lose(turn: Turn, host: string, reason: string): void {
  if (turn.core.options.onLost === "skip" && turn.core.phase === "forward") turn.skip(host, reason);
  else turn.fail(host, reason);
}

function settleCommand(turn: Turn, work: Work): void {
  const { host, state, trial, healthLeftMs } = work;
  const sight = turn.sight(host);
  const { sendsMax, answerMs } = turn.timings;
  const limit = formatDuration(turn.core.options.healthTimeoutMs);
  if (sight?.isLost === true) {
    lose(turn, host, state === "sent" ? "not delivered: the host is lost" : "accepted, no result: the host is lost");
  } else if (healthLeftMs <= 0) {
    const what = state === "sent" ? "not delivered: no answer" : "accepted, no result";
    turn.fail(host, `${what} within ${limit}`);
  } else if (trial.resendInMs !== null) {
    if (trial.resendInMs > 0) return;
    if (state === "sent" && trial.sends >= sendsMax) lose(turn, host, "not delivered: the host is not connected");
    else turn.send(host);
  } else if (state === "sent" && trial.quietMs >= answerMs) {
    if (trial.sends >= sendsMax) lose(turn, host, `not delivered: no answer to ${sendsMax} sendings`);
    else turn.send(host);
  } else if (trial.sentEpoch !== null && (sight?.view?.epoch ?? 0) > trial.sentEpoch) {
    turn.send(host); // its agent began a new life, and joins or repeats what the old one had accepted
  }
}

function settleRestarted(turn: Turn, work: Work): void {
  const { host, trial, healthLeftMs, generationBefore } = work;
  const goal = goalOf(turn.core);
  const sight = turn.sight(host);
  const view = sight?.view ?? null;
  const before = generationBefore ?? 0;
  if (sight?.isLost === true) {
    lose(turn, host, "the host is lost");
    return;
  }
  const reason = view !== null && trial.hasFreshView ? hopeless(goal, view) : null;
  // Of a goal that held before, only a picture from after the command is a proof.
  const isProof = goal === "renewed" || trial.hasFreshView;
  if (reason !== null) turn.fail(host, reason);
  else if (view !== null && isProof && isReached(goal, view, before)) {
    turn.become(host, "soaking", {
      pidsAfter: view.processes.map((process) => process.pid),
      trial: { ...trial, crashes: { epoch: view.epoch, count: view.crashes } },
    });
    const soaking = turn.work(host);
    if (soaking !== undefined) settleSoaking(turn, soaking);
  } else if (healthLeftMs <= 0) {
    turn.fail(host, lacking(goal, view, before, turn.core.options.healthTimeoutMs));
  } else if (!trial.hasFreshView && !trial.isLooking && trial.quietMs >= turn.timings.answerMs) turn.look(host);
}

function settleSoaking(turn: Turn, work: Work): void {
  const { host, trial, healthLeftMs, soakLeftMs, pidsAfter } = work;
  const sight = turn.sight(host);
  const view = sight?.view ?? null;
  if (sight?.isLost === true) {
    lose(turn, host, "the host was lost in the soak time");
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
