/**
 * An arbiter without doors whose processes are made up: its spawner, sockets and output files are real, but what it
 * would start is only written down. Such a process lives until it gets a signal.
 */
import { readlinkSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { makeLogger } from "@circus-cluster/proto";
import { diffConfig } from "../config/diff.ts";
import type { ParsedFile } from "../config/lines.ts";
import { resolve } from "../config/resolve.ts";
import type { AgentConfig } from "../config/types.ts";
import type { EventBus } from "../events/api.ts";
import { WorkerJournal } from "../journal/worker-journal.ts";
import { Outputs } from "../output/outputs.ts";
import type { ExitFact, SpawnSpec } from "../process/spawn.ts";
import { ReadableSockets } from "../sockets/readable.ts";
import { SocketRegistry } from "../sockets/registry.ts";
import * as sys from "../sockets/syscalls.ts";
import type { WatcherControl } from "../watcher/api.ts";
import { NOBODY } from "../watcher/state.ts";
import { Intents } from "./intents.ts";
import { Orders } from "./orders.ts";
import { reconfigure } from "./reconfigure.ts";
import { createSpawner } from "./spawner.ts";
import { WatcherSet } from "./watcher-set.ts";

export type Sections = Readonly<Record<string, Readonly<Record<string, string | number>>>>;

/** @throws Error with what is wrong with them */
export function configOf(sections: Sections): AgentConfig {
  const file = "/circus.ini";
  const at = { file, line: 1 };
  const parsed: ParsedFile["sections"] = Object.entries(sections).map(([name, keys]) => ({
    name,
    at,
    entries: Object.entries(keys).map(([key, value]) => ({ key, value: String(value), at })),
  }));
  const context = { osEnv: { PATH: "/bin" }, cwd: "/", shortHostName: "h" };
  const { config, diagnostics } = resolve([{ file, sections: parsed, diagnostics: [] }], context);
  if (config === null) throw new Error(diagnostics.map(({ message }) => message).join("; "));
  return config;
}

/** What one process was given. */
interface MadeUp {
  readonly spec: SpawnSpec;
  /** Of each descriptor above 2, at the moment of the start: which open socket it is, and where that is bound. */
  readonly sockets: ReadonlyMap<number, { readonly inode: string; readonly address: sys.Address }>;
  readonly onExit: (exit: ExitFact) => void;
}

export class MadeUpArbiter implements AsyncDisposable {
  readonly #config: { now: AgentConfig };
  readonly sockets: SocketRegistry;
  readonly watchers: WatcherSet;
  readonly orders: Orders;
  readonly alive = new Map<number, MadeUp>();
  /** In their order: `spawn WATCHER`, `signal WATCHER`, `exit WATCHER`. */
  readonly told: string[] = [];
  /** Whose processes cannot be made: a word of their command line. */
  readonly broken = new Set<string>();
  readonly #outputs: Outputs;
  readonly #bus: EventBus = { emit: () => 0, publish: () => undefined };
  readonly #log = makeLogger(() => undefined);
  #lastPid = 100;

  private constructor(config: AgentConfig, sockets: SocketRegistry) {
    this.#config = { now: config };
    this.sockets = sockets;
    this.#outputs = new Outputs(this.#bus, this.#log);
    const spawn = createSpawner(sockets, this.#outputs, null, null, (spec, onExit) => this.#start(spec, onExit));
    const nothing = (): void => undefined;
    this.watchers = new WatcherSet({
      depsOf: (log) => ({
        spawn: (request, onExit) => {
          const result = spawn(request, onExit);
          if (result.ok) this.#names.set(result.pid, request.config.name);
          if (result.ok) this.told.push(`spawn ${request.config.name}`);
          return result;
        },
        signal: (pid) => this.#signal(pid),
        killGroup: (pid) => this.#signal(pid),
        signalChildren: () => [],
        callHook: () => nothing,
        watchHealth: () => null,
        attend: nothing,
        setTimer: (delayMs, fire) => setTimeout(fire, delayMs),
        clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
        ...{ now: () => performance.now(), wall: () => Date.now(), random: () => 0, bus: this.#bus, log },
      }),
      ...{ sockets, outputs: this.#outputs, log: this.#log, intents: Intents.open(null, this.#log) },
      ...{ readable: new ReadableSockets(this.#log), journal: new WorkerJournal(null, "", 0) },
      ...{ now: () => performance.now(), demandPauseMs: () => 0, giveUp: nothing },
    });
    this.orders = new Orders({ watchers: this.watchers, warmupMs: () => 0 });
    for (const watcher of config.watchers) this.watchers.add(watcher, false);
  }

  /** Everything of the configuration is started, well or not. */
  static async started(sections: Sections): Promise<MadeUpArbiter> {
    const config = configOf(sections);
    const arbiter = new MadeUpArbiter(config, await SocketRegistry.open(config.sockets));
    const watchers = arbiter.watchers.all();
    // One that waits for what it depends on may do so for ever.
    void arbiter.orders.start(watchers, NOBODY).catch(() => undefined);
    await arbiter.quiet();
    return arbiter;
  }

  /** As the command `reloadconfig` does. @returns what needs a restart, or the reason of a failure */
  async reload(sections: Sections): Promise<readonly string[] | string> {
    const next = configOf(sections);
    const { watchers, orders, sockets } = this;
    const world = {
      ...{ watchers, orders, sockets, bus: this.#bus, log: this.#log, checkAlive: () => undefined },
      apply: (config: AgentConfig) => {
        this.#config.now = config;
      },
      problemOf: () => null,
    };
    try {
      return await reconfigure(world, this.#config.now, next, NOBODY);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      await this.quiet();
    }
  }

  /** What would be done for these. */
  plan(sections: Sections): ReturnType<typeof diffConfig> {
    const before = this.watchers.all().map((watcher) => this.watchers.writtenOf(watcher));
    return diffConfig({ ...this.#config.now, watchers: before }, configOf(sections));
  }

  find(name: string): WatcherControl {
    const watcher = this.watchers.find(name);
    if (watcher === undefined) throw new Error(`no watcher '${name}'`);
    return watcher;
  }

  pids(name: string): readonly number[] {
    return (this.watchers.find(name)?.processes() ?? []).map(({ pid }) => pid);
  }

  /** Which open socket stands behind a name. */
  inode(name: string): string {
    const fd = this.sockets.get(name)?.fd ?? -1;
    return readlinkSync(`/proc/self/fd/${fd}`);
  }

  /** Settles when for some turns of the event loop nobody is on the way from one state to another. */
  async quiet(): Promise<void> {
    let count = 0;
    for (let calm = 0; calm < 4; calm++) {
      await new Promise((done) => setTimeout(done, 1));
      if (count !== this.told.length) calm = 0;
      count = this.told.length;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.orders.close();
    this.watchers.closeDemand();
    await this.orders.stop(null, NOBODY);
    await this.#outputs.close();
    this.sockets.close();
  }

  readonly #names = new Map<number, string>();

  #start(spec: SpawnSpec, onExit: MadeUp["onExit"]): ReturnType<Parameters<typeof createSpawner>[4] & object> {
    if (spec.argv.some((word) => this.broken.has(word))) return { ok: false, reason: "it is broken" };
    const pid = ++this.#lastPid;
    const sockets = new Map(
      spec.fds.map((fd) => [fd, { inode: readlinkSync(`/proc/self/fd/${fd}`), address: sys.socketName(fd) }]),
    );
    this.alive.set(pid, { spec, sockets, onExit });
    return { ok: true, pid, startedMs: Date.now(), startTicks: null };
  }

  /** A signal works a moment later. */
  #signal(pid: number): void {
    const process = this.alive.get(pid);
    if (process === undefined) return;
    this.told.push(`signal ${this.#names.get(pid) ?? ""}`);
    setImmediate(() => {
      if (!this.alive.delete(pid)) return;
      this.told.push(`exit ${this.#names.get(pid) ?? ""}`);
      process.onExit({ pid, code: 0, signal: null });
    });
  }
}
