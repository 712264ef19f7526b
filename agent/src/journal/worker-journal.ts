/** The journal as the parts of the agent write into it; without a state directory nothing is written. */
import { randomBytes } from "node:crypto";
import type { Logger, Millis } from "@circus-cluster/proto";
import type { WatcherConfig } from "../config/types.ts";
import type { OutputFifos } from "../output/outputs.ts";
import type { WatcherState } from "../watcher/state.ts";
import { changesOf } from "./changes.ts";
import { withoutCopied } from "./copied-env.ts";
import type { Journal } from "./journal.ts";
import type { SocketMemory } from "./records.ts";

export class WorkerJournal {
  readonly #journal: Journal | null;
  readonly #owner: string;
  readonly #zeroMs: Millis;

  /**
   * @param owner beginning of the ids of processes
   * @param zeroMs of the system's monotonic clock at the zero of the agent's
   */
  constructor(journal: Journal | null, owner: string, zeroMs: Millis) {
    this.#journal = journal;
    this.#owner = owner;
    this.#zeroMs = zeroMs;
  }

  /** Workers can outlive the agent. */
  get isKept(): boolean {
    return this.#journal !== null;
  }

  onFailure(told: (reason: string) => void): void {
    if (this.#journal !== null) this.#journal.onFailure = told;
  }

  /** @param isAdded by a command, not by the file */
  configured(written: WatcherConfig, config: WatcherConfig, isAdded: boolean): void {
    const { name: watcher } = written;
    const kept = (one: WatcherConfig): WatcherConfig => withoutCopied(one, process.env);
    const changed = config === written ? null : kept(config);
    this.#journal?.append({ t: "watcher", watcher, written: kept(written), config: changed, isAdded });
  }

  turned(before: WatcherState, after: WatcherState): void {
    if (this.#journal !== null) this.#journal.append(...changesOf(before, after, this.#zeroMs));
  }

  /** Before a fork. @returns the id for its environment; null: there is no journal */
  intend(watcher: string, wid: number, notify: string | null, { stdout, stderr }: OutputFifos): string | null {
    if (this.#journal === null) return null;
    const id = `${this.#owner}-${randomBytes(6).toString("hex")}`;
    this.#journal.append({ t: "intent", watcher, wid, id, notify, stdout, stderr });
    return id;
  }

  born(watcher: string, wid: number, pid: number, ticks: number | null): void {
    this.#journal?.append({ t: "born", watcher, wid, pid, ticks });
  }

  /** These are no more, or never were. */
  gone(watcher: string, wids: readonly number[]): void {
    this.#journal?.append(...wids.map((wid) => ({ t: "gone", watcher, wid }) as const));
  }

  /** Its processes, if any live, are nobody's business any more. */
  forget(watcher: string): void {
    if (this.#journal?.table.watchers.has(watcher) === true) this.#journal.append({ t: "forget", watcher });
  }

  /** All sockets that are open. */
  sockets(open: readonly SocketMemory[]): void {
    if (this.#journal === null) return;
    const known = this.#journal.table.sockets;
    const isIn = (list: readonly SocketMemory[], { name, inode }: SocketMemory): boolean =>
      list.some((socket) => socket.name === name && socket.inode === inode);
    this.#journal.append(
      ...known
        .filter((socket) => !isIn(open, socket))
        .map(({ name, inode }) => ({ t: "unbound", name, inode }) as const),
      ...open.map((socket) => ({ t: "socket", ...socket }) as const),
    );
  }

  /** Nothing is left. */
  end(log: Logger): void {
    const left = [...(this.#journal?.table.watchers ?? [])].filter(([, { slots }]) => slots.size > 0);
    for (const [watcher] of left) log.warning("processes are left, for the next circusd", { watcher });
    if (left.length === 0) this.#journal?.reset();
  }
}
