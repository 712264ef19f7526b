/** What a rollout sends to one host, made from what was stored before: the same at every repeat. Pure. */
import type { RolloutCommand } from "@circus-cluster/proto";
import { drainCommandId } from "./command-id.ts";
import type { HostView, RolloutCore, Values, Work } from "./state.ts";
import { healthyOf } from "./whole-host.ts";

export interface Order {
  readonly command: string;
  readonly properties: Values;
}

/** Null while it is not fixed yet. */
export function orderOf(core: RolloutCore, work: Work): Order | null {
  const { command, watcher: name, properties, phase } = core;
  if (work.state === "draining") return { command: "drain", properties: { name, waiting: true } };
  if (work.state === "undraining") return { command: "undrain", properties: { name, waiting: true } };
  const head = { ...properties, name, waiting: true };
  if (phase === "rollback") {
    return work.before === null ? null : { command: "set", properties: { name, waiting: true, options: work.before } };
  }
  switch (command) {
    case "restart":
      return newer(command, { ...head, match: "simple" }, work);
    case "reload":
      return newer(command, head, work);
    case "set":
    case "incr":
    case "decr":
      // Absolute values: setting them twice is harmless, counting up twice is not.
      return work.wanted === null
        ? null
        : { command: "set", properties: { name, waiting: true, options: work.wanted } };
    case "start":
    case "stop":
      return { command, properties: { ...head, match: "simple" } };
    case "signal":
      return { command, properties: { ...properties, name } };
    case "reloadconfig":
      return { command, properties: { waiting: true } };
    default:
      return command satisfies never;
  }
}

/** Of the command whose answer is waited for; null: none is. */
export function awaitedId({ state, commandId, drain }: Work): string | null {
  switch (state) {
    case "sent":
    case "accepted":
      return commandId;
    case "draining":
      return drainCommandId(commandId, "drain", drain?.round ?? 1);
    case "undraining":
      return drainCommandId(commandId, "undrain", drain?.round ?? 1);
    default:
      return null;
  }
}

/** The command means "every process newer than this" (design §5). */
function newer(command: string, properties: Values, { generationBefore }: Work): Order | null {
  return generationBefore === null ? null : { command, properties: { ...properties, newer_than: generationBefore } };
}

/** The values that a host is set to, or the watchers that it is judged by; null: the command has none. */
export function wantedOf({ command, properties }: RolloutCore, view: HostView): Values | null {
  const nb = typeof properties["nb"] === "number" ? properties["nb"] : 1;
  switch (command) {
    case "set":
      return properties["options"] as Values;
    case "incr":
      return { numprocesses: view.numprocesses + nb };
    case "decr":
      return { numprocesses: Math.max(0, view.numprocesses - nb) };
    case "reloadconfig":
      return healthyOf(view);
    default:
      return null;
  }
}

/** Options whose values have to be asked for before; the number of processes stands in every picture. */
export function askedOptions({ command, properties, options }: RolloutCore): readonly string[] | null {
  if (options.onFail !== "rollback" || command !== "set") return null;
  const names = Object.keys(properties["options"] as Values).filter((name) => name !== "numprocesses");
  return names.length === 0 ? null : names;
}

/** The values to come back to. @returns a text where one of them is not known. */
export function beforeOf(core: RolloutCore, view: HostView, values: Values | null): Values | null | string {
  if (core.options.onFail !== "rollback") return null;
  const asked = askedOptions(core) ?? [];
  const odd = asked.find((name) => (values?.[name] ?? null) === null);
  if (odd !== undefined) return `its value of ${odd} is not known, and so could not be rolled back`;
  const known = Object.fromEntries(asked.map((name) => [name, values?.[name]]));
  const isCounted = Object.hasOwn(wantedOf(core, view) ?? {}, "numprocesses");
  return isCounted ? { ...known, numprocesses: view.numprocesses } : known;
}

/** What a host has to be for its step to be done. */
export type Goal = "renewed" | "whole" | "stopped";

const GOALS: Readonly<Record<RolloutCommand, Goal>> = {
  restart: "renewed",
  reload: "renewed",
  set: "whole",
  incr: "whole",
  decr: "whole",
  start: "whole",
  stop: "stopped",
  signal: "whole",
  reloadconfig: "whole",
};

export function goalOf({ command, phase }: Pick<RolloutCore, "command" | "phase">): Goal {
  return phase === "rollback" ? "whole" : GOALS[command];
}
