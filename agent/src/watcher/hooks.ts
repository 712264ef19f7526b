/**
 * Hooks inside the core (reference §2.10): calls wait in one row for each watcher, as Circus makes them one after
 * another; the first of the row is under way. Pure.
 *
 * H1  A call is over when its answer comes or its time is up, whichever is first; a later answer changes nothing.
 * H2  What waits for an answer waits for a call in `calls`. Whoever takes a call out of the row settles that too.
 * H3  A watcher without hooks never has a call, and no step of its life waits for one.
 */
import type { Millis } from "@circus-cluster/proto";
import { HOOK_TIMEOUT_MS, type HookName, isHookName } from "../config/hooks.ts";
import {
  type HookCall,
  type HookOutcome,
  type HookPurpose,
  isLive,
  NOBODY,
  type ProcessState,
  type WatcherInput,
  type WatcherState,
} from "./state.ts";
import type { Turn } from "./turn.ts";

/** Calls that wait for one watcher; those of a thousand processes that end together, and more, have room. */
export const CALLS_MAX = 4096;

function hasHook({ config }: WatcherState, name: HookName): boolean {
  return config.hooks.byName[name] !== undefined;
}

/** Is an answer of this hook still to come? */
export function isCalling(state: WatcherState, hook: HookCall["hook"]): boolean {
  return state.calls.length > 0 && state.calls.some((call) => call.hook === hook);
}

/** Of all others no more than one at a time waits; these come as often as processes end and people send signals. */
const UNBOUNDED: ReadonlySet<HookName> = new Set(["before_signal", "after_signal", "before_reap", "after_reap"]);

interface Subject {
  readonly process?: ProcessState;
  readonly facts?: HookCall["facts"];
  readonly purpose?: HookPurpose;
}

/**
 * Puts a call at the end of the row. False where the watcher has no such hook, or the row is full: then nothing has to
 * be waited for, as after a failure that is ignored.
 */
export function callHook(turn: Turn, hook: HookCall["hook"], about: Subject = {}): boolean {
  const { calls, lastCall } = turn.state;
  if (isHookName(hook) && !hasHook(turn.state, hook)) return false;
  if (isHookName(hook) && calls.length >= CALLS_MAX && UNBOUNDED.has(hook)) {
    turn.publish("hook_failure", { name: hook, error: `not called: ${CALLS_MAX} calls wait` });
    return false;
  }
  const { process, facts = {}, purpose = { kind: "tell" } } = about;
  const subject =
    process === undefined
      ? null
      : isLive(process)
        ? { wid: process.wid, pid: process.pid, startedMs: process.startedMs }
        : { wid: process.wid, pid: null, startedMs: null };
  const id = lastCall + 1;
  const call: HookCall = { id, hook, subject, facts, purpose, deadlineMs: null };
  turn.patch({ lastCall: id, calls: [...calls, call] });
  return true;
}

/** A check waits for whole modules to be imported, of which a short timeout of their hooks says nothing. */
function allowedMs({ config: { hooks } }: WatcherState, { hook }: HookCall): Millis {
  return hook === "check" ? Math.max(hooks.timeoutMs, HOOK_TIMEOUT_MS) : hooks.timeoutMs;
}

/** Makes the first of the row the one under way. */
export function serveCalls(turn: Turn): void {
  const { calls, config } = turn.state;
  const [first, ...rest] = calls;
  if (first === undefined || first.deadlineMs !== null) return;
  turn.patch({ calls: [{ ...first, deadlineMs: turn.now + allowedMs(turn.state, first) }, ...rest] });
  turn.ask({ kind: "call_hook", call: first, config });
}

/** Takes calls out of the row, as if they had never been asked for; what has begun is broken off. */
export function dropCalls(turn: Turn, which: (call: HookCall) => boolean): void {
  const { calls } = turn.state;
  if (calls.length === 0) return;
  const dropped = calls.filter(which);
  if (dropped.length === 0) return;
  for (const call of dropped) if (call.deadlineMs !== null) turn.ask({ kind: "cancel_hook", id: call.id });
  turn.patch({ calls: calls.filter((call) => !dropped.includes(call)) });
}

/** A call that is over. */
export interface Answer {
  readonly call: HookCall;
  readonly outcome: HookOutcome;
  /** What the life of the watcher makes of it: a failure is a no, unless it is to be ignored. */
  readonly isYes: boolean;
}

