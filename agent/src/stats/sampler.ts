/** Process records of reference §8.1, straight from /proc: no process is started for a sample. */
import { readFileSync, statSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { basename } from "node:path";
import { performance } from "node:perf_hooks";
import { readProc } from "../process/proc-read.ts";
import { cpuTimeText, humanBytes, parseCmdline, parseStat, parseStatus } from "../process/proc-stat.ts";
import { childrenOf } from "../process/signals.ts";

/** Linux's USER_HZ, fixed for programs. */
const TICKS_PER_S = 100;
/** Samples of dead processes are dropped when there are this many, then whenever their number has doubled. */
const SWEEP_AT_MIN = 1000;

/** A look this soon after the last one is measured from the look before that: the kernel counts in steps of 10 ms. */
const SPAN_MIN_MS = 200;

/** What Circus says in place of a record. */
export const GONE = "No such process (stopped?)";

/** In place of what the kernel does not tell us: /proc may be mounted with `hidepid`. */
const HIDDEN = "N/A";
type Hidden = typeof HIDDEN;

/** As on the wire, names and quirks too (reference §8.1). */
export interface ProcessRecord {
  readonly pid: number;
  /** Base name of argv[0]; `N/A`: a zombie. */
  readonly cmdline: string;
  /** The number where the user has no name. */
  readonly username: string;
  readonly nice: number | "Zombie" | Hidden;
  /** RSS and VMS: `1.63M`. */
  readonly mem_info1: string;
  readonly mem_info2: string;
  /** Per cent of one processor since the previous look at this process; 0 at the first. */
  readonly cpu: number | Hidden;
  /** RSS in per cent of the host's memory, 3 decimals. */
  readonly mem: number | Hidden;
  /** `M:SS.f`. */
  readonly ctime: string;
  /** Start by the kernel's count, s since the epoch. */
  readonly create_time: number | Hidden;
  /** Seconds since `started`, or since `create_time` where that is not known. */
  readonly age: number | Hidden;
  readonly children: readonly ProcessRecord[];
  readonly started?: number;
  readonly wid?: number;
}

/** Facts that only the agent knows of a process. */
export interface Known {
  readonly startedMs: number;
  readonly wid: number;
}

interface Look {
  readonly cpuS: number;
  /** Monotonic. */
  readonly atMs: number;
}

interface Memory {
  readonly startTicks: number;
  readonly last: Look;
  readonly beforeLast: Look | null;
}

/** Remembers the CPU time of each process it was asked about, so its users share one. */
export class StatsSampler {
  readonly #before = new Map<number, Memory>();
  readonly #isHidden: (pid: number) => boolean;
  #sweepAt = SWEEP_AT_MIN;
  readonly #users = new UserNames();
  readonly #bootS = bootTimeS();

  /** @param isHidden has no readable entry in /proc, and yet there is one; a parameter for tests */
  constructor(isHidden: (pid: number) => boolean = isHiddenProcess) {
    this.#isHidden = isHidden;
  }

  /** The record, with direct children; {@link GONE} where the process has ended. */
  sample(pid: number, known: Known | null): ProcessRecord | typeof GONE {
    const record = this.sampleAlone(pid, known);
    if (record === GONE) return GONE;
    const children = childrenOf(pid)
      .map((child) => this.sampleAlone(child, null))
      .filter((child) => child !== GONE);
    return { ...record, children };
  }

  /** The same without a look for children. */
  sampleAlone(pid: number, known: Known | null): ProcessRecord | typeof GONE {
    const stat = parseStat(readProc(`/proc/${pid}/stat`));
    const status = stat === null ? null : parseStatus(readProc(`/proc/${pid}/status`));
    if (stat === null || status === null) {
      this.#before.delete(pid);
      return this.#isHidden(pid) ? hiddenRecord(pid, known) : GONE;
    }
    const nowMs = Date.now();
    const created = this.#bootS + stat.startTicks / TICKS_PER_S;
    const cpuS = (stat.utime + stat.stime) / TICKS_PER_S;
    const isZombie = stat.state === "Z";
    return {
      pid,
      cmdline: isZombie ? HIDDEN : programName(parseCmdline(readProc(`/proc/${pid}/cmdline`))),
      username: this.#users.nameOf(status.uid),
      nice: isZombie ? "Zombie" : stat.nice,
      mem_info1: humanBytes(status.rssBytes),
      mem_info2: humanBytes(status.vsizeBytes),
      cpu: this.#cpu(pid, stat.startTicks, { cpuS, atMs: performance.now() }),
      mem: round((status.rssBytes / totalmem()) * 100, 3),
      ctime: cpuTimeText(cpuS),
      create_time: round(created, 2),
      age: Math.max(0, (nowMs - (known?.startedMs ?? created * 1000)) / 1000),
      children: [],
      ...startOf(known),
    };
  }

  #cpu(pid: number, startTicks: number, now: Look): number {
    const before = this.#before.get(pid);
    if (before?.startTicks !== startTicks) {
      this.#before.set(pid, { startTicks, last: now, beforeLast: null });
      if (this.#before.size >= this.#sweepAt) this.#forgetDead();
      return 0;
    }
    const isSoon = now.atMs - before.last.atMs < SPAN_MIN_MS;
    const from = isSoon ? (before.beforeLast ?? before.last) : before.last;
    if (!isSoon) this.#before.set(pid, { startTicks, last: now, beforeLast: before.last });
    if (now.atMs <= from.atMs) return 0;
    const percent = ((now.cpuS - from.cpuS) / ((now.atMs - from.atMs) / 1000)) * 100;
    return round(Math.min(percent, 100 * availableParallelism()), 1);
  }

  #forgetDead(): void {
    for (const [pid, { startTicks }] of this.#before) {
      if (parseStat(readProc(`/proc/${pid}/stat`))?.startTicks !== startTicks) this.#before.delete(pid);
    }
    this.#sweepAt = Math.max(SWEEP_AT_MIN, 2 * this.#before.size);
  }
}

