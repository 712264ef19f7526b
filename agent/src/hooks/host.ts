/** Calls the hooks of all watchers of one agent, each by its own kind. Never blocks: no hook runs in the agent's thread. */
import { type Logger, reasonOf } from "@circus-cluster/proto";
import type { HookConfig, HookName } from "../config/hooks.ts";
import type { HookRequest, Stats, TellHook, WatcherDeps } from "../watcher/deps.ts";
import { callCommand } from "./command.ts";
import { ModuleHooks } from "./module.ts";
import { PythonHooks } from "./python.ts";
import type { ShownArbiter } from "./view.ts";

interface World {
  readonly python: string;
  readonly arbiter: () => ShownArbiter;
  /** Wall ms. */
  readonly wall: () => number;
  readonly log: Logger;
}

const NOTHING = (): void => undefined;

export class HookHost {
  readonly #python: PythonHooks;
  readonly #modules: ModuleHooks;
  readonly #wall: () => number;

  constructor(world: World) {
    this.#python = new PythonHooks(world);
    this.#modules = new ModuleHooks(world.arbiter);
    this.#wall = world.wall;
  }

  readonly call: WatcherDeps["callHook"] = (request, tell) => {
    try {
      return request.call.hook === "check" ? this.#check(request, tell) : this.#call(request, tell);
    } catch (error) {
      tell({ kind: "failed", error: reasonOf(error) });
      return NOTHING;
    }
  };

  /** Ends what calls hooks, at once. */
  close(): void {
    this.#python.close();
    this.#modules.close();
  }

  #call(request: HookRequest, tell: TellHook): () => void {
    const { call, config } = request;
    const hook = call.hook === "check" ? undefined : config.hooks.byName[call.hook];
    if (hook === undefined) {
      tell({ kind: "failed", error: `no hook '${call.hook}'` });
      return NOTHING;
    }
    const facts = this.#factsOf(request);
    const { target } = hook;
    switch (target.kind) {
      case "python":
        return this.#python.call(target.reference, request, facts, tell);
      case "module":
        return this.#modules.call(target, request, facts, tell);
      case "command":
        return callCommand(target.line, request, facts, tell);
      default:
        return target satisfies never;
    }
  }

  #factsOf({ call }: HookRequest): Stats {
    const isReap = call.hook === "before_reap" || call.hook === "after_reap";
    return isReap ? { ...call.facts, time: this.#wall() / 1000 } : call.facts;
  }

  /** A shell line is not tried: that would be to call it. */
  #check(request: HookRequest, tell: TellHook): () => void {
    const reload = request.call.facts["reload"] !== undefined;
    const hooks = Object.entries(request.config.hooks.byName) as [HookName, HookConfig][];
    const references: Partial<Record<HookName, string>> = {};
    const modules: [HookName, Extract<HookConfig["target"], { kind: "module" }>][] = [];
    for (const [name, { target }] of hooks) {
      if (target.kind === "python") references[name] = target.reference;
      else if (target.kind === "module") modules.push([name, target]);
    }
    const yes = { kind: "returned", value: true, env: null } as const;
    let cancel = NOTHING;
    const checkModules: TellHook = (outcome) => {
      if (outcome.kind === "failed" || modules.length === 0) tell(outcome);
      else {
        try {
          cancel = this.#modules.check(modules, reload, request, tell);
        } catch (error) {
          tell({ kind: "failed", error: `hooks.${modules[0]?.[0] ?? ""}: ${reasonOf(error)}` });
        }
      }
    };
    if (Object.keys(references).length === 0) checkModules(yes);
    else cancel = this.#python.check(references, reload, request, checkModules);
    return () => cancel();
  }
}
