/** What a rollout sends to one host, made from what was stored before: the same at every repeat. Pure. */
import { type RolloutCommand, shortHash } from "@circus-cluster/proto";
import { drainCommandId } from "./command-id.ts";
import type { HostView, RolloutCore, Values, Work } from "./state.ts";
import { healthyOf, illOf } from "./whole-host.ts";

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
  if (command === "config") return configOrder(core, work);
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

/** The file that a host is to have, by its hash: the host itself has the text. */
function configOrder({ phase, properties }: RolloutCore, { wanted, before }: Work): Order | null {
  const { version } = properties;
  const back = before === null ? null : { file: before["file"], ...(version === undefined ? {} : { from: version }) };
  const forth = (wanted?.["move"] ?? null) as Values | null;
  const target = phase === "rollback" ? back : forth;
  return target === null ? null : { command: "config-apply", properties: { ...target, waiting: true } };
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

/**
 * The values that a host is set to, or the watchers that it is judged by; null: the command has none.
 *
 * @param values as they were asked for, see {@link askedOptions}
 * @returns a text where what is needed for it is not known
 */
export function wantedOf(
  { command, properties }: RolloutCore,
  view: HostView,
  values: Values | null,
): Values | null | string {
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
    case "config": {
      const { from } = properties;
      if (from === undefined) return { ill: illOf(view), move: properties };
      // Fixed here: "what was before" would be another file the second time.
      const file = values?.["previous"];
      return typeof file === "string" ? { ill: illOf(view), move: { file, from } } : "its configuration is not known";
    }
    default:
      return null;
  }
}

/**
 * Options whose values have to be asked for before; the number of processes stands in every picture. Of a configuration
 * file: fields of `config-show`.
 */
export function askedOptions({ command, properties, options }: RolloutCore): readonly string[] | null {
  if (command === "config") {
    if (properties["from"] !== undefined) return ["file", "version", "previous"];
    return options.onFail === "rollback" ? ["file"] : null;
  }
  if (options.onFail !== "rollback" || command !== "set") return null;
  const names = Object.keys(properties["options"] as Values).filter((name) => name !== "numprocesses");
  return names.length === 0 ? null : names;
}

/** The values to come back to. @returns a text where one of them is not known. */
export function beforeOf(core: RolloutCore, view: HostView, values: Values | null): Values | null | string {
  if (core.options.onFail !== "rollback") return null;
  const asked = core.command === "config" ? ["file"] : (askedOptions(core) ?? []);
  const odd = asked.find((name) => (values?.[name] ?? null) === null);
  if (odd !== undefined) return `its value of ${odd} is not known, and so could not be rolled back`;
  const known = Object.fromEntries(asked.map((name) => [name, values?.[name]]));
  const wanted = wantedOf(core, view, values);
  const isCounted = typeof wanted === "object" && Object.hasOwn(wanted ?? {}, "numprocesses");
  return isCounted ? { ...known, numprocesses: view.numprocesses } : known;
}

/** Why there is nothing to come back from on this host; null: there is. */
export function settledReason({ command, properties }: RolloutCore, values: Values | null): string | null {
  const { from } = properties;
  if (command !== "config" || typeof from !== "string" || values === null) return null;
  if (values["version"] !== from) return `its configuration is not ${shortHash(from)}`;
  return typeof values["previous"] === "string" ? null : "its former configuration is not kept any more";
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
  config: "whole",
};

export function goalOf({ command, phase }: Pick<RolloutCore, "command" | "phase">): Goal {
  return phase === "rollback" ? "whole" : GOALS[command];
}
