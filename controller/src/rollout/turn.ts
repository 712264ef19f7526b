/**
 * One application of the rollout core in the making: the state so far, and what follows from it. Never seen
 * outside of a single `transition`.
 */
import type { EventKind, Millis, Outcome, StepState } from "@circus-cluster/proto";
import { hostOf } from "./command-id.ts";
import { isPutBack, stillOut } from "./drain.ts";
import { askedOptions, awaitedId, orderOf } from "./order.ts";
import {
  type Drain,
  FIRST_TRIAL,
  type RolloutCore,
  type RolloutEffect,
  type RolloutTimings,
  type Sight,
  type Trial,
  type Work,
} from "./state.ts";
import { judged } from "./whole-host.ts";

/** The command is on its way or its effect is watched, or the host is out of its balancer for it. */
const OPEN: ReadonlySet<StepState> = new Set([
  "draining",
  "drained",
  "sent",
  "accepted",
  "restarted",
  "undraining",
  "soaking",
]);

export function isOpen({ state }: Pick<Work, "state">): boolean {
  return OPEN.has(state);
}

type RolloutKind = Extract<EventKind, `rollout_${string}`>;

export class Turn {
  readonly now: Millis;
  readonly timings: RolloutTimings;
  core: RolloutCore;
  readonly #asked: RolloutEffect[] = [];
  readonly #events: RolloutEffect[] = [];
  #ownSteps: Work[] | null = null;
  #isChanged = false;
  #isDue = false;

  /** @param now wall ms */
  constructor(core: RolloutCore, now: Millis, timings: RolloutTimings) {
    this.core = core;
    this.now = now;
    this.timings = timings;
  }

  /** As it is now. */
  work(host: string): Work | undefined {
    const at = this.core.index.get(host);
    return at === undefined ? undefined : this.core.steps[at];
  }

  sight(host: string): Sight | null {
    const at = this.core.index.get(host);
    const sight = at === undefined ? null : (this.core.sights[at] ?? null);
    return sight === null ? null : judged(sight, this.work(host)?.wanted ?? null);
  }

  /** Of an open command; an answer to any other changes nothing. */
  awaiting(commandId: string): Work | undefined {
    const work = this.work(hostOf(commandId) ?? "");
    return work !== undefined && awaitedId(work) === commandId ? work : undefined;
  }

  patch(change: Partial<Omit<RolloutCore, "steps" | "revision">>): void {
    this.core = { ...this.core, ...change };
  }

  /** As `patch`, of what is shown. */
  show(change: Partial<Omit<RolloutCore, "steps" | "revision">>): void {
    this.patch(change);
    this.#isChanged = true;
  }

  see(host: string, sight: Sight): void {
    const at = this.core.index.get(host);
    if (at === undefined) return;
    const sights = [...this.core.sights];
    sights[at] = sight;
    this.patch({ sights });
  }

  /** Changes what is not shown. */
  amend(host: string, change: Partial<Omit<Work, "state" | "trial">>, trial: Partial<Trial> = {}): void {
    const work = this.work(host);
    if (work !== undefined) this.#replace({ ...work, ...change, trial: { ...work.trial, ...trial } });
  }

  /** The only place where the state of a step changes, and so the only one that tells of it. */
  become(
    host: string,
    state: StepState,
    change: Partial<Omit<Work, "state">> = {},
    reason: string | null = null,
  ): void {
    const work = this.work(host);
    if (work === undefined) return;
    const next = { ...work, ...change, state, reason, updated: this.now };
    this.#replace(next);
    const { wave, outcome } = next;
    this.tell("rollout_step", { host, wave, state, reason, outcome, command_id: awaitedId(next) ?? next.commandId });
  }

  fail(host: string, reason: string): void {
    this.#leave(host, "failed", this.core.phase === "rollback" ? `rollback: ${reason}` : reason);
  }

  /** A silent host fails or, where that was asked for, is left out. */
  lose(host: string, reason: string): void {
    if (this.core.options.onLost === "skip" && this.core.phase === "forward") this.skip(host, reason);
    else this.fail(host, reason);
  }

