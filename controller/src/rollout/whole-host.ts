/** All watchers of a host as one, for what concerns the whole host (`reloadconfig`). Pure. */

import { isWhole } from "./gate.ts";
import type { HostView, Sight, Values } from "./state.ts";

/** @param parts by name; those that rest say nothing about the host */
export function wholeHost(epoch: number, parts: ReadonlyMap<string, HostView>): HostView {
  const awake = [...parts].filter(([, part]) => part.state !== "stopped");
  const odd = awake.find(([, part]) => part.state !== "active");
  const views = awake.map(([, part]) => part);
  return {
    epoch,
    state: odd?.[1].state ?? "active",
    numprocesses: views.reduce((sum, part) => sum + part.numprocesses, 0),
    processes: views.flatMap((part) => part.processes),
    generation: Math.max(0, ...views.map((part) => part.generation)),
    crashes: views.reduce((sum, part) => sum + part.crashes, 0),
    reason: odd === undefined ? null : `${odd[0]}: ${odd[1].reason ?? odd[1].state}`,
    parts,
  };
}

/** The watchers that have to be healthy again, fixed before the command: those that are so now. */
export function healthyOf({ parts }: HostView): Values {
  const healthy = [...(parts ?? [])].filter(([, part]) => isWhole(part)).map(([name]) => name);
  return { watchers: healthy };
}

/** The watchers of which nothing is asked, fixed before the command: those that are ill now. */
export function illOf({ parts }: HostView): readonly string[] {
  return [...(parts ?? [])].filter(([, part]) => part.state !== "stopped" && !isWhole(part)).map(([name]) => name);
}

/** All that run under another configuration, new ones too, but for those that were ill before. */
function judgedRunning({ epoch, parts }: HostView, ill: readonly unknown[]): HostView {
  const sound = [...(parts ?? [])].filter(([name]) => !ill.includes(name));
  return wholeHost(epoch, new Map(sound));
}

/** The same host as far as it is judged by: what was ill before is nobody's failure, nor what is there no more. */
export function judged(sight: Sight, wanted: Values | null): Sight {
  const names = wanted?.["watchers"];
  const ill = wanted?.["ill"];
  const { view } = sight;
  if (view?.parts !== undefined && Array.isArray(ill)) return { ...sight, view: judgedRunning(view, ill) };
  if (view?.parts === undefined || !Array.isArray(names)) return sight;
  const parts = new Map<string, HostView>();
  for (const name of names as readonly string[]) {
    const part = view.parts.get(name);
    // Stopped meanwhile is not healthy again; of one that rests on purpose nothing is asked.
    if (part !== undefined) parts.set(name, part);
  }
  const whole = wholeHost(view.epoch, parts);
  const rests = [...parts].find(([, part]) => part.state === "stopped");
  const state = rests === undefined ? whole.state : "stopped";
  return { ...sight, view: { ...whole, state, reason: rests === undefined ? whole.reason : `${rests[0]} is stopped` } };
}
