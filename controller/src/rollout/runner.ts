/** Performs one rollout: what the core asks for is stored, told and sent; what comes back is fed in. */
import { randomBytes } from "node:crypto";
import {
  ALL_WATCHERS,
  type EventDraft,
  type HostName,
  type Logger,
  type Millis,
  type RolloutRecord,
  Runner,
  reasonOf,
} from "@circus-cluster/proto";
import type { Commander, Delivery } from "../live/commander.ts";
import type { LiveHost, LiveWatcher } from "../live/model.ts";
import { transition } from "./core.ts";
import { refusalOf } from "./decisions.ts";
import {
  type Decision,
  type HostView,
  type RolloutCore,
  type RolloutEffect,
  type RolloutInput,
  type RolloutTimings,
  recordOf,
  type Sight,
  type Values,
} from "./state.ts";
import { wholeHost } from "./whole-host.ts";

export interface RolloutParts {
  readonly store: { save(core: RolloutCore): void };
  readonly commander: Pick<Commander, "send">;
  readonly look: (host: HostName) => Promise<LiveHost | null>;
  /** What is seen of the watcher on the host now. */
  readonly sight: (host: string, watcher: string) => Sight;
  readonly emit: (draft: EventDraft) => boolean;
  /** Tells those who follow the progress. */
  readonly advise: (core: RolloutCore) => void;
  /** Resolves when a command may go out: what was saved before it is known to the other controllers, and we lead. */
  readonly ready: (id: string) => Promise<boolean>;
  readonly timings: RolloutTimings;
  readonly log: Logger;
}

const OPTIONS_MS = 5000;

/** The watcher in a live picture, or all of them as one; null: it is not in it. */
export function viewOf(live: LiveHost | null, watcher: string): HostView | null {
  if (live === null) return null;
  const { epoch } = live;
  if (watcher === ALL_WATCHERS) {
    const parts = [...live.watchers].map(([name, found]) => [name, partOf(epoch, found)] as const);
    return wholeHost(epoch, new Map(parts));
  }
  const found = live.watchers.get(watcher);
  return found === undefined ? null : partOf(epoch, found);
}

function partOf(epoch: number, watcher: LiveWatcher): HostView {
  const { state, numprocesses, processes, generation, crashes, reason } = watcher;
  return { epoch, state, numprocesses, processes, generation, crashes, reason };
}

export class RolloutRunner {
  readonly #parts: RolloutParts;
  readonly #runner: Runner<RolloutCore, RolloutInput, RolloutEffect>;
  readonly #onEnd: () => void;
  #isDead = false;
  /** To be stored; one transaction takes what many hosts answer in one turn of the event loop. */
  #unsaved: RolloutCore | null = null;
  /** What may be done only when that is stored, in order. */
  #held: Exclude<RolloutEffect, { kind: "save" }>[] = [];
  #storing: NodeJS.Immediate | null = null;

