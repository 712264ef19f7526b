/** Process records of reference §8.1, straight from /proc: no process is started for a sample. */
import { readFileSync, statSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { basename } from "node:path";
import { cpuTimeText, humanBytes, type ProcStat, parseCmdline, parseStat } from "../process/proc-stat.ts";
import { childrenOf } from "../process/signals.ts";

/** Linux's USER_HZ, fixed for programs. */
const TICKS_PER_S = 100;
const PAGE_BYTES = 4096;
/** Samples of dead processes are dropped when the map outgrows this. */
const MEMORY_MAX = 10_000;

export const GONE = "No such process (stopped?)";

export interface ProcessRecord {
  readonly pid: number;
  readonly cmdline: string;
  readonly username: string;
  readonly nice: number | "Zombie";
  readonly mem_info1: string;
  readonly mem_info2: string;
  readonly cpu: number;
  readonly mem: number;
  readonly ctime: string;
  readonly create_time: number;
  readonly age: number;
  readonly children: readonly ProcessRecord[];
  readonly started?: number;
  readonly wid?: number;
}

/** Facts that only the agent knows of a process. */
export interface Known {
  readonly startedMs: number;
  readonly wid: number;
}

interface Sample {
  readonly startTicks: number;
  readonly cpuS: number;
  readonly atMs: number;
}

export class StatsSampler {
  readonly #before = new Map<number, Sample>();
  readonly #users = new UserNames();
  readonly #bootS = bootTimeS();

  /** The record, with direct children; {@link GONE} where the process has ended. */
  sample(pid: number, known: Known | null): ProcessRecord | typeof GONE {
    const record = this.#one(pid, known);
    if (record === null) return GONE;
    const children = childrenOf(pid)
      .map((child) => this.#one(child, null))
      .filter((child) => child !== null);
    return { ...record, children };
  }

  #one(pid: number, known: Known | null): ProcessRecord | null {
    const stat = readStat(pid);
    if (stat === null) return null;
    const nowMs = Date.now();
    const created = this.#bootS + stat.startTicks / TICKS_PER_S;
    const cpuS = (stat.utime + stat.stime) / TICKS_PER_S;
    const isZombie = stat.state === "Z";
    const words = isZombie ? [] : cmdlineOf(pid);
    const rss = stat.rssPages * PAGE_BYTES;
    return {
      pid,
      cmdline: words[0] === undefined || words[0] === "" ? "N/A" : basename(words[0].split(" ")[0] ?? ""),
      username: this.#users.of(pid),
      nice: isZombie ? "Zombie" : stat.nice,
      mem_info1: humanBytes(rss),
      mem_info2: humanBytes(stat.vsizeBytes),
      cpu: this.#cpu(pid, { startTicks: stat.startTicks, cpuS, atMs: nowMs }),
      mem: round((rss / totalmem()) * 100, 3),
      ctime: cpuTimeText(cpuS),
      create_time: round(created, 2),
      age: Math.max(0, (nowMs - (known?.startedMs ?? created * 1000)) / 1000),
      children: [],
      ...(known === null ? {} : { started: known.startedMs / 1000, wid: known.wid }),
    };
  }

  /** Per cent since the previous look at that process; 0 at the first. */
  #cpu(pid: number, now: Sample): number {
    const before = this.#before.get(pid);
    if (this.#before.size > MEMORY_MAX) this.#forgetDead();
    this.#before.set(pid, now);
    if (before?.startTicks !== now.startTicks || now.atMs <= before.atMs) return 0;
    const percent = ((now.cpuS - before.cpuS) / ((now.atMs - before.atMs) / 1000)) * 100;
    return round(Math.min(percent, 100 * availableParallelism()), 1);
  }

  #forgetDead(): void {
    for (const pid of this.#before.keys()) if (readStat(pid) === null) this.#before.delete(pid);
  }
}

function round(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

function readStat(pid: number): ProcStat | null {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return null;
  }
}

function cmdlineOf(pid: number): readonly string[] {
  try {
    return parseCmdline(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  } catch {
    return [];
  }
}

/** From the uptime: `btime` of /proc/stat is rounded to a second. */
function bootTimeS(): number {
  return Date.now() / 1000 - Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
}

/** Names of users from /etc/passwd, read again when it changes. */
class UserNames {
  #names = new Map<number, string>();
  #readMs = -1;

  of(pid: number): string {
    try {
      const { uid } = statSync(`/proc/${pid}`);
      return this.#table().get(uid) ?? String(uid);
    } catch {
      return "N/A";
    }
  }

  #table(): Map<number, string> {
    const { mtimeMs } = statSync("/etc/passwd");
    if (mtimeMs !== this.#readMs) {
      this.#readMs = mtimeMs;
      const lines = readFileSync("/etc/passwd", "utf8").split("\n");
      this.#names = new Map(lines.map((line) => line.split(":")).map(([name = "", , uid]) => [Number(uid), name]));
    }
    return this.#names;
  }
}
