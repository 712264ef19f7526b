/**
 * How a process is asked to go: its signal, the hooks that are asked about it, and SIGKILL to all that is left when its
 * time is up (reference §2.4). Pure.
 */
import type { Cause } from "./api.ts";
import { callHook } from "./hooks.ts";
import {
  type HookCall,
  isLive,
  type LiveProcess,
  SIGKILL,
  type StopManner,
  type Stopping,
  type StopReason,
  type WatcherInput,
} from "./state.ts";
import type { Turn } from "./turn.ts";

type Fact<K extends WatcherInput["kind"]> = Extract<WatcherInput, { kind: K }>;

/** The watcher's own way: `stop_signal`, then `graceful_timeout`. */
export function ordinaryStop(turn: Turn, reason: StopReason): StopManner {
  const { stopSignal, gracefulTimeoutS } = turn.state.config;
  return { reason, signum: stopSignal, graceMs: gracefulTimeoutS * 1000, cause: turn.cause };
}

/** Asks a process to go. No grace at all means SIGKILL to its group (reference §2.4). */
export function beginStop(turn: Turn, process: LiveProcess, manner: StopManner): void {
  const { reason, signum, graceMs, cause } = manner;
  const { wid } = process;
  const stopping: Stopping =
    process.kind === "running"
      ? { ...process, kind: "stopping", phase: "asking", reason, killAtMs: Infinity, cause }
      : process; // Asked again: the reason stays.
  if (graceMs <= 0) {
    if (stopping.phase !== "killing") killGroup(turn, stopping);
    return;
  }
  const facts = { pid: process.pid, signum };
  const isAsking = callHook(turn, "before_signal", { process, facts, purpose: { kind: "stop", manner } });
  if (!isAsking) sendStop(turn, stopping, manner, true);
  else if (process.kind === "running") turn.replaceProcess(wid, stopping);
}

/** @param isPermitted false: a hook has taken the signal back, and all the rest goes on (reference §2.10) */
function sendStop(turn: Turn, process: Stopping, manner: StopManner, isPermitted: boolean): void {
  const { signum, graceMs, cause } = manner;
  const { wid, pid } = process;
  // Harder than before: the deadline only comes nearer.
  const killAtMs = Math.min(process.killAtMs, turn.now + graceMs);
  const stopping: Stopping = { ...process, killAtMs, phase: process.phase === "asking" ? "signalled" : process.phase };
  turn.replaceProcess(wid, stopping);
  // The children first: once their parent is gone nobody can tell whose they were.
  if (turn.state.config.stopChildren) turn.ask({ kind: "signal", to: "children", wid, pid, signum });
  if (isPermitted || signum === SIGKILL) turn.ask({ kind: "signal", to: "process", wid, pid, signum });
  callHook(turn, "after_signal", { process, facts: { pid, signum } });
  tellKill(turn, stopping, signum, cause);
}

/** One signal, without consequences for what is wanted of the process. SIGKILL does not wait for an answer. */
export function signalOnce(turn: Turn, process: LiveProcess, signum: number): void {
  const facts = { pid: process.pid, signum };
  const isAsking = callHook(turn, "before_signal", {
    ...{ process, facts },
    purpose: signum === SIGKILL ? { kind: "tell" } : { kind: "signal", signum },
  });
  if (!isAsking || signum === SIGKILL) sendOnce(turn, process, signum, true);
}

function sendOnce(turn: Turn, process: LiveProcess, signum: number, isPermitted: boolean): void {
  const { wid, pid } = process;
  if (isPermitted) turn.ask({ kind: "signal", to: "process", wid, pid, signum });
  callHook(turn, "after_signal", { process, facts: { pid, signum } });
}

/** `before_signal` has answered; its process may have gone meanwhile. */
export function onMaySignalAnswered(turn: Turn, { subject, purpose }: HookCall, isYes: boolean): void {
  const process = turn.state.processes.find((p) => isLive(p) && p.wid === subject?.wid && p.pid === subject.pid);
  if (process === undefined || !isLive(process)) return;
  switch (purpose.kind) {
    case "tell":
      return;
    case "signal":
      sendOnce(turn, process, purpose.signum, isYes);
      return;
    case "stop":
      if (process.kind === "stopping") sendStop(turn, process, purpose.manner, isYes);
      return;
    default:
      return purpose satisfies never;
  }
}

export function killGroup(turn: Turn, process: Stopping): void {
  const { wid, pid } = process;
  turn.replaceProcess(wid, { ...process, phase: "killing" });
  const about = { process, facts: { pid, signum: SIGKILL } };
  callHook(turn, "before_signal", about);
  turn.ask({ kind: "signal", to: "group", wid, pid, signum: SIGKILL });
  callHook(turn, "after_signal", about);
  tellKill(turn, process, SIGKILL, process.cause);
}

function tellKill(turn: Turn, { wid, pid, reason }: Stopping, signal: number, cause: Cause): void {
  turn.publish("kill", { process_pid: pid });
  turn.emit("process_killed", { signal, reason }, cause, { wid, pid });
}

/** `stop_children` found these (reference §2.4: one `kill` event each). */
export function onChildrenSignalled(turn: Turn, { children }: Fact<"children_signalled">): void {
  for (const child of children) turn.publish("kill", { process_pid: child });
}
