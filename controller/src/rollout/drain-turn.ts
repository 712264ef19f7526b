/** The way of a host out of its balancer, to its command, back and into the soak time; see `drain.ts`. Pure. */
import { type Drain, FIRST_TRIAL, type Work } from "./state.ts";
import { outcomeAfter, type Turn } from "./turn.ts";

/** @param fixed what the command will mean */
export function takeOut(turn: Turn, host: string, fixed: Partial<Work>): void {
  const round = (turn.work(host)?.drain?.round ?? 0) + 1;
  const drain: Drain = { round, leftMs: turn.core.options.healthTimeoutMs, isOut: true, end: null };
  turn.become(host, "draining", { ...fixed, drain });
  turn.send(host);
}

export function onDrained(turn: Turn, { host, drain }: Work): void {
  if (drain !== null) turn.become(host, "drained", { drain: { ...drain, leftMs: turn.core.options.drainMs } });
}

/** The command goes out for the first time. */
export function sendTo(turn: Turn, host: string, fixed: Partial<Work> = { trial: FIRST_TRIAL }): void {
  turn.become(host, "sent", { ...fixed, outcome: outcomeAfter("sent") });
  turn.send(host);
}

/** It takes part again. */
export function onPutBack(turn: Turn, { host, drain, pidsAfter }: Work): void {
  if (drain === null) return;
  const { end } = drain;
  const back = { drain: { ...drain, isOut: false, end: null } };
  if (end !== null) turn.become(host, end.state, back, end.reason);
  else if (turn.core.ending?.state === "superseded") {
    turn.become(host, "done", back, `soak time cut short: ${turn.core.ending.reason}`);
  } else {
    turn.amend(host, back);
    beginSoaking(turn, host, pidsAfter);
  }
}

/** @param pidsAfter of the processes that are watched from now on */
export function beginSoaking(turn: Turn, host: string, pidsAfter: readonly number[]): void {
  const view = turn.sight(host)?.view ?? null;
  const trial = turn.work(host)?.trial ?? FIRST_TRIAL;
  const crashes = view === null ? null : { epoch: view.epoch, count: view.crashes };
  turn.become(host, "soaking", { pidsAfter, trial: { ...trial, crashes } });
}
