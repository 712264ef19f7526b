/**
 * Hooks that are functions of JavaScript modules: a thread for each watcher, so that nothing they do can block the
 * agent. A call that does not return costs its thread.
 */
import { createRequire } from "node:module";
import { isAbsolute, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { reasonOf } from "@circus-cluster/proto";
import type { HookName, HookTarget } from "../config/hooks.ts";
import type { WatcherConfig } from "../config/types.ts";
import type { HookRequest, Stats, TellHook } from "../watcher/deps.ts";
import { isTexts } from "./command.ts";
import { type ShownArbiter, type ShownWatcher, showRequest } from "./view.ts";

type ModuleTarget = Extract<HookTarget, { kind: "module" }>;

export type ModuleMessage =
  | {
      readonly kind: "check";
      readonly id: number;
      readonly targets: readonly { readonly hook: string; readonly address: string; name: string; text: string }[];
    }
  | {
      readonly kind: "call";
      readonly id: number;
      readonly address: string;
      readonly name: string;
      readonly about: {
        readonly hook: string;
        readonly watcher: ShownWatcher;
        readonly arbiter: ShownArbiter;
        readonly facts: Stats;
        readonly stats: Stats | null;
      };
    };

export type ModuleReply =
  | { readonly id: number; readonly error: string }
  | {
      readonly id: number;
      readonly value: boolean;
      readonly env: Readonly<Record<string, unknown>> | null;
      readonly stats: Stats | null;
    }
  | { readonly id: number; readonly signal: { readonly pid: number; readonly signum: number } };

/** Of the heap of one watcher's hooks. */
const HEAP_MIB_MAX = 256;

/** A message before it has its number. */
type Unsent<T> = T extends unknown ? Omit<T, "id"> : never;

interface Call {
  readonly request: HookRequest;
  readonly tell: TellHook;
}

class Thread {
  readonly #worker = new Worker(new URL("./module-worker.js", import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
  });
  readonly #calls = new Map<number, Call>();
  #lastId = 0;
  isUsable = true;

  constructor() {
    this.#worker.on("message", (reply: ModuleReply) => this.#told(reply));
    this.#worker.on("error", (error) => this.#fail(reasonOf(error)));
    this.#worker.on("exit", () => this.#fail("the thread of the hooks ended"));
    this.#worker.unref();
  }

  call(message: Unsent<ModuleMessage>, call: Call): () => void {
    const id = ++this.#lastId;
    this.#calls.set(id, call);
    this.#worker.postMessage({ ...message, id });
    return () => {
      if (this.#calls.delete(id)) this.close();
    };
  }

  close(): void {
    this.isUsable = false;
    void this.#worker.terminate();
  }

  #told(reply: ModuleReply): void {
    const call = this.#calls.get(reply.id);
    if (call === undefined) return;
    if ("signal" in reply) {
      call.request.send(reply.signal.pid, reply.signal.signum);
      return;
    }
    this.#calls.delete(reply.id);
    if ("error" in reply) {
      call.tell({ kind: "failed", error: reply.error });
      return;
    }
    const { value, env, stats } = reply;
    const before = call.request.config.env;
    const isChanged = isTexts(env) && JSON.stringify(env) !== JSON.stringify(before);
    call.tell({ kind: "returned", value, env: isChanged ? env : null }, stats ?? {});
  }

  #fail(error: string): void {
    this.isUsable = false;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { tell } of calls) tell({ kind: "failed", error });
  }
}

export class ModuleHooks {
  readonly #arbiter: () => ShownArbiter;
  /** By the name of the watcher. */
  readonly #threads = new Map<string, Thread>();

  constructor(arbiter: () => ShownArbiter) {
    this.#arbiter = arbiter;
  }

  call(target: ModuleTarget, request: HookRequest, facts: Stats, tell: TellHook): () => void {
    const { call, config, stats } = request;
    const { name } = target;
    const about = { hook: call.hook, watcher: showRequest(request), arbiter: this.#arbiter(), facts, stats };
    return this.#threadOf(config).call(
      { kind: "call", address: addressOf(target, config), name, about },
      { request, tell },
    );
  }

  check(
    targets: readonly (readonly [HookName, ModuleTarget])[],
    reload: boolean,
    request: HookRequest,
    tell: TellHook,
  ): () => void {
    const { config } = request;
    if (reload) this.#threads.get(config.name)?.close();
    const found = targets.map(([hook, target]) => {
      const text = `${target.module}#${target.name}`;
      return { hook, name: target.name, text, address: addressOf(target, config) };
    });
    return this.#threadOf(config).call({ kind: "check", targets: found }, { request, tell });
  }

  close(): void {
    for (const thread of this.#threads.values()) thread.close();
    this.#threads.clear();
  }

  #threadOf({ name }: WatcherConfig): Thread {
    const known = this.#threads.get(name);
    if (known?.isUsable === true) return known;
    const fresh = new Thread();
    this.#threads.set(name, fresh);
    return fresh;
  }
}

/**
 * A path is relative to the watcher's working directory, where a package is looked up too.
 *
 * @throws Error where there is no such package
 */
function addressOf({ module }: ModuleTarget, { workingDir }: WatcherConfig): string {
  if (module.startsWith("file://")) return module;
  const path = module.startsWith("file:") ? module.slice("file:".length) : module;
  if (isAbsolute(path) || path.startsWith(".") || path !== module) return pathToFileURL(resolve(workingDir, path)).href;
  return pathToFileURL(createRequire(join(workingDir, "package.json")).resolve(module)).href;
}