/** The answer of the call under way; null where nobody waits for it any more (H1). */
export function takeAnswer(
  turn: Turn,
  { id, outcome }: Extract<WatcherInput, { kind: "hook_returned" }>,
): Answer | null {
  const call = turn.state.calls.find((candidate) => candidate.id === id);
  if (call === undefined) return null;
  turn.patch({ calls: turn.state.calls.filter((candidate) => candidate.id !== id) });
  if (outcome.kind === "returned" && outcome.env !== null) {
    // As in Circus it is the watcher's own environment that a hook changes, for all later processes.
    turn.patch({ config: { ...turn.state.config, env: outcome.env } });
  }
  return answerOf(turn, call, outcome);
}

function answerOf(turn: Turn, call: HookCall, outcome: HookOutcome): Answer {
  const { hook, subject } = call;
  if (!isHookName(hook)) return { call, outcome, isYes: outcome.kind === "returned" };
  if (outcome.kind === "returned") {
    turn.publish("hook_success", { name: hook });
    return { call, outcome, isYes: outcome.value };
  }
  turn.publish("hook_failure", { name: hook, error: outcome.error });
  const process =
    subject === null ? undefined : { wid: subject.wid, ...(subject.pid === null ? {} : { pid: subject.pid }) };
  turn.emit("hook_failed", { hook, reason: outcome.error }, NOBODY, process);
  return { call, outcome, isYes: turn.state.config.hooks.byName[hook]?.ignore ?? true };
}

/**
 * The calls whose time is up. With one that does not return, all that wait for the same hook are over too: they
 * would wait as long again. And when a watcher has stopped, its hooks get the time of one call together.
 */
export function takeOverdue(turn: Turn): readonly Answer[] {
  const { calls, hooksByMs, status } = turn.state;
  const [first] = calls;
  if (first === undefined || first.deadlineMs === null) return [];
  const isOut = hooksByMs !== null && hooksByMs <= turn.now && status === "stopped";
  if (first.deadlineMs > turn.now && !isOut) return [];
  const isOver = (call: HookCall): boolean => call === first || call.hook === first.hook || (isOut && !isEntry(call));
  const over = calls.filter(isOver);
  dropCalls(turn, isOver);
  const seconds = allowedMs(turn.state, first) / 1000;
  return over.map((call) =>
    answerOf(turn, call, {
      kind: "failed",
      error: call === first ? `no answer within ${seconds} s` : "not called, as another call did not return in time",
    }),
  );
}

/** Belongs to a start that has not come to its first process yet. */
function isEntry({ hook }: HookCall): boolean {
  return hook === "check" || hook === "before_start";
}

/** Only a start waits for these. */
const MOOT: ReadonlySet<HookCall["hook"]> = new Set(["after_start", "before_spawn", "after_spawn"]);

/** The event `spawn`, once. */
export function announce(turn: Turn, pid: number): void {
  const process = turn.state.processes.find((candidate) => isLive(candidate) && candidate.pid === pid);
  if (process === undefined || !isLive(process) || process.isAnnounced) return;
  turn.replaceProcess(process.wid, { ...process, isAnnounced: true });
  turn.publish("spawn", { process_pid: pid, time: process.startedMs / 1000 });
}

/**
 * From now on nothing is to run: what a start waits for is not waited for any more, and `before_stop` is called
 * before the first process is signalled.
 */
export function lower(turn: Turn): void {
  for (const { hook, subject } of turn.state.calls) {
    if (hook === "after_spawn" && subject?.pid !== null && subject !== null) announce(turn, subject.pid);
  }
  dropCalls(turn, (call) => isEntry(call) || MOOT.has(call.hook));
  turn.patch({
    goal: "down",
    isUnasked: false,
    processes: turn.state.processes.filter((p) => p.kind !== "spawning" || !p.isAsking),
  });
  if (turn.state.status === "starting" || turn.state.status === "active") {
    turn.become("stopping");
    callHook(turn, "before_stop");
  }
}

/** All processes have gone. */
export function becomeStopped(turn: Turn): void {
  turn.become("stopped");
  callHook(turn, "after_stop");
  if (turn.state.calls.length > 0) turn.patch({ hooksByMs: turn.now + turn.state.config.hooks.timeoutMs });
}
