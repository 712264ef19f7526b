/** Begins what may begin, holds what has to wait and says why, or ends it all. Pure. */
import { formatDuration, type Millis } from "@circus-cluster/proto";
import { undoCommandId } from "./command-id.ts";
import { stillOut } from "./drain.ts";
import { illFirst, obstacles } from "./floor.ts";
import { cut, tolerated } from "./plan.ts";
import { FIRST_TRIAL, type RolloutCore, type Work } from "./state.ts";
import { isOpen, type Turn } from "./turn.ts";

/** Those too that have failed and are only put back into their balancers. */
function isFailure({ state, drain }: Work): boolean {
  return state === "failed" || (state === "undraining" && drain?.end?.state === "failed");
}

function failures(core: RolloutCore): readonly Work[] {
  return core.steps.filter(isFailure);
}

/** Nothing new begins any more. */
export function isStopping(core: RolloutCore, failed = failures(core).length): boolean {
  if (core.phase === "rollback") return core.ending?.state !== "failed";
  return core.ending !== null || failed > tolerated(core.options.maxFail, core.steps.length);
}

/** How many steps are how far; made in one pass, since it is asked for at every input, of thousands of hosts. */
interface Tally {
  readonly pending: number;
  readonly open: number;
  readonly failed: number;
  /** The least of those pending and open. */
  readonly wave: number;
  /** Pending ones of that wave that nothing is done about yet. */
  readonly idle: number;
  /** Something open was sent before a restart of the controller, and is not answered yet. */
  readonly isUnanswered: boolean;
}

function tallyOf({ steps }: RolloutCore): Tally {
  let pending = 0;
  let open = 0;
  let failed = 0;
  let wave = Number.MAX_SAFE_INTEGER;
  let idle = 0;
  let isUnanswered = false;
  for (const step of steps) {
    if (isFailure(step)) failed++;
    const isPending = step.state === "pending";
    if (!isPending && !isOpen(step)) continue;
    if (step.wave < wave) {
      wave = step.wave;
      idle = 0;
    }
    if (!isPending) open++;
    else {
      pending++;
      if (step.wave === wave && isIdle(step)) idle++;
    }
    if (step.trial.isResumed && (step.state === "sent" || step.state === "accepted")) isUnanswered = true;
  }
  return { pending, open, failed, wave, idle, isUnanswered };
}

/** Nobody is asked about it yet. */
function isIdle({ trial }: Work): boolean {
  return !trial.isLooking && (trial.resendInMs ?? 0) <= 0;
}

export function advance(turn: Turn): void {
  const waiting = proceed(turn);
  if (waiting !== turn.core.waiting) turn.show({ waiting });
}

/** @returns what it waits for, beside hosts at work; null: nothing */
function proceed(turn: Turn): string | null {
  const { core } = turn;
  const { pending, open, failed, wave, idle, isUnanswered } = tallyOf(core);
  const isOver = isStopping(core, failed);
  if (isOver || pending === 0) {
    if (open > 0) return isOver && pending > 0 ? "stops: follows what is at work to its end" : null;
    if (isRollbackDue(core)) {
      beginRollback(turn);
      return proceed(turn);
    }
    finish(turn);
    return null;
  }
  if (core.state === "paused") return "rollout resume";
  // Nothing can be asked without a connection, and nothing new begins before the old is settled.
  if (!core.isOnline) return "waits for the connection to the fleet";
  if (isUnanswered) return "waits for the answers to what was sent before the controller's restart";
  const held = wave > core.openWave ? holdBack(turn, wave) : null;
  if (held !== null) return held;
  if (idle === 0) return null;
  return begin(
    turn,
    core.steps.filter((step) => step.state === "pending" && step.wave === wave && isIdle(step)),
  );
}

/** The pause that comes before this wave; null: until somebody resumes. */
export function pauseBefore({ openWave, attempt, phase, options }: RolloutCore): Millis | null {
  if (openWave < 0 || phase === "rollback") return 0;
  return openWave === 0 && attempt === 1 && options.canary > 0 ? options.canaryPauseMs : options.waitMs;
}