/** Base name of the first word of argv[0], which a program may have made a title of; `N/A` where there is none. */
function programName(words: readonly string[]): string {
  const [first = ""] = (words[0] ?? "").trim().split(/\s/);
  return first === "" ? HIDDEN : basename(first);
}

function hiddenRecord(pid: number, known: Known | null): ProcessRecord {
  const texts = { cmdline: HIDDEN, username: HIDDEN, mem_info1: HIDDEN, mem_info2: HIDDEN, ctime: HIDDEN };
  const numbers = { nice: HIDDEN, cpu: HIDDEN, mem: HIDDEN, create_time: HIDDEN } as const;
  const age = known === null ? HIDDEN : Math.max(0, (Date.now() - known.startedMs) / 1000);
  return { pid, ...texts, ...numbers, age, children: [], ...startOf(known) };
}

function startOf(known: Known | null): Pick<ProcessRecord, "started" | "wid"> {
  return known === null ? {} : { started: known.startedMs / 1000, wid: known.wid };
}

/** /proc shows none, but the kernel knows it. */
function isHiddenProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function round(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

/** From the uptime: `btime` of /proc/stat is rounded to a second. */
function bootTimeS(): number {
  return Date.now() / 1000 - Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
}

/** Names of users from /etc/passwd, read again when it changes. */
class UserNames {
  #names = new Map<number, string>();
  #readMs = -1;

  nameOf(uid: number): string {
    this.#refresh();
    return this.#names.get(uid) ?? String(uid);
  }

  #refresh(): void {
    const mtimeMs = statSync("/etc/passwd", { throwIfNoEntry: false })?.mtimeMs ?? 0; // small containers have none
    if (mtimeMs === this.#readMs) return;
    this.#readMs = mtimeMs;
    this.#names = new Map();
    for (const line of readProc("/etc/passwd").split("\n")) {
      const [name = "", , uid] = line.split(":");
      // Of two names for one number the first counts, as for getpwuid(3).
      if (uid !== undefined && !this.#names.has(Number(uid))) this.#names.set(Number(uid), name);
    }
  }
}
