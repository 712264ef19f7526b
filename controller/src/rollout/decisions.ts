/** What people decide about a rollout: pause, resume, abort, supersede, retry. Pure. */
import { hasEnded } from "@circus-cluster/proto";
import { pauseBefore } from "./advance.ts";
import { stepCommandId } from "./command-id.ts";
import { stillOut } from "./drain.ts";
import { illFirst } from "./floor.ts";
import { cut } from "./plan.ts";
import { type Decision, FIRST_TRIAL, type RolloutCore, type Work } from "./state.ts";
import type { Turn } from "./turn.ts";

/** Failed, or left without being done. */
function isLeft({ state }: Pick<Work, "state">): boolean {
  return state === "failed" || state === "untouched" || state === "restored";
}

/** Why it cannot be done now; null: it can. */
export function refusalOf(core: RolloutCore, decision: Decision): string | null {
  const { id, state } = core;
  if (decision.kind === "supersede") return null;
  if (decision.kind === "retry") {
    if (!hasEnded(state)) return `rollout ${id} is ${state}; retry is for one that has ended`;
    return core.steps.some(isLeft) ? null : `nothing of rollout ${id} failed or was left`;
  }
  if (decision.kind === "resume" && hasEnded(state)) {
    if (!decision.skipFailed) {
      return `rollout ${id} is ${state}; retry it, or leave the failed hosts out by: rollout resume --skip-failed ${id}`;
    }
    if (core.phase === "rollback") return `rollout ${id} was rolled back; retry it`;
    return core.steps.some((step) => step.state === "untouched") ? null : `rollout ${id} left no host to go on with`;
  }
  if (hasEnded(state)) return `rollout ${id} is ${state} already`;
  if (state === "aborting") return `rollout ${id} is aborting`;
  if (core.phase === "rollback" && decision.kind !== "abort") return `rollout ${id} is rolling back`;
  switch (decision.kind) {
    case "pause":
      return state === "paused" ? `rollout ${id} is paused already` : null;
    case "resume": {
      const isPausing = state === "paused" || core.pauseLeftMs !== null || decision.skipFailed;
      return isPausing ? null : `rollout ${id} is running, not paused`;
    }
    case "abort":
      return null;
    default:
      return decision satisfies never;
  }
}

/** A decision that does not fit any more changes nothing. */
export function decide(turn: Turn, decision: Decision): void {
  if (refusalOf(turn.core, decision) !== null) return;
  const { actor } = decision;
  switch (decision.kind) {
    case "pause":
      turn.show({ state: "paused", reason: `paused by ${actor}` });
      turn.tell("rollout_paused", {}, actor);
      return;
    case "resume":
      resume(turn, decision.skipFailed, actor);
      return;
    case "abort":
      turn.show({ state: "aborting", ending: { state: "aborted", reason: abortText(turn.core, actor) } });
      turn.tell("rollout_aborting", {}, actor);
      return;
    case "supersede": {
      if (hasEnded(turn.core.state)) return;
      const reason = `superseded by ${decision.by}`;
      for (const { host, state } of turn.core.steps) {
        if (state === "soaking") turn.become(host, "done", {}, `soak time cut short: ${reason}`);
      }
      turn.show({ state: "aborting", ending: { state: "superseded", reason } });
      turn.tell("rollout_aborting", { by: decision.by }, actor);
      return;
    }
    case "retry":
      retry(turn, actor);
      return;
    default:
      decision satisfies never;
  }
}

function abortText({ ending }: RolloutCore, actor: string): string {
  return ending === null ? `aborted by ${actor}` : `${ending.reason}; the rollback was aborted by ${actor}`;
}

function resume(turn: Turn, skipFailed: boolean, actor: string): void {
  if (skipFailed) {
    for (const { host, state, reason } of turn.core.steps) {
      if (state === "failed") turn.skip(host, `skipped after it failed: ${reason ?? ""}`);
      else if (state === "untouched") turn.become(host, "pending", { outcome: null, trial: FIRST_TRIAL });
    }
  }
  const { core } = turn;
  const wave = nextWave(core);
  // Somebody looked at what is done so far and says that it may go on: that is the approval, too.
  const isAsked = core.state === "paused" && pauseBefore(core) === null;
  const isApproved = core.pauseLeftMs !== null || isAsked || hasEnded(core.state);
  const isLate = core.deadlineLeftMs !== null && core.deadlineLeftMs <= 0;
  const deadlineLeftMs = isLate ? core.options.deadlineMs : core.deadlineLeftMs;
  const openWave = isApproved && wave !== null ? Math.max(core.openWave, wave) : core.openWave;
  const fresh = { reason: null, ending: null, ended: null, pauseLeftMs: null } as const;
  turn.show({ ...fresh, state: "running", openWave, deadlineLeftMs });
  turn.tell("rollout_resumed", { skip_failed: skipFailed }, actor);
}

/** The wave that is next; null where one is at work. */
function nextWave({ steps, openWave }: RolloutCore): number | null {
  const waves = steps.filter(({ state }) => !isSettled(state)).map(({ wave }) => wave);
  const least = Math.min(...waves);
  return waves.length === 0 || least <= openWave ? null : least;
}

function isSettled(state: Work["state"]): boolean {
  return state === "done" || state === "failed" || state === "skipped" || state === "untouched" || state === "restored";
}

/** A new attempt for what failed or was left, under new ids, in waves behind those that were. */
function retry(turn: Turn, actor: string): void {
  const { core } = turn;
  const { options, id } = core;
  const attempt = core.attempt + 1;
  const left = core.steps.filter(isLeft);
  const spreadOf = (host: string): string | null => turn.work(host)?.spreadValue ?? null;
  const hosts = illFirst(
    core,
    left.map(({ host }) => host),
  );
  const waves = cut(hosts, spreadOf, options, core.steps.length);
  const first = Math.max(0, ...core.steps.map((step) => step.wave)) + 1;
  turn.show({
    state: "running",
    attempt,
    reason: null,
    ended: null,
    ending: null,
    phase: "forward",
    openWave: first,
    pauseLeftMs: null,
    deadlineLeftMs: options.deadlineMs,
  });
  turn.tell("rollout_retried", { attempt, hosts }, actor);
  for (const [at, wave] of waves.entries()) {
    for (const host of wave) {
      const before = turn.work(host);
      const change = {
        wave: first + at,
        commandId: stepCommandId(id, host, attempt),
        generationBefore: null,
        pidsBefore: [],
        pidsAfter: [],
        outcome: null,
        healthLeftMs: options.healthTimeoutMs,
        soakLeftMs: options.soakMs,
        wanted: null,
        // Once rolled back, what is there now is the old value.
        before: before?.state === "restored" ? null : (before?.before ?? null),
        trial: FIRST_TRIAL,
      };
      turn.become(host, "pending", change, before?.drain?.isOut === true ? stillOut(core, host) : null);
    }
  }
}
