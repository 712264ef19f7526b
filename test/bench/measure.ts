/** Figures of the bench: quantiles, tables, and the children of a process as the kernel lists them. */
import { readFileSync } from "node:fs";

/** The q-quantile of numbers in any order, by nearest rank. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** Pids of the direct children that run `sleep`: the bench's workers. */
export function workersOf(pid: number): number[] {
  return childrenOf(pid).filter((child) => {
    try {
      return /^([^\0]*\/)?sleep\0/.test(readFileSync(`/proc/${child}/cmdline`, "utf8"));
    } catch {
      return false;
    }
  });
}

/** Direct children, also while they have not called exec yet. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Resolves as soon as `get` gives a value; looks on every turn of the event loop. */
export async function until<T>(what: string, deadlineMs: number, get: () => T | undefined): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const value = get();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export interface Row {
  readonly name: string;
  readonly cells: readonly string[];
}

/** A table of fixed columns, for people. */
export function table(title: string, head: readonly string[], rows: readonly Row[]): string {
  const lines = [["", ...head], ...rows.map((row) => [row.name, ...row.cells])];
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? "").length))) ?? [];
  const text = lines.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  "),
  );
  return [`\n${title}`, ...text.map((line) => `  ${line}`)].join("\n");
}

/** `12.3 ms`, `1.20 s`. */
export function ms(value: number): string {
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value.toFixed(value < 10 ? 2 : 1)} ms`;
}

/** Ratio to ours: `×4.2`. */
export function ratio(value: number, reference: number): string {
  return `×${(value / reference).toFixed(value / reference < 10 ? 2 : 0)}`;
}

const TICK_MS = 10;

/** Processor time of a process with all its threads so far, ms; the kernel counts in steps of 10. */
export function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** MiB now, and at most so far. */
export interface Resident {
  readonly now: number;
  readonly peak: number;
}

export function residentOf(pid: number): Resident {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1]) / 1024;
  return { now: of("VmRSS"), peak: of("VmHWM") };
}
