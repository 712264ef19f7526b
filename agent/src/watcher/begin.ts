/**
 * What each command does when its turn comes: it sets the goal or the configuration, and the job that waits
 * for it (I1). Pure.
 */
import type { Cause } from "./api.ts";
import { lower } from "./hooks.ts";
import { finish, nextGeneration, open, raise } from "./job.ts";
import { applyOptions, SINGLETON_TEXT } from "./options.ts";
import { isStalled, missing, refills } from "./reconcile.ts";
import { type Command, type Intent, isLive, isRunning, type Request, SIGHUP, type WatcherState } from "./state.ts";
import type { Turn } from "./turn.ts";

type Configure = Extract<Command, { kind: "configure" }>;

/** Makes a request the job, or answers it at once where there is nothing to wait for. */
export function begin(turn: Turn, request: Request): void {
  const { command } = request;
  switch (command.kind) {
    case "start":
      forget(turn);
      open(turn, "start", request);
      if (turn.state.status === "stopped") raise(turn);
      else fill(turn);
      return;
    case "stop":
      beginStopAll(turn, request, command.intent);
      return;
    case "restart":
      forget(turn);
      beginRestart(turn, request, command.newerThan);
      return;
    case "reload":
      forget(turn);
      beginReload(turn, request, command);
      return;
    case "resize":
      beginResize(turn, request, command.to);
      return;
    case "resize_by":
      // A singleton does not change, and that is no error (reference §5.6).
      if (turn.state.config.singleton) turn.reply(request.ticket, turn.done());
      else beginResize(turn, request, turn.state.config.numprocesses + command.delta);
      return;
    case "set":
      beginSet(turn, request, command.options);
      return;
    case "configure":
      beginConfigure(turn, request, command);
      return;
    case "kill":
    case "signal":
      throw new Error(`invariant broken: a ${command.kind} was queued`);
    default:
      return command satisfies never;
  }
}

/** On a watcher that runs: spawns what is missing, without waiting for any back-off. */
function fill(turn: Turn): void {
  turn.patch({ goal: "up", spent: 0, succeeded: 0, vacancies: [], reason: null, isFailed: false });
  const { job } = turn.state;
  if (job !== null) turn.patch({ job: { ...job, left: missing(turn.state) } });
}

/** It is wanted again: nobody has to remember who stopped it. */
function forget(turn: Turn): void {
  if (turn.state.intent === null) return;
  turn.patch({ intent: null });
  turn.ask({ kind: "intend", intent: null });
}

function beginStopAll(turn: Turn, request: Request, intent: Intent | null): void {
  const { status, isFailed } = turn.state;
  if (intent !== null) {
    turn.patch({ intent });
    turn.ask({ kind: "intend", intent });
  }
  open(turn, "stop", request);
  turn.patch({ isFailed: false, reason: null });
  lower(turn);
  // From now on it rests because it was told to: history has to know.
  if (status === "stopped" && isFailed) turn.emit("watcher_stopped", {});
}

/** Harmless twice (design §5): nothing to do where every process is newer already. */
function isNewEnough(state: WatcherState, newerThan: number | null): boolean {
  const running = state.processes.filter(isRunning);
  return (
    newerThan !== null &&
    state.status === "active" &&
    state.goal === "up" &&
    running.length === state.processes.length &&
    running.length >= state.config.numprocesses &&
    running.every((process) => process.generation > newerThan)
  );
}

function beginRestart(turn: Turn, request: Request, newerThan: number | null): void {
  const isDone = isNewEnough(turn.state, newerThan);
  open(turn, "restart", request);
  if (isDone) finish(turn);
  else if (turn.state.status === "stopped") raise(turn);
  else lower(turn);
}

function beginReload(turn: Turn, request: Request, command: Extract<Command, { kind: "reload" }>): void {
  const { state } = turn;
  // Circus starts a stopped watcher, and takes `--terminate` for a restart (reference §2.7).
  if (!command.graceful || state.status === "stopped") {
    beginRestart(turn, request, command.newerThan);
    return;
  }
  open(turn, "reload", request);
  if (isNewEnough(state, command.newerThan)) finish(turn);
  else if (state.config.sendHup) hangUp(turn, request);
  else renew(turn, request, command.sequential ? "sequence" : "overlap");
}

/** `send_hup`: the processes stay and count as new, since they have read their configuration again. */
function hangUp(turn: Turn, request: Request): void {
  const generation = nextGeneration(turn.state, request);
  for (const { wid, pid } of turn.state.processes.filter(isRunning)) {
    turn.ask({ kind: "signal", to: "process", wid, pid, signum: SIGHUP });
  }
  turn.patch({
    goal: "up",
    generation,
    reason: null,
    processes: turn.state.processes.map((process) => (isRunning(process) ? { ...process, generation } : process)),
  });
}

