/**
 * One application of the rollout core in the making: the state so far, and what follows from it. Never seen
 * outside of a single `transition`.
 */
import type { Millis, StepState } from "@circus-cluster/proto";
import {
  type RolloutCore,
  type RolloutEffect,
  type RolloutInput,
  type RolloutTimings,
  recordOf,
  type Trial,
  type Work,
} from "./state.ts";

/** The command is on its way or its effect is watched. */
const OPEN: ReadonlySet<StepState> = new Set(["sent", "accepted", "restarted", "soaking"]);

export function isOpen({ state }: Pick<Work, "state">): boolean {
  return OPEN.has(state);
}

export class Turn {
  readonly now: Millis;
  readonly timings: RolloutTimings;
  core: RolloutCore;
  readonly #asked: RolloutEffect[] = [];
  readonly #events: RolloutEffect[] = [];
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
    return this.core.steps.find((step) => step.host === host);
  }

  /** Of an open command; an answer to any other changes nothing. */
  awaiting(commandId: string): Work | undefined {
    return this.core.steps.find(
      (step) => step.commandId === commandId && (step.state === "sent" || step.state === "accepted"),
    );
  }

  patch(change: Partial<RolloutCore>): void {
    this.core = { ...this.core, ...change };
  }

  /** Changes what is not shown. */
  amend(host: string, change: Partial<Omit<Work, "state" | "trial">>, trial: Partial<Trial> = {}): void {
    const steps = this.core.steps.map((step) =>
      step.host === host ? { ...step, ...change, trial: { ...step.trial, ...trial } } : step,
    );
    this.patch({ steps });
  }

  /** The only place where the state of a step changes, and so the only one that tells of it. */
  become(
    host: string,
    state: StepState,
    change: Partial<Omit<Work, "state">> = {},
    reason: string | null = null,
  ): void {
    const steps = this.core.steps.map((step) =>
      step.host === host ? { ...step, ...change, state, reason, updated: this.now } : step,
    );
    this.patch({ steps });
    const work = this.work(host);
    this.tell("rollout_step", { host, wave: work?.wave, state, reason, command_id: work?.commandId });
  }

  fail(host: string, reason: string): void {
    this.become(host, "failed", {}, reason);
  }

  tell(kind: "rollout_started" | "rollout_step" | "rollout_ended", data: Readonly<Record<string, unknown>>): void {
    const { id, watcher, actor } = this.core;
    this.#isChanged = true;
    this.#events.push({ kind: "event", draft: { kind, watcher, actor, cause: id, data: { rollout: id, ...data } } });
  }

  /** Sends the command of this host, for the first time or again: always the same one. */
  send(host: string): void {
    const work = this.work(host);
    if (work === undefined || work.generationBefore === null) return;
    const sentEpoch = this.core.sights.get(host)?.view?.epoch ?? work.trial.sentEpoch;
    this.amend(host, {}, { sends: work.trial.sends + 1, quietMs: 0, resendInMs: null, sentEpoch });
    const { commandId, generationBefore: newerThan, healthLeftMs } = work;
    // Answers that come later than the host may take are of no use.
    this.#asked.push({ kind: "send", host, commandId, newerThan, timeoutMs: Math.max(1000, healthLeftMs) });
  }

  look(host: string): void {
    this.amend(host, {}, { isLooking: true, hasFreshView: false, quietMs: 0, resendInMs: null });
    this.#asked.push({ kind: "look", host });
  }

  end(): void {
    this.#asked.push({ kind: "end" });
  }

  /** The countdowns are to be stored although nothing else has changed. */
  due(): void {
    this.#isDue = true;
  }

  /** Stored first, then told, then sent: a crash in between repeats what was stored, never more. */
  effects(input: RolloutInput): readonly RolloutEffect[] {
    const isSaved = this.#isChanged || this.#isDue || input.kind === "begin";
    if (isSaved) this.patch({ unsavedMs: 0 });
    return [
      ...(isSaved ? [{ kind: "save", core: this.core } as const] : []),
      ...this.#events,
      ...(this.#isChanged ? [{ kind: "advise", record: recordOf(this.core) } as const] : []),
      // A host may have failed in the same turn.
      ...this.#asked.filter((effect) => effect.kind !== "send" || this.awaiting(effect.commandId) !== undefined),
    ];
  }
}
