/** Handlers of `config-show`, `config-check`, `config-stage`, `config-apply`: the agent's file, handled from afar. */
import type { Allowed } from "../config-push/config-file.ts";
import type { AgentView } from "./agent-view.ts";
import type { Work } from "./control.ts";
import { type Checked, type Fields, textOf } from "./properties.ts";

function allowedBy(properties: Checked): Allowed {
  return { force: properties["force"] === true, identity: properties["identity"] === true };
}

export function configShow({ configFile }: AgentView, properties: Checked): Fields {
  return { ...configFile.look(textOf(properties, "file") ?? null, properties["brief"] === true) };
}

export function configCheck({ configFile }: AgentView, properties: Checked): Fields {
  return { ...configFile.check(textOf(properties, "text") ?? "", allowedBy(properties)) };
}

export const CONFIG_PUSH_HANDLERS: Readonly<Record<string, (agent: AgentView, properties: Checked) => Work>> = {
  "config-stage": ({ configFile }, properties) => {
    const [text = "", version = "", base = ""] = ["text", "version", "base"].map((name) => textOf(properties, name));
    return {
      watcher: null,
      isQuick: true,
      run: () => Promise.resolve({ file: configFile.stage(text, version, base, allowedBy(properties)) }),
    };
  },

  "config-apply": ({ configFile }, properties) => {
    const [version = null, file = null, from = null] = ["version", "file", "from"].map((name) =>
      textOf(properties, name),
    );
    return {
      watcher: null,
      isQuick: false,
      run: async (cause) => {
        const deferred = await configFile.apply({ version, file, from }, cause);
        return deferred.length === 0 ? {} : { needs_restart: deferred };
      },
    };
  },
};
