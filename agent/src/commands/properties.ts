/** Properties of a request as handlers read them. */
import type { WatcherControl } from "../watcher/api.ts";
import type { AgentView } from "./agent-view.ts";
import { findWatcher } from "./match.ts";

/** Fields of a reply. */
export type Fields = Readonly<Record<string, unknown>>;
/** Properties as `checkProperties` leaves them. */
export type Checked = Readonly<Record<string, unknown>>;

/** The value of a property that the command table says is a string, or undefined where it was not given. */
export function textOf(properties: Checked, key: string): string | undefined {
  const value = properties[key];
  return typeof value === "string" ? value : undefined;
}

/** The watcher that the property `name` means. */
export function named(agent: AgentView, properties: Checked): WatcherControl {
  return findWatcher(agent.watchers(), textOf(properties, "name") ?? "");
}
