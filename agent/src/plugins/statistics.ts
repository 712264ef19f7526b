/** What `stats` answers, read for the plugins that measure (reference §8.1). Pure. */
import { parseSize } from "./sizes.ts";

export interface Sample {
  readonly pid: number;
  /** Percent; null: not accessible. */
  readonly cpu: number | null;
  /** Percent of the host's memory. */
  readonly mem: number | null;
  readonly rssBytes: number | null;
  readonly children: readonly Sample[];
}

/** The live processes among records by pid; one that vanished is a text in place of a record. */
export function samplesOf(info: unknown): readonly Sample[] {
  return Object.values(isObject(info) ? info : {}).flatMap((record) => (isObject(record) ? [sampleOf(record)] : []));
}

function sampleOf({ pid, cpu, mem, mem_info1: rss, children }: Readonly<Record<string, unknown>>): Sample {
  const number = (value: unknown): number | null => (typeof value === "number" ? value : null);
  return {
    pid: number(pid) ?? 0,
    cpu: number(cpu),
    mem: number(mem),
    rssBytes: typeof rss === "string" ? parseSize(rss) : null,
    children: Array.isArray(children) ? children.filter(isObject).map(sampleOf) : [],
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Those that could be measured. */
export function known(values: readonly (number | null)[]): readonly number[] {
  return values.filter((value) => value !== null);
}
