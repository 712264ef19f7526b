/**
 * One application of the rollout core in the making: the state so far, and what follows from it. Never seen
 * outside of a single `transition`.
 */
import type { EventKind, Millis, Outcome, StepState } from "@circus-cluster/proto";
import { hostOf } from "./command-id.ts";
import { askedOptions, orderOf } from "./order.ts";
import type { RolloutCore, RolloutEffect, RolloutTimings, Sight, Trial, Work } from "./state.ts";

/** The command is on its way or its effect is watched. */
const OPEN: ReadonlySet<StepState> = new Set(["sent", "accepted", "restarted", "soaking"]);

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
    return at === undefined ? null : (this.core.sights[at] ?? null);
  }

  /** Of an open command; an answer to any other changes nothing. */
  awaiting(commandId: string): Work | undefined {
    const work = this.work(hostOf(commandId) ?? "");
    return work?.commandId === commandId && (work.state === "sent" || work.state === "accepted") ? work : undefined;
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
    const { wave, commandId, outcome } = next;
    this.tell("rollout_step", { host, wave, state, reason, outcome, command_id: commandId });
  }

  fail(host: string, reason: string): void {
    this.become(host, "failed", {}, this.core.phase === "rollback" ? `rollback: ${reason}` : reason);
  }

  /** A host that is left out lowers a floor that nobody gave a number for: it was reckoned with it. */
  skip(host: string, reason: string): void {
    this.become(host, "skipped", {}, reason);
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
    const { commandId, healthLeftMs } = work;
    // Answers that come later than the host may take are of no use.
    this.#asked.push({ kind: "send", host, commandId, ...order, timeoutMs: Math.max(1000, healthLeftMs) });
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
