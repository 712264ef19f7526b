/**
 * Hooks that are Python callables (reference §2.10), called by real Python: one process for each interpreter and
 * PYTHONPATH, started by need. A call that does not return costs its process: others get a new one.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "@circus-cluster/proto";
import type { HookName } from "../config/hooks.ts";
import type { WatcherConfig } from "../config/types.ts";
import type { HookRequest, Stats, TellHook } from "../watcher/deps.ts";
import { isObject, isTexts } from "./command.ts";
import { PythonProcess, type PythonReply } from "./python-process.ts";
import { type ShownArbiter, showRequest } from "./view.ts";

interface World {
  /** Where the watcher has no virtualenv. */
  readonly python: string;
  readonly arbiter: () => ShownArbiter;
  readonly log: Logger;
}

export class PythonHooks {
  readonly #world: World;
  readonly #processes = new Map<string, PythonProcess>();

  constructor(world: World) {
    this.#world = world;
  }

  call(reference: string, request: HookRequest, facts: Stats, tell: TellHook): () => void {
    const { call, stats, config } = request;
    const watcher = showRequest(request);
    const message = { kind: "call", reference, hook: call.hook, facts, stats, watcher };
    return this.#send(config, message, request, tell);
  }

  /** Can all of these be imported? */
  check(
    references: Readonly<Partial<Record<HookName, string>>>,
    reload: boolean,
    request: HookRequest,
    tell: TellHook,
  ): () => void {
    return this.#send(request.config, { kind: "check", references, reload }, request, tell);
  }

  close(): void {
    for (const process of this.#processes.values()) process.close();
    this.#processes.clear();
  }

  #send(config: WatcherConfig, message: Stats, request: HookRequest, tell: TellHook): () => void {
    return this.#processFor(config).call(message, {
      tell: (reply) => this.#told(reply, request, tell),
      ask: (what, facts) => {
        if (what === "arbiter") return this.#world.arbiter();
        const { pid, signum } = facts;
        if (what !== "signal" || typeof pid !== "number" || typeof signum !== "number") return null;
        return request.send(pid, signum);
      },
    });
  }

  #told(reply: PythonReply, { call, config }: HookRequest, tell: TellHook): void {
    const { error, value, env, stats, traceback } = reply as Stats;
    if (typeof error === "string") {
      if (typeof traceback === "string") {
        this.#world.log.debug("python hook failed", { watcher: config.name, hook: call.hook, traceback });
      }
      tell({ kind: "failed", error });
    } else {
      const outcome = { kind: "returned", value: value === true, env: isTexts(env) ? env : null } as const;
      if (isObject(stats)) tell(outcome, stats);
      else tell(outcome);
    }
  }

  #processFor({ virtualenv, env }: WatcherConfig): PythonProcess {
    const own = virtualenv === null ? null : join(virtualenv, "bin/python");
    const python = own !== null && existsSync(own) ? own : this.#world.python;
    const path = env["PYTHONPATH"] ?? process.env["PYTHONPATH"] ?? "";
    const key = `${python}\0${path}`;
    const known = this.#processes.get(key);
    if (known?.isUsable === true) return known;
    const fresh = new PythonProcess(python, path);
    this.#processes.set(key, fresh);
    return fresh;
  }
}
