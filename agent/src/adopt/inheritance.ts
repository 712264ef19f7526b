/**
 * Everything that an agent before us left and that is to go on: found at the start, taken before anything else is
 * opened, so that sockets keep their numbers; put to use by the arbiter when all is bound.
 */
import { CircusError, type Clock, type Logger, reasonOf } from "@circus-cluster/proto";
import type { AgentConfig } from "../config/types.ts";
import { Journal } from "../journal/journal.ts";
import { bootOf, clockZeroMs, ownerOf } from "../journal/system.ts";
import type { JournalTable } from "../journal/table.ts";
import { WorkerJournal } from "../journal/worker-journal.ts";
import type { HandedSocket } from "../sockets/handed.ts";
import type { ReadableSockets } from "../sockets/readable.ts";
import { close } from "../sockets/syscalls.ts";
import { UNKNOWN_END } from "../watcher/state.ts";
import { type Ended, endAll } from "./ending.ts";
import type { Now } from "./legacy.ts";
import { lookAt, spawnedBy } from "./look.ts";
import { type AdoptionPlan, planAdoption } from "./plan.ts";
import { AdoptedProcesses } from "./processes.ts";
import { type SocketReturn, takeSockets } from "./sockets.ts";
import { type Gone, type Living, type ProcessFact, type SweptAway, strangers, survey, sweptAway } from "./survey.ts";

export interface InheritanceOptions {
  readonly config: AgentConfig;
  /** Null: nothing is kept, and nothing was. */
  readonly stateDir: string | null;
  /** `--no-adopt`: what is found is ended. */
  readonly isRefused: boolean;
  /** Listening sockets that are open already; ours from here on. */
  readonly handed: readonly HandedSocket[];
  readonly readable: ReadableSockets;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Inheritance implements Disposable {
  readonly journal: WorkerJournal;
  readonly processes: AdoptedProcesses;
  readonly plan: AdoptionPlan;
  /** Of another boot: their numbers mean nothing now. */
  readonly swept: readonly SweptAway[];
  readonly #options: InheritanceOptions;
  readonly #file: Journal | null;
  readonly #sockets: SocketReturn;
  /** Sockets nobody has taken from here yet. */
  readonly #open: HandedSocket[];

  /** @throws CircusError `os` where the kernel cannot do it */
  static take(options: InheritanceOptions): Inheritance {
    const processes = new AdoptedProcesses(options.readable, options.log);
    try {
      return new Inheritance(options, processes);
    } catch (error) {
      processes[Symbol.dispose]();
      throw new CircusError("os", `cannot adopt what the last circusd left: ${reasonOf(error)}`, { cause: error });
    }
  }

  private constructor(options: InheritanceOptions, processes: AdoptedProcesses) {
    const { config, stateDir, isRefused, handed, log } = options;
    this.#options = options;
    this.processes = processes;
    const owner = stateDir === null ? "" : ownerOf(stateDir);
    const { journal: file = null, left = null } = stateDir === null ? {} : openJournal(options, stateDir);
    this.#file = file;
    const isOfOther = left !== null && left.table.boot !== null && left.table !== file?.table;
    this.swept = isOfOther ? sweptAway(left.table) : [];
    this.journal = new WorkerJournal(this.#file, owner, clockZeroMs());
    const table = this.#file?.table ?? null;
    const byId = table === null || !needsIds(table) ? new Map<string, ProcessFact>() : spawnedBy(owner);
    const findings = table === null ? [] : survey(table, factsOf(table), byId);
    const held = findings.map((finding) => ({
      ...finding,
      living: finding.living.filter((one) => processes.hold(one) !== null),
      gone: [...finding.gone, ...finding.living.filter(({ pid }) => processes.pidfdOf(pid) === null).map(goneNow)],
    }));
    const workers = held.flatMap(({ living }) => living);
    this.#sockets = takeSockets(table?.sockets ?? [], handed, workers, processes, log);
    const recovered = this.#sockets.recovered.map(({ memory: { name }, fd }) => ({ name, fd })).reverse();
    this.#open = [...recovered, ...this.#sockets.others];
    const others = table?.isWhole === false ? strangers(table, byId) : [];
    this.plan = planAdoption(
      { findings: held, strangers: others, sockets: this.#sockets },
      config,
      isRefused,
      process.env,
    );
    this.#tell(workers.length);
  }

  /** Ends what is not to go on. After this all that was held up by it can be bound. */
  async settle(): Promise<readonly Ended[]> {
    const { log } = this.#options;
    const ended = await endAll(this.plan.endings, this.processes, log);
    for (const { watcher, wid } of ended) if (watcher !== null) this.journal.gone(watcher, [wid]);
    for (const name of this.plan.forgotten) this.journal.forget(name);
    if (this.#file?.table.isWhole === false) this.#file.settled();
    return ended;
  }

  /** All that is open already, the newest of a name first; the caller's from then on. */
  takeSockets(): readonly HandedSocket[] {
    return this.#open.splice(0);
  }

  /** Numbers of the files that sockets of an agent before us made, which nobody listens on any more. */
  staleFiles(): readonly { readonly path: string; readonly inode: number }[] {
    const { lost, withheld } = this.#sockets;
    return [...lost, ...withheld.map(({ memory }) => memory)].flatMap(({ file, config: { path } }) =>
      file === null || path === null ? [] : [{ path, inode: file }],
    );
  }

  now(): Now {
    const { clock } = this.#options;
    return { nowMs: clock.monotonic(), wallMs: clock.wall(), zeroMs: clockZeroMs(), chance: Math.random };
  }

  /** Harmless twice. */
  [Symbol.dispose](): void {
    for (const { fd } of this.takeSockets()) close(fd);
    this.processes[Symbol.dispose]();
    this.#file?.[Symbol.dispose]();
  }

  #tell(living: number): void {
    const { log } = this.#options;
    const { lost, withheld } = this.#sockets;
    if (living > 0) log.info("found workers of an earlier circusd", { workers: living });
    if (living > 0)
      for (const { name } of lost) log.warning("a socket is bound anew: no worker has it any more", { socket: name });
    for (const { memory, reason } of withheld) {
      log.warning("a socket cannot be taken over: its workers are restarted", { socket: memory.name, reason });
    }
  }
}

function openJournal({ log }: InheritanceOptions, stateDir: string): ReturnType<typeof Journal.open> {
  const opened = Journal.open({ stateDir, boot: bootOf(), log });
  const { left } = opened;
  if (left !== null && left.garbage.length > 0) {
    log.error("the journal is damaged: what it does not tell of cannot be adopted", {
      dir: stateDir,
      lines: left.garbage.slice(0, 10).join(),
    });
  }
  return opened;
}

/** A look at all processes of the host is worth it only where the journal leaves something open. */
function needsIds(table: JournalTable): boolean {
  if (!table.isWhole) return true;
  return [...table.watchers.values()].some(({ slots }) =>
    [...slots.values()].some(({ birth }) => birth !== null && birth.pid === null),
  );
}

function factsOf(table: JournalTable): ReadonlyMap<number, ProcessFact> {
  const pids = [...table.watchers.values()].flatMap(({ slots }) =>
    [...slots.values()].flatMap(({ birth }) => birth?.pid ?? []),
  );
  return new Map(
    pids.flatMap((pid) => {
      const fact = lookAt(pid);
      return fact === null ? [] : [[pid, fact] as const];
    }),
  );
}

/** It went between two looks. */
function goneNow({ slot, pid }: Living): Gone {
  return { slot, pid, end: UNKNOWN_END };
}
