/**
 * One application of the core in the making: the state so far and the effects asked for. Lives inside a
 * single `transition` and is never seen outside of it, so the core as a whole stays pure.
 */
import type { EventDraft, EventKind, Millis } from "@circus-cluster/proto";
import type { CircusEvent } from "../events/api.ts";
import type { Cause, ChangeInfo, CircusStatus } from "./api.ts";
import { intentText } from "./intent.ts";
import { NOBODY, type ProcessState, type ReplyResult, type WatcherEffect, type WatcherState } from "./state.ts";

/** Effects that tell; an agent that ends because of one has told why. A hook is called when what came before is told. */
const TOLD: ReadonlySet<WatcherEffect["kind"]> = new Set(["publish", "emit", "escalate", "call_hook"]);

export class Turn {
  readonly now: Millis;
  state: WatcherState;
  readonly #effects: WatcherEffect[] = [];

  constructor(state: WatcherState, now: Millis) {
    this.state = state;
    this.now = now;
  }

  patch(change: Partial<WatcherState>): void {
    this.state = { ...this.state, ...change };
  }

  /** Puts `next` where the process with this wid is, or removes it where `next` is null. */
  replaceProcess(wid: number, next: ProcessState | null): void {
    const processes = this.state.processes.slice();
    const index = processes.findLastIndex((process) => process.wid === wid);
    if (index < 0) return;
    if (next === null) processes.splice(index, 1);
    else processes[index] = next;
    this.patch({ processes });
  }

  ask(effect: WatcherEffect): void {
    this.#effects.push(effect);
  }

  /** On the PUB socket (reference §6). */
  publish(event: CircusEvent["event"], data: CircusEvent["data"] = {}): void {
    this.ask({ kind: "publish", event: { watcher: this.state.config.name, event, data } });
  }

  /** Into the fleet's history (design §4). */
  emit(
    kind: EventKind,
    data: EventDraft["data"],
    cause: Cause = this.cause,
    process?: { readonly pid?: number; readonly wid: number },
  ): void {
    this.ask({
      kind: "emit",
      event: {
        kind,
        watcher: this.state.config.name,
        data,
        ...(process?.pid === undefined ? {} : { pid: process.pid }),
        ...(process === undefined ? {} : { wid: process.wid }),
        ...(cause.actor === null ? {} : { actor: cause.actor }),
        ...(cause.command === null ? {} : { cause: cause.command }),
      },
    });
  }

  reply(ticket: number, result: ReplyResult): void {
    this.ask({ kind: "reply", ticket, result });
  }

  /** The result of a command that went well; without pids where it has no `info`. */
  done(info: ChangeInfo = { stopped: [], started: [], kept: [] }): ReplyResult {
    return { kind: "done", info, numprocesses: this.state.config.numprocesses };
  }

  /** Who is behind what happens now: the command being carried out, or nobody. */
  get cause(): Cause {
    return this.state.job?.request.cause ?? NOBODY;
  }

  /** The only place where the status changes, and so the only one that announces it. */
  become(status: CircusStatus): void {
    this.patch({ status });
    const { generation, intent, isFailed } = this.state;
    switch (status) {
      case "starting":
        this.emit("watcher_starting", { generation });
        return;
      case "active":
        this.publish("start");
        this.emit("watcher_started", { generation });
        return;
      case "stopping":
        this.emit("watcher_stopping", {});
        return;
      case "stopped":
        this.publish("stop");
        if (isFailed) this.tellFailed();
        else this.emit("watcher_stopped", intent === null ? {} : { reason: intentText(intent) });
        return;
      default:
        return status satisfies never;
    }
  }

  /** It rests because it could not run. Whose end that is, is to end. */
  tellFailed(): void {
    const { config, reason, spawnFailures } = this.state;
    this.emit("watcher_failed", { reason, ...(spawnFailures > 0 ? { attempts: spawnFailures } : {}) });
    if (config.lifecycle.onFailed === "quit") this.ask({ kind: "escalate", reason: reason ?? "it failed" });
  }

  /**
   * The effects in the order in which they are performed: do, then tell, then reply. So a successor is
   * spawned before anybody is told of the death, and who gets a reply finds all events on their way.
   */
  effects(): readonly WatcherEffect[] {
    const rank = (effect: WatcherEffect) => (effect.kind === "reply" ? 2 : TOLD.has(effect.kind) ? 1 : 0);
    return [0, 1, 2].flatMap((wantedRank) => this.#effects.filter((effect) => rank(effect) === wantedRank));
  }
}