  /** Into its balancer again; `end`: see {@link Drain}. */
  putBack(host: string, end: Drain["end"], change: Partial<Work> = {}): void {
    const drain = this.work(host)?.drain;
    if (drain === null || drain === undefined) return;
    const leftMs = this.core.options.healthTimeoutMs;
    const next = { drain: { ...drain, leftMs, end }, trial: FIRST_TRIAL, ...change };
    this.become(host, "undraining", next, end?.reason ?? null);
    this.send(host);
  }

  /** A host that is left out lowers a floor that nobody gave a number for: it was reckoned with it. */
  skip(host: string, reason: string): void {
    this.#leave(host, "skipped", reason);
    if (this.core.options.minHealthy === null) this.show({ floor: Math.max(0, this.core.floor - 1) });
  }

  /** @param actor who decided it; the one who started the rollout where nobody did */
  tell(kind: RolloutKind, data: Readonly<Record<string, unknown>>, actor = this.core.actor): void {
    const { id, watcher } = this.core;
    this.#isChanged = true;
    this.#events.push({ kind: "event", draft: { kind, watcher, actor, cause: id, data: { rollout: id, ...data } } });
  }

  /** Sends the command of this host, for the first time or again: always the same one. */
  send(host: string): void {
    const work = this.work(host);
    const order = work === undefined ? null : orderOf(this.core, work);
    if (work === undefined || order === null) return;
    const sentEpoch = this.sight(host)?.view?.epoch ?? work.trial.sentEpoch;
    this.amend(host, {}, { sends: work.trial.sends + 1, quietMs: 0, resendInMs: null, sentEpoch });
    const commandId = awaitedId(work) ?? work.commandId;
    const isDrain = commandId !== work.commandId;
    const leftMs = isDrain ? (work.drain?.leftMs ?? 0) : work.healthLeftMs;
    // Answers that come later than the host may take are of no use.
    this.#asked.push({ kind: "send", host, commandId, ...order, timeoutMs: Math.max(1000, leftMs) });
  }

  look(host: string): void {
    const isBeginning = this.work(host)?.state === "pending" && this.core.phase === "forward";
    this.amend(host, {}, { isLooking: true, hasFreshView: false, quietMs: 0, resendInMs: null });
    this.#asked.push({ kind: "look", host, options: isBeginning ? askedOptions(this.core) : null });
  }

  end(): void {
    this.#asked.push({ kind: "end" });
  }

  /** The countdowns are to be stored although nothing else has changed. */
  due(): void {
    this.#isDue = true;
  }

  /** Stored first, then told, then sent: a crash in between repeats what was stored, never more. */
  effects(): readonly RolloutEffect[] {
    const isChanged = this.#isChanged;
    if (isChanged) this.core = { ...this.core, revision: this.core.revision + 1 };
    const isSaved = isChanged || this.#isDue;
    if (isSaved) this.patch({ unsavedMs: 0 });
    return [
      ...(isSaved ? [{ kind: "save", core: this.core } as const] : []),
      ...this.#events,
      ...(isChanged ? [{ kind: "advise", core: this.core } as const] : []),
      // A host may have failed in the same turn.
      ...this.#asked.filter((effect) => effect.kind !== "send" || this.awaiting(effect.commandId) !== undefined),
    ];
  }

  /** Never out of its balancer in silence: it is put back before, or the reason says that it may be out. */
  #leave(host: string, state: "failed" | "skipped", reason: string): void {
    const work = this.work(host);
    if (work === undefined) return;
    if (isPutBack(work, this.sight(host))) this.putBack(host, { state, reason });
    else if (work.drain?.isOut !== true || work.state === "failed") this.become(host, state, {}, reason);
    else {
      const why = work.state === "undraining" ? (work.drain.end?.reason ?? null) : null;
      const text = [...(why === null ? [] : [why]), reason, stillOut(this.core, host)].join("; ");
      this.become(host, work.state === "undraining" ? "failed" : state, {}, text);
    }
  }

  #replace(work: Work): void {
    const at = this.core.index.get(work.host);
    if (at === undefined) return;
    if (this.#ownSteps === null) {
      this.#ownSteps = [...this.core.steps];
      this.core = { ...this.core, steps: this.#ownSteps };
    }
    this.#ownSteps[at] = work;
  }
}

/** What stands in a step's outcome once its command is in this state. */
export function outcomeAfter(state: "sent" | "accepted" | "restarted"): Outcome {
  return state === "sent" ? "not delivered" : state === "accepted" ? "accepted" : "done";
}
