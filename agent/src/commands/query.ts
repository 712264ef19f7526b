/** Handlers of the commands that read (reference §5.6, §5.10): the fields of their replies. */
import { CircusError } from "@circus-cluster/proto";
import type { AgentView } from "./agent-view.ts";
import { configCheck, configShow } from "./config-push.ts";
import { follow, logs } from "./logs.ts";
import { optionOf, optionsOf } from "./options-view.ts";
import { type Checked, type Fields, named, textOf } from "./properties.ts";
import { pythonRepr } from "./python-text.ts";
import { dstats, stats } from "./stats.ts";
import { usage } from "./usage.ts";

type Query = (agent: AgentView, properties: Checked) => Fields | Promise<Fields>;

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

  stats,

  dstats,

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

  // `shell` is false: its console then says that it could not start the kernel.
  ipython: () => ({ shell: false, msg: "this circusd is no Python program, so there is no shell inside it" }),

  listen: () => {
    throw new CircusError("message", "invalid message. use a pub/sub socket");
  },

  snapshot: (agent) => ({ snapshot: agent.snapshot() }),

  logs,

  follow,

  usage,

  "config-show": configShow,

  "config-check": configCheck,
};
