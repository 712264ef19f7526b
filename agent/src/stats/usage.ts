/** What the processes of each watcher use: CPU time as a counter, resident memory now. For metrics. */
import { setImmediate as turn } from "node:timers/promises";
import { readProc } from "../process/proc-read.ts";
import { parseStat, parseStatus } from "../process/proc-stat.ts";
import { childrenOf } from "../process/signals.ts";

/** Linux's USER_HZ, fixed for programs. */
const TICKS_PER_S = 100;
/** Processes looked at in one turn of the event loop: some milliseconds. */
const PER_TURN = 25;

export interface Usage {
  /** Of all processes that were seen, the ended ones up to their last look: it never falls. */
  readonly cpuS: number;
  readonly rssBytes: number;
  /** That were there, without children. */
  readonly processes: number;
}

interface Seen {
  readonly startTicks: number;
  readonly ticks: number;
}

export class UsageMeter {
  readonly #ticks = new Map<string, number>();
  #seen = new Map<number, Seen>();

  /** By name. Processes count with their direct children. */
  async read(
    watchers: readonly { readonly name: string; readonly pids: readonly number[] }[],
  ): Promise<ReadonlyMap<string, Usage>> {
    const usages = new Map<string, Usage>();
    const seen = new Map<number, Seen>();
    let looked = 0;
    for (const { name, pids } of watchers) {
      let rssBytes = 0;
      let processes = 0;
      let ticks = this.#ticks.get(name) ?? 0;
      for (const pid of pids) {
        if (++looked % PER_TURN === 0) await turn();
        for (const one of [pid, ...childrenOf(pid)]) {
          const stat = parseStat(readProc(`/proc/${one}/stat`));
          if (stat === null) continue;
          if (one === pid) processes++;
          rssBytes += parseStatus(readProc(`/proc/${one}/status`))?.rssBytes ?? 0;
          const now = { startTicks: stat.startTicks, ticks: stat.utime + stat.stime };
          const before = this.#seen.get(one);
          ticks += now.ticks - (before?.startTicks === now.startTicks ? before.ticks : 0);
          seen.set(one, now);
        }
      }
      this.#ticks.set(name, ticks);
      usages.set(name, { cpuS: ticks / TICKS_PER_S, rssBytes, processes });
    }
    this.#seen = seen;
    for (const name of this.#ticks.keys()) if (!usages.has(name)) this.#ticks.delete(name);
    return usages;
  }
}
