/**
 * TimedRotatingFileStream (reference §4.2): at the first write after the interval, `f` becomes `f.STAMP`, the time at
 * which the finished interval began. Of these the newest `backup_count` are kept, or all where it is 0.
 */
import { existsSync, type Stats } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { TimedRotation } from "../../config/streams.ts";
import type { FileState, Rotation } from "../file-target.ts";
import { strftime } from "../strftime.ts";

const SECOND_MS = 1000;
const DAY_MS = 86_400_000;
const NEWLINE = 0x0a;

interface Unit {
  readonly ms: number;
  readonly stamp: string;
}

const UNITS: Readonly<Record<string, Unit>> = {
  S: { ms: SECOND_MS, stamp: "%Y%m%d%H%M%S" },
  M: { ms: 60 * SECOND_MS, stamp: "%Y%m%d%H%M" },
  H: { ms: 3600 * SECOND_MS, stamp: "%Y%m%d%H" },
  D: { ms: DAY_MS, stamp: "%Y%m%d" },
};
const DAILY: Unit = { ms: DAY_MS, stamp: "%Y%m%d" };

/** The end of an interval and where it began, in wall ms. */
export interface Interval {
  readonly beginMs: number;
  readonly endMs: number;
}

/**
 * The interval that a file written at this moment belongs to. `S M H D` count from the moment; `MIDNIGHT` ends at
 * the next midnight, `Wn` at the one that ends that day of the week, whatever the clocks are put to in between.
 */
export function intervalAt(ms: number, { when, interval, utc }: TimedRotation): Interval {
  const unit = UNITS[when];
  if (unit !== undefined) {
    const at = Math.floor(ms / SECOND_MS) * SECOND_MS;
    return { beginMs: at, endMs: at + unit.ms * interval };
  }
  const weekday = when.startsWith("W") ? (Number(when.slice(1)) + 1) % 7 : null; // Date counts from Sunday
  const now = new Date(ms);
  const today = utc ? now.getUTCDay() : now.getDay();
  const left = weekday === null ? 1 : ((weekday - today + 7) % 7) + 1;
  const stepDays = weekday === null ? 1 : 7;
  const midnight = (days: number): number =>
    utc
      ? Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + days)
      : new Date(now.getFullYear(), now.getMonth(), now.getDate() + days).getTime();
  return { beginMs: midnight(left - stepDays), endMs: midnight(left + stepDays * (interval - 1)) };
}

export class TimeRotation implements Rotation {
  readonly #rotation: TimedRotation;
  readonly #backupCount: number;
  readonly #clock: () => number;
  #interval: Interval = { beginMs: 0, endMs: Number.POSITIVE_INFINITY };

  /** @param clock wall ms */
  constructor(rotation: TimedRotation, backupCount: number, clock: () => number = Date.now) {
    this.#rotation = rotation;
    this.#backupCount = backupCount;
    this.#clock = clock;
  }

  admit(bytes: Buffer, { size, isAtLineStart }: FileState): number {
    const now = this.#clock();
    if (now < this.#interval.endMs) return bytes.length;
    if (!isAtLineStart) return bytes.indexOf(NEWLINE) + 1 || bytes.length;
    if (size > 0) return 0;
    this.#interval = intervalAt(now, this.#rotation);
    return bytes.length;
  }

  opened({ size, mtimeMs }: Stats): void {
    this.#interval = intervalAt(size > 0 ? mtimeMs : this.#clock(), this.#rotation);
  }

  async rotate(path: string): Promise<string> {
    const { stamp } = UNITS[this.#rotation.when] ?? DAILY;
    const name = `${path}.${strftime(stamp, new Date(this.#interval.beginMs), this.#rotation.utc)}`;
    // An hour that comes twice, or a restart within the interval, must not cost the older file.
    let free = name;
    for (let n = 1; existsSync(free); n++) free = `${name}.${n}`;
    await rename(path, free);
    if (this.#backupCount > 0) await this.#prune(path);
    return free;
  }

  async #prune(path: string): Promise<void> {
    const prefix = `${basename(path)}.`;
    const dir = dirname(path);
    const stamps = (await readdir(dir))
      .filter((name) => name.startsWith(prefix) && /^\d{8,14}(?:\.\d+)?$/.test(name.slice(prefix.length)))
      .sort((a, b) => (stampOrder(a.slice(prefix.length)) < stampOrder(b.slice(prefix.length)) ? -1 : 1));
    for (const name of stamps.slice(0, Math.max(0, stamps.length - this.#backupCount))) {
      await rm(join(dir, name), { force: true });
    }
  }
}

/** `20240131` before `20240131.1` before `20240131.10`. */
function stampOrder(stamp: string): string {
  const [time = "", n = "0"] = stamp.split(".");
  return `${time}.${n.padStart(9, "0")}`;
}