/** @returns why the wave may not begin yet; null: it may from now on */
function holdBack(turn: Turn, wave: number): string | null {
  const { openWave, pauseLeftMs, options } = turn.core;
  const pause = pauseBefore(turn.core);
  if (pause === null) {
    const what = openWave === 0 && options.canary > 0 ? "the canary is done" : `wave ${openWave + 1} is done`;
    turn.show({ state: "paused", reason: `${what}; waits for: circusctl rollout resume ${turn.core.id}` });
    turn.tell("rollout_paused", { reason: what });
    return "rollout resume";
  }
  const left = pauseLeftMs ?? pause;
  if (left > 0) {
    if (pauseLeftMs === null) turn.show({ pauseLeftMs: left });
    return `pauses ${formatDuration(pause)} before wave ${wave + 1}`;
  }
  turn.show({ openWave: wave, pauseLeftMs: null });
  return null;
}

/** Asks those hosts for their pictures that may be disturbed now; the answer decides. */
function begin(turn: Turn, pending: readonly Work[]): string | null {
  let reason: string | null = null;
  const obstacleAt = obstacles(turn.core);
  for (const { host } of pending) {
    const obstacle = obstacleAt(host);
    if (obstacle === null) turn.look(host);
    else reason ??= obstacle;
  }
  return reason;
}

function isRollbackDue(core: RolloutCore): boolean {
  const isFailing = core.ending === null || core.ending.state === "failed";
  return (
    core.options.onFail === "rollback" &&
    core.phase === "forward" &&
    isFailing &&
    isStopping(core) &&
    core.steps.some(isToBeUndone)
  );
}

function isToBeUndone({ state, before, outcome }: Work): boolean {
  return before !== null && outcome !== null && outcome !== "refused" && (state === "done" || state === "failed");
}

/** The hosts that were changed get their old values back, in waves as before, over the same floor. */
function beginRollback(turn: Turn): void {
  const { core } = turn;
  const ending = core.ending ?? { state: "failed", reason: failureText(core) ?? "it failed" };
  const undone = core.steps.filter(isToBeUndone);
  const spreadOf = (host: string): string | null => turn.work(host)?.spreadValue ?? null;
  const hosts = illFirst(
    core,
    undone.map(({ host }) => host),
  );
  const waves = cut(hosts, spreadOf, core.options, core.steps.length);
  const first = Math.max(0, ...core.steps.map((step) => step.wave)) + 1;
  for (const { host, state } of core.steps) if (state === "pending") turn.become(host, "untouched");
  turn.show({ phase: "rollback", ending, state: "running", openWave: first - 1, pauseLeftMs: null });
  for (const [at, wave] of waves.entries()) {
    for (const host of wave) {
      const commandId = undoCommandId(core.id, host, core.attempt);
      const again = { ...FIRST_TRIAL };
      const { healthTimeoutMs: healthLeftMs } = core.options;
      turn.become(host, "pending", {
        wave: first + at,
        commandId,
        outcome: null,
        healthLeftMs,
        soakLeftMs: 0,
        trial: again,
      });
    }
  }
}

function failureText(core: RolloutCore): string | null {
  const failed = failures(core);
  return failed.length === 0 ? null : failed.map(({ host, reason }) => `${host}: ${reason ?? "failed"}`).join("; ");
}

function finish(turn: Turn): void {
  const { core } = turn;
  const isFailed = isStopping(core);
  const failed = failureText(core);
  for (const { host, state, drain } of core.steps) {
    // Out since an attempt before: said once more, since nothing is done about it.
    const reason = drain?.isOut === true ? stillOut(core, host) : null;
    if (state === "pending") turn.become(host, "untouched", {}, reason);
  }
  const count = (word: Work["state"]): number => turn.core.steps.filter((step) => step.state === word).length;
  const hosts = (n: number): string => `${n} ${n === 1 ? "host" : "hosts"}`;
  const untouched = count("untouched");
  const restored = count("restored");
  const isBack = core.phase === "rollback";
  const parts = [
    ...(core.ending === null ? [] : [core.ending.reason]),
    ...(failed === null ? [] : [failed]),
    ...(isBack ? [`${hosts(restored)} rolled back`] : []),
    ...(untouched === 0 ? [] : [`${hosts(untouched)} untouched`]),
  ];
  const state = core.ending?.state ?? (isFailed ? "failed" : "done");
  const reason = parts.length === 0 ? null : parts.join("; ");
  turn.show({ state, reason, waiting: null, pauseLeftMs: null, ended: turn.now });
  turn.tell("rollout_ended", { state, reason });
  turn.end();
}
