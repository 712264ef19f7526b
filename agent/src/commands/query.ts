/** Handlers of the commands that read (reference §5.6, §5.10): the fields of their replies. */
import { CircusError } from "@circus-cluster/proto";
import type { Known } from "../stats/sampler.ts";
import type { WatcherControl } from "../watcher/api.ts";
import type { AgentView } from "./agent-view.ts";
import { findWatcher } from "./match.ts";
import { optionOf, optionsOf } from "./options-view.ts";
import { pythonRepr } from "./python-text.ts";

export type Fields = Readonly<Record<string, unknown>>;
/** Properties as `checkProperties` leaves them. */
export type Checked = Readonly<Record<string, unknown>>;
type Query = (agent: AgentView, properties: Checked) => Fields;

/** The value of a property that the command table says is a string, or undefined where it was not given. */
export function textOf(properties: Checked, key: string): string | undefined {
  const value = properties[key];
  return typeof value === "string" ? value : undefined;
}

/** The watcher that the property `name` means. */
export function named(agent: AgentView, properties: Checked): WatcherControl {
  return findWatcher(agent.watchers(), textOf(properties, "name") ?? "");
}

export const QUERY_HANDLERS: Readonly<Record<string, Query>> = {
  status: (agent, properties) => {
    if (textOf(properties, "name") !== undefined) return { status: named(agent, properties).status };
    return { statuses: Object.fromEntries(agent.watchers().map((watcher) => [watcher.config.name, watcher.status])) };
  },

  list: (agent, properties) => {
    if (textOf(properties, "name") !== undefined) {
      return {
        pids: named(agent, properties)
          .processes()
          .map((process) => process.pid),
      };
    }
    return {
      watchers: agent
        .watchers()
        .map((watcher) => watcher.config.name.toLowerCase())
        .sort(),
    };
  },

  numprocesses: (agent, properties) => {
    const name = textOf(properties, "name");
    if (name !== undefined) {
      return { numprocesses: named(agent, properties).processes().length, watcher_name: name };
    }
    return { numprocesses: agent.watchers().reduce((sum, watcher) => sum + watcher.processes().length, 0) };
  },

  numwatchers: (agent) => ({ numwatchers: agent.watchers().length }),

  stats: (agent, properties) => {
    const name = textOf(properties, "name");
    const { process: pid } = properties as { readonly process?: number };
    if (name === undefined) {
      return {
        infos: Object.fromEntries(agent.watchers().map((watcher) => [watcher.config.name, statsOf(agent, watcher)])),
      };
    }
    const watcher = named(agent, properties);
    if (pid === undefined) return { name, info: statsOf(agent, watcher) };
    const process = watcher.processes().find((candidate) => candidate.pid === pid);
    if (process === undefined) {
      throw new CircusError("message", `process ${pid} not found in ${pythonRepr(name)}`);
    }
    return { process: pid, info: agent.sample(process.pid, process) };
  },

  dstats: (agent) => {
    const record = agent.sample(process.pid, null);
    return { info: typeof record === "string" ? record : { ...record, children: [] } };
  },

  options: (agent, properties) => ({ options: optionsOf(named(agent, properties).config) }),

  get: (agent, properties) => {
    const { config } = named(agent, properties);
    const options: Record<string, unknown> = {};
    for (const key of properties["keys"] as readonly string[]) {
      const found = optionOf(config, key);
      if (found === null) throw new CircusError("message", `${pythonRepr(key)} option not found`);
      options[key] = found.value;
    }
    return { options };
  },

  globaloptions: ({ config: { circus } }, properties) => {
    const all = {
      endpoint: circus.endpoint,
      stats_endpoint: circus.statsEndpoint,
      pubsub_endpoint: circus.pubsubEndpoint,
      check_delay: circus.checkDelayS,
      multicast_endpoint: circus.multicastEndpoint,
    };
    const wanted = textOf(properties, "option") ?? "";
    if (wanted === "") return { options: all };
    if (!Object.hasOwn(all, wanted)) {
      throw new CircusError("message", `${pythonRepr(wanted)} not an existing option`);
    }
    return { options: { [wanted]: all[wanted as keyof typeof all] } };
  },

  listsockets: (agent) => ({ sockets: agent.sockets() }),

  snapshot: (agent) => ({ snapshot: agent.snapshot() }),
};

function statsOf(agent: AgentView, watcher: WatcherControl): Fields {
  const known = (process: Known & { pid: number }) =>
    [String(process.pid), agent.sample(process.pid, process)] as const;
  return Object.fromEntries(watcher.processes().map(known));
}