/** Of a singleton there are never two, not even for the time of a reload. */
function renew(turn: Turn, request: Request, wantedGoal: "overlap" | "sequence"): void {
  const goal = turn.state.config.singleton ? "sequence" : wantedGoal;
  turn.patch({ goal, generation: nextGeneration(turn.state, request), reason: null, isFailed: false });
}

function beginResize(turn: Turn, request: Request, to: number): void {
  const { config } = turn.state;
  const isIdle = isAtRest(turn.state);
  const numprocesses = Math.max(0, Math.trunc(to));
  if (config.singleton && numprocesses > 1) {
    turn.reply(request.ticket, { kind: "refused", code: "conflict", reason: SINGLETON_TEXT });
    return;
  }
  open(turn, "resize", request);
  if (numprocesses !== config.numprocesses) {
    turn.patch({ config: { ...config, numprocesses } });
    turn.emit("watcher_updated", { numprocesses });
  }
  if (isIdle) finish(turn);
  else fit(turn);
}

/** Nothing of it runs: what its configuration becomes is only remembered. */
function isAtRest(state: WatcherState): boolean {
  return state.status === "stopped" || isStalled(state);
}

/**
 * Waits for what is missing afresh; a place in back-off is none of a resize's business. Places that stay
 * empty (`respawn` is off, or `on_demand` is on) are the first that a smaller number does away with.
 */
function fit(turn: Turn): void {
  const { config, processes, spent } = turn.state;
  const manned = processes.filter((process) => process.kind !== "stopping").length;
  const left = refills(turn.state) ? 0 : Math.min(spent, Math.max(0, config.numprocesses - manned));
  turn.patch({ goal: "up", spent: left, succeeded: Math.max(0, turn.state.succeeded - (spent - left)) });
  const { job, vacancies } = turn.state;
  if (job !== null) turn.patch({ job: { ...job, left: Math.max(0, missing(turn.state) - vacancies.length) } });
}

/** The new values hold whatever becomes of the reload, so that a later `restart` uses them. */
function beginSet(turn: Turn, request: Request, options: Readonly<Record<string, unknown>>): void {
  const before = turn.state.config;
  const applied = applyOptions(before, options);
  if (applied.kind === "refused") {
    turn.reply(request.ticket, applied);
    return;
  }
  const { config, needsReload } = applied;
  const isIdle = isAtRest(turn.state);
  open(turn, needsReload ? "reload" : "resize", request);
  turn.patch({ config });
  for (const _key of Object.keys(options)) turn.publish("updated");
  // Names only: values may be secrets (design §7).
  turn.emit("watcher_updated", { options: Object.keys(options), numprocesses: config.numprocesses });
  if (isIdle) finish(turn);
  // `send_hup` would leave the processes with their old command, so a set always renews them.
  else if (needsReload) renew(turn, request, "overlap");
  else fit(turn);
}

/**
 * The file's new values hold whatever becomes of the processes. One that is stopped stays so: whether it is to run
 * is not for its configuration to say.
 */
function beginConfigure(turn: Turn, request: Request, command: Configure): void {
  const { renewal } = command;
  const isIdle = isAtRest(turn.state);
  open(turn, renewal === "none" || isIdle ? "resize" : renewal, request);
  adopt(turn, request.cause, command);
  if (isIdle) finish(turn);
  else if (renewal === "reload") renew(turn, request, "overlap");
  else if (renewal === "restart") lower(turn);
  else fit(turn);
}

function adopt(turn: Turn, cause: Cause, { changes, keys }: Configure): void {
  const merged = { ...turn.state.config, ...changes };
  // More processes than the file says, by `incr`, are none of a singleton.
  const config = merged.singleton ? { ...merged, numprocesses: Math.min(1, merged.numprocesses) } : merged;
  turn.patch({ config });
  if (config.lifecycle.healthcheck === null) acquit(turn);
  turn.emit("watcher_updated", { options: keys, numprocesses: config.numprocesses }, cause);
}

/** Nobody checks them any more: what was ill counts as alive again. */
function acquit(turn: Turn): void {
  const processes = turn.state.processes.map((process) =>
    isLive(process) && process.health === "unhealthy"
      ? ({ ...process, health: "starting", ailment: null } as const)
      : process,
  );
  turn.patch({ processes });
}