  /** Does nothing before `begin`, `takeUp` or a decision. */
  constructor(core: RolloutCore, parts: RolloutParts, onEnd: () => void) {
    this.#parts = parts;
    this.#onEnd = onEnd;
    const sights = [...core.index.keys()].map((host) => parts.sight(host, core.watcher));
    const step = (state: RolloutCore, input: RolloutInput, now: Millis) => transition(state, input, now, parts.timings);
    this.#runner = new Runner({ ...core, sights }, step, {
      now: () => Date.now(),
      perform: (effect) => this.#perform(effect),
      onBug: (error) => this.#die(error),
    });
  }

  get record(): RolloutRecord {
    return recordOf(this.#runner.state);
  }

  get core(): RolloutCore {
    return this.#runner.state;
  }

  begin(): void {
    this.#feed({ kind: "begin" });
    this.#store();
  }

  /** After a restart of the controller. */
  takeUp(): void {
    this.#parts.log.info("rollout taken up", { rollout: this.core.id });
    this.#feed({ kind: "take-up" });
  }

  /** @returns why it cannot be done; null: it is done */
  decide(decision: Decision): string | null {
    const refusal = refusalOf(this.core, decision);
    if (refusal === null) this.#feed(decision);
    this.#store(); // who decided is told that it is so
    return refusal;
  }

  /** Where other rollouts of this watcher are at work. */
  busy(hosts: ReadonlySet<string>): void {
    this.#feed({ kind: "busy", hosts });
  }

  /** Something of this host has changed. */
  see(host: string): void {
    if (!this.core.index.has(host)) return;
    this.#feed({ kind: "seen", host, sight: this.#parts.sight(host, this.#runner.state.watcher) });
  }

  elapsed(ms: Millis): void {
    this.#feed({ kind: "elapsed", ms });
  }

  online(isOnline: boolean): void {
    this.#feed({ kind: "online", isOnline });
  }

  /** Leaves it to the next controller: nothing is stored or sent from now on. */
  release(): void {
    this.#store();
    this.#isDead = true;
  }

  /** Another controller leads it: what is not stored yet is not ours to store any more. */
  drop(): void {
    if (this.#storing !== null) clearImmediate(this.#storing);
    this.#storing = null;
    this.#isDead = true;
  }

  #feed(input: RolloutInput): void {
    if (!this.#isDead) this.#runner.feed(input);
  }

  #perform(effect: RolloutEffect): void {
    if (this.#isDead) return;
    if (effect.kind === "save") {
      this.#unsaved = effect.core;
      this.#storing ??= setImmediate(() => this.#store());
    } else if (this.#unsaved === null) this.#do(effect);
    else this.#held.push(effect);
  }

  /** Stores what is to be stored, then does what waited for it. */
  #store(): void {
    if (this.#storing !== null) clearImmediate(this.#storing);
    this.#storing = null;
    const core = this.#unsaved;
    if (core === null || this.#isDead) return;
    const held = this.#held;
    this.#unsaved = null;
    this.#held = [];
    try {
      this.#parts.store.save(core);
    } catch (error) {
      this.#die(error); // nothing of it must be sent
      return;
    }
    for (const effect of held) this.#do(effect);
  }

  #do(effect: Exclude<RolloutEffect, { kind: "save" }>): void {
    if (this.#isDead) return;
    const { emit, advise, log } = this.#parts;
    switch (effect.kind) {
      case "event":
        log.info(effect.draft.kind, effect.draft.data);
        if (!emit(effect.draft)) log.warning("an event of a rollout was dropped: too many wait", effect.draft.data);
        return;
      case "advise":
        advise(effect.core);
        return;
      case "look":
        void this.#look(effect.host as HostName, effect.options);
        return;
      case "send":
        void this.#send(effect);
        return;
      case "end":
        this.#onEnd();
        return;
      default:
        effect satisfies never;
    }
  }

  async #look(host: HostName, options: readonly string[] | null): Promise<void> {
    const live = await this.#parts.look(host);
    const found = live === null ? "no answer" : (viewOf(live, this.core.watcher) ?? "no watcher");
    const values = options === null || live === null ? null : await this.#values(host, options);
    this.#feed({ kind: "looked", host, found, values });
  }

  /** Of the options named, or of the configuration file; null where the host does not say. */
  async #values(host: HostName, names: readonly string[]): Promise<Values | null> {
    const id = `look-${randomBytes(8).toString("hex")}`;
    const { command: changes, watcher: name } = this.core;
    const isFile = changes === "config";
    const question = isFile
      ? { command: "config-show", properties: { brief: true } }
      : { command: "options", properties: { name } };
    const command = { host, id, ...question };
    try {
      const delivery = await this.#parts.commander.send(command, OPTIONS_MS);
      if (delivery.kind !== "answered" || delivery.answer.outcome !== "done") return null;
      const options = isFile ? delivery.answer.reply : delivery.answer.reply["options"];
      if (typeof options !== "object" || options === null) return null;
      return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)));
    } catch (error) {
      this.#parts.log.warning("the options of a host cannot be asked", { host, reason: reasonOf(error) });
      return null;
    }
  }

  async #send(effect: Extract<RolloutEffect, { kind: "send" }>): Promise<void> {
    const { host, commandId, command, properties, timeoutMs } = effect;
    // Where it may not go out now, silence lets the core send it again.
    if (!(await this.#parts.ready(this.core.id)) || this.#isDead) return;
    const accepted = (): void => this.#feed({ kind: "accepted", commandId });
    let delivery: Delivery;
    try {
      delivery = await this.#parts.commander.send(
        { host: host as HostName, id: commandId, command, properties },
        timeoutMs,
        accepted,
      );
    } catch (error) {
      this.#feed({ kind: "answered", commandId, outcome: "refused", reason: reasonOf(error) });
      return;
    }
    // Silence and a lost connection are noticed by the core's countdowns.
    if (delivery.kind === "absent") this.#feed({ kind: "absent", commandId });
    if (delivery.kind !== "answered") return;
    const { outcome, reply } = delivery.answer;
    if (outcome === "accepted") accepted();
    else {
      const reason = typeof reply["reason"] === "string" ? reply["reason"] : null;
      this.#feed({ kind: "answered", commandId, outcome, reason });
    }
  }

  /** Our bug, or a database that cannot be written: nothing more is sent, and the record says why if it can. */
  #die(error: unknown): void {
    if (this.#isDead) return;
    this.#isDead = true;
    const { store, log, emit, advise } = this.#parts;
    const core = this.#runner.state;
    const reason = `internal error: ${reasonOf(error)}`;
    log.error("rollout ended by an internal error", { rollout: core.id, err: error });
    const ended: RolloutCore = { ...core, state: "failed", reason, ended: Date.now() };
    try {
      store.save(ended);
      emit({
        kind: "rollout_ended",
        watcher: core.watcher,
        actor: core.actor,
        cause: core.id,
        data: { rollout: core.id, state: "failed", reason },
      });
      advise(ended);
    } catch (again) {
      // It stays open in the database, and is taken up at the next start.
      log.error("the end of a rollout cannot be stored", { rollout: core.id, err: again });
    }
    this.#onEnd();
  }
}
