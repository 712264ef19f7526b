/** Is a host all right with its new processes? Pure: words for what is wrong, null where nothing is. */
import { formatDuration, type Millis } from "@circus-cluster/proto";
import type { HostView, Sight, Work } from "./state.ts";

/** Every process new and healthy, and as many as wanted? */
export function isRestarted(view: HostView, generationBefore: number): boolean {
  return (
    view.state === "active" &&
    view.processes.length === view.numprocesses &&
    view.processes.every((process) => process.generation > generationBefore && process.health === "healthy")
  );
}

/** Why it will not become so any more; null: it may. */
export function hopeless(view: HostView): string | null {
  const because = view.reason === null ? "" : `: ${view.reason}`;
  if (view.state === "failed") return `the watcher failed${because}`;
  return view.state === "stopped" ? `the watcher was stopped${because}` : null;
}

/** What keeps it from being restarted, when the time is up. */
export function lacking(view: HostView | null, generationBefore: number, limitMs: Millis): string {
  const within = `not healthy within ${formatDuration(limitMs)}`;
  if (view === null) return `${within}: nothing is seen of it`;
  const { state, numprocesses, processes, reason } = view;
  const fresh = processes.filter((process) => process.generation > generationBefore);
  const healthy = fresh.filter((process) => process.health === "healthy");
  const because = reason === null ? "" : ` (${reason})`;
  return `${within}: ${state}, ${healthy.length} of ${numprocesses} new processes healthy${because}`;
}

/** What is wrong with a host in its soak time. */
export function soakFault(view: HostView, pids: readonly number[]): string | null {
  if (view.state !== "active") return `the watcher became ${view.state} in the soak time`;
  for (const pid of pids) {
    const process = view.processes.find((one) => one.pid === pid);
    if (process === undefined) return `process ${pid} exited in the soak time`;
    if (process.health === "unhealthy") return `process ${pid} became unhealthy in the soak time`;
  }
  return null;
}

/** What is wrong with a host that was done before. Processes replaced on purpose are not. */
export function illness({ view, isLost }: Sight, { crashes }: Work["trial"]): string | null {
  if (isLost) return "fell ill after it was done: the host is lost";
  if (view === null) return null;
  if (view.state !== "active") return `fell ill after it was done: the watcher is ${view.state}`;
  if (view.processes.some((process) => process.health === "unhealthy")) {
    return "fell ill after it was done: a process is unhealthy";
  }
  const isCrashed = crashes !== null && crashes.epoch === view.epoch && view.crashes > crashes.count;
  return isCrashed ? "fell ill after it was done: a process died" : null;
}
