/** Handlers of the commands that change which watchers there are (reference §5.6): `add`, `rm`, `reloadconfig`. */
import { CircusError, checkOptions } from "@circus-cluster/proto";
import { plainWatcher } from "../config/plain-watcher.ts";
import { nameProblem } from "../config/resolve-watcher.ts";
import type { CircusSection, WatcherConfig } from "../config/types.ts";
import { applyOptions, WITHOUT_EFFECT } from "../watcher/options.ts";
import type { AgentView } from "./agent-view.ts";
import type { Work } from "./control.ts";
import { type Checked, type Fields, named, textOf } from "./properties.ts";

/**
 * Options of the wire as they are to be applied: `copy_env` stands for the variables that it copies.
 *
 * @param config the watcher that they are for
 * @throws CircusError `message`: `unknown key 'x'` and the like
 */
export function optionsFor(config: WatcherConfig, options: Fields, agent: Pick<AgentView, "log">): Fields {
  const checked = checkOptions(options);
  for (const key of Object.keys(checked)) {
    if (WITHOUT_EFFECT.has(key)) agent.log.warning("this option has no effect", { watcher: config.name, key });
  }
  const copies = checked["copy_env"];
  if (typeof copies !== "boolean" || copies === config.copyEnv) return checked;
  const own = (checked["env"] ?? config.env) as Readonly<Record<string, string>>;
  const isCopied = ([name, value]: [string, string]): boolean => process.env[name] === value;
  const env = copies
    ? { ...process.env, ...own }
    : Object.fromEntries(Object.entries(own).filter((entry) => !isCopied(entry)));
  return { ...checked, env };
}

/** Where only its owner may command an agent, only its owner's processes may come of that. */
function checkOwner({ endpoint, endpointOwner }: CircusSection, options: Fields): void {
  if (endpointOwner === null || !endpoint.startsWith("ipc://")) return;
  if (options["uid"] !== endpointOwner) throw new CircusError("message", "uid does not match endpoint_owner");
}

function configOf(agent: AgentView, properties: Checked): WatcherConfig {
  const given = (properties["options"] ?? {}) as Fields;
  checkOptions(given);
  checkOwner(agent.config.circus, given);
  const name = textOf(properties, "name") ?? "";
  const problem = nameProblem(name);
  if (problem !== null) throw new CircusError("message", problem);
  const { args } = properties;
  const plain = plainWatcher(name, textOf(properties, "cmd") ?? "", process.cwd());
  if (plain.cmd.trim() === "") throw new CircusError("message", "'cmd' is empty");
  const all = { ...given, ...(args === undefined ? {} : { args }) };
  const applied = applyOptions(plain, optionsFor(plain, all, agent));
  if (applied.kind === "refused") throw new CircusError(applied.code, applied.reason);
  const streamProblem = agent.streamProblem(applied.config);
  if (streamProblem !== null) throw new CircusError("conflict", streamProblem);
  return applied.config;
}

export const CONFIG_HANDLERS: Readonly<Record<string, (agent: AgentView, properties: Checked) => Work>> = {
  add: (agent, properties) => {
    const config = configOf(agent, properties);
    const isToStart = properties["start"] === true;
    agent.checkNameIsFree(config.name);
    return {
      watcher: config.name,
      isQuick: !isToStart,
      run: async (cause) => {
        const watcher = agent.addWatcher(config, cause);
        if (!isToStart) return {};
        const { started, kept } = await watcher.start(cause);
        return { started, kept };
      },
    };
  },

  rm: (agent, properties) => {
    const watcher = named(agent, properties);
    agent.checkIsRemovable(watcher);
    const isLeft = properties["nostop"] === true;
    return {
      watcher: watcher.config.name,
      isQuick: isLeft,
      run: async (cause) => {
        await agent.removeWatcher(watcher, isLeft, cause);
        return {};
      },
    };
  },

  reloadconfig: (agent) => ({
    watcher: null,
    isQuick: false,
    run: async (cause) => {
      const deferred = await agent.reloadConfig(cause);
      return deferred.length === 0 ? {} : { needs_restart: deferred };
    },
  }),
};
