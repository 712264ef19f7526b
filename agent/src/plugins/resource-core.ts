/** Which processes use too much, or too little, for too long (reference §9.5, D17). Pure. */

import { parseSignal } from "@circus-cluster/proto";
import { parseNumber } from "../config/values.ts";
import { counter, type Metric } from "./metrics.ts";
import type { OptionReader } from "./options.ts";
import { parseSize } from "./sizes.ts";
import { type Sample } from "./statistics.ts";

/** Of memory: a share of the host's, or an amount. */
type MemoryLimit = { readonly percent: number } | { readonly bytes: number };

export interface ResourceOptions {
  readonly watcher: string;
  /** Percent; 0: no limit. */
  readonly maxCpu: number;
  readonly minCpu: number | null;
  readonly maxMem: MemoryLimit;
  readonly minMem: MemoryLimit | null;
  /** Percent, of the mean of both; 0: no limit. */
  readonly healthThreshold: number;
  /** Violations in a row that are put up with. */
  readonly maxCount: number;
  readonly processChildren: boolean;
  readonly childSignal: number;
}

export function readResources(reader: OptionReader): ResourceOptions {
  const watcher = reader.optional("watcher") ?? reader.optional("service");
  if (watcher === null) reader.problem("watcher", "it is missing: which watcher is to be looked after?");
  const signal = reader.text("child_signal", "15");
  const childSignal = parseSignal(signal);
  if (childSignal === null) reader.problem("child_signal", `'${signal}' is not a signal`);
  return {
    watcher: watcher ?? "",
    maxCpu: reader.number("max_cpu", 90, { min: 0 }),
    minCpu: reader.optionalNumber("min_cpu"),
    maxMem: readMemory(reader, "max_mem") ?? { percent: 90 },
    minMem: readMemory(reader, "min_mem"),
    healthThreshold: reader.number("health_threshold", 75, { min: 0 }),
    maxCount: reader.int("max_count", 3, { min: 0 }),
    processChildren: reader.bool("process_children", false),
    childSignal: childSignal ?? 15,
  };
}

function readMemory(reader: OptionReader, key: string): MemoryLimit | null {
  const text = reader.optional(key);
  if (text === null) return null;
  const percent = parseNumber(text);
  if (percent !== null) return { percent };
  const bytes = parseSize(text);
  if (bytes !== null) return { bytes };
  reader.problem(key, `'${text}' is neither percent (90) nor a size with its unit (512M)`);
  return null;
}

const KINDS = ["over_cpu", "under_cpu", "over_memory", "under_memory", "over_health"] as const;
type Counts = Readonly<Record<(typeof KINDS)[number], number>>;

const NONE: Counts = { over_cpu: 0, under_cpu: 0, over_memory: 0, under_memory: 0, over_health: 0 };

/** Violations in a row, of the watcher's own processes together (null) and of each child by its pid. */
export type ResourceState = ReadonlyMap<number | null, Counts>;

type ResourceEffect =
  | { readonly kind: "metric"; readonly metric: Metric }
  | { readonly kind: "restart" }
  | { readonly kind: "signal"; readonly pid: number; readonly childPid: number };

interface Step {
  readonly state: ResourceState;
  readonly effects: readonly ResourceEffect[];
}

/** One look at the watcher's processes. Where there is none nothing is judged: a stopped watcher is not idle. */
export function lookAfter(state: ResourceState, samples: readonly Sample[], options: ResourceOptions): Step {
  const next = new Map<number | null, Counts>();
  const effects: ResourceEffect[] = [];
  const judge = (index: number | null, of: readonly Sample[], remedy: ResourceEffect): void => {
    const found = violations(of, options);
    const before = state.get(index) ?? NONE;
    const counts: Record<string, number> = {};
    for (const kind of KINDS) {
      if (found.has(kind)) effects.push(metric(options, kind));
      counts[kind] = found.has(kind) ? before[kind] + 1 : 0;
    }
    if (Math.max(...Object.values(counts)) > options.maxCount) effects.push(metric(options, "restarting"), remedy);
    else next.set(index, counts as Counts);
  };
  if (samples.length > 0) judge(null, samples, { kind: "restart" });
  if (options.processChildren) {
    for (const { pid, children } of samples) {
      for (const child of children) judge(child.pid, [child], { kind: "signal", pid, childPid: child.pid });
    }
  }
  return { state: next, effects };
}

function metric({ watcher }: ResourceOptions, what: string): ResourceEffect {
  return { kind: "metric", metric: counter(`_resource_watcher.${watcher}.${what}`) };
}

/** What cannot be measured counts as full use of the host and as no memory in bytes, as in Circus. */
function violations(samples: readonly Sample[], options: ResourceOptions): ReadonlySet<(typeof KINDS)[number]> {
  const cpu = samples.map((sample) => sample.cpu ?? 100);
  const mem = samples.map((sample) => sample.mem ?? 100);
  const rss = samples.map((sample) => sample.rssBytes ?? 0);
  const { maxCpu, minCpu, maxMem, minMem, healthThreshold } = options;
  const found = new Set<(typeof KINDS)[number]>();
  if (maxCpu > 0 && Math.max(...cpu) > maxCpu) found.add("over_cpu");
  if (minCpu !== null && Math.min(...cpu) <= minCpu) found.add("under_cpu");
  if ("percent" in maxMem ? Math.max(...mem) > maxMem.percent : Math.max(...rss) > maxMem.bytes) {
    found.add("over_memory");
  }
  if (minMem !== null) {
    const isUnder = "percent" in minMem ? Math.min(...mem) < minMem.percent : Math.min(...rss) < minMem.bytes;
    if (isUnder) found.add("under_memory");
  }
  if (healthThreshold > 0 && (Math.max(...cpu) + Math.max(...mem)) / 2 > healthThreshold) found.add("over_health");
  return found;
}
