/** Has a host become what its command was for? Pure: words for what is wrong, null where nothing is. */
import { formatDuration, type Millis } from "@circus-cluster/proto";
import type { Goal } from "./order.ts";
import type { HostView, Sight, Work } from "./state.ts";

/** As many processes as wanted, all healthy. */
export function isWhole(view: HostView): boolean {
  return (
    view.state === "active" &&
    view.processes.length === view.numprocesses &&
    view.processes.every((process) => process.health === "healthy")
  );
}

export function isReached(goal: Goal, view: HostView, generationBefore: number): boolean {
  switch (goal) {
    case "renewed":
      return isWhole(view) && view.processes.every((process) => process.generation > generationBefore);
    case "whole":
      return isWhole(view);
    case "stopped":
      return view.state === "stopped";
    default:
      return goal satisfies never;
  }
}

/** Why it will not become so any more; null: it may. */
export function hopeless(goal: Goal, view: HostView): string | null {
  if (goal === "stopped") return null;
  const because = view.reason === null ? "" : `: ${view.reason}`;
  if (view.state === "failed") return `the watcher failed${because}`;
  return view.state === "stopped" ? `the watcher was stopped${because}` : null;
}

/** What keeps it from that, when the time is up. */
export function lacking(goal: Goal, view: HostView | null, generationBefore: number, limitMs: Millis): string {
  const within = `not ${goal === "stopped" ? "stopped" : "healthy"} within ${formatDuration(limitMs)}`;
  if (view === null) return `${within}: nothing is seen of it`;
  const { state, numprocesses, processes, reason } = view;
  const because = reason === null ? "" : ` (${reason})`;
  if (goal === "stopped") return `${within}: ${state}${because}`;
  const isRenewed = goal === "renewed";
  const counted = isRenewed ? processes.filter((process) => process.generation > generationBefore) : processes;
  const healthy = counted.filter((process) => process.health === "healthy");
  const what = isRenewed ? "new processes" : "processes";
  return `${within}: ${state}, ${healthy.length} of ${numprocesses} ${what} healthy${because}`;
}

/** What is wrong with a host in its soak time. */
export function soakFault(goal: Goal, view: HostView, pids: readonly number[]): string | null {
  const wanted = goal === "stopped" ? "stopped" : "active";
  if (view.state !== wanted) return `the watcher became ${view.state} in the soak time`;
  for (const pid of pids) {
    const process = view.processes.find((one) => one.pid === pid);
    if (process === undefined) return `process ${pid} exited in the soak time`;
    if (process.health === "unhealthy") return `process ${pid} became unhealthy in the soak time`;
  }
  return null;
}

/** What is wrong with a host that was done before. Processes replaced on purpose are not. */
export function illness(goal: Goal, { view, isLost }: Sight, { crashes }: Work["trial"]): string | null {
  if (goal === "stopped") return null;
  if (isLost) return "fell ill after it was done: the host is lost";
  if (view === null) return null;
  if (view.state !== "active") return `fell ill after it was done: the watcher is ${view.state}`;
  if (view.processes.some((process) => process.health === "unhealthy")) {
    return "fell ill after it was done: a process is unhealthy";
  }
  const isCrashed = crashes !== null && crashes.epoch === view.epoch && view.crashes > crashes.count;
  return isCrashed ? "fell ill after it was done: a process died" : null;
}
