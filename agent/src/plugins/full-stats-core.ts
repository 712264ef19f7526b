/** The gauges of FullStats (reference §9.2). Pure. */
import { isPlugin } from "../config/plugin-name.ts";
import { gauge, type Metric } from "./metrics.ts";
import { known, samplesOf } from "./statistics.ts";

/** @param infos of a reply to `stats`: watcher → pid → record */
export function fullStats(infos: Readonly<Record<string, unknown>>): readonly Metric[] {
  return Object.entries(infos)
    .filter(([watcher]) => !isPlugin(watcher))
    .flatMap(([watcher, info]) => {
      const samples = samplesOf(info);
      const bucket = (name: string) => `_stats.${watcher}.${name}`;
      const pair = (name: string, values: readonly number[]): readonly Metric[] => {
        if (values.length === 0) return [];
        const sum = values.reduce((total, value) => total + value, 0);
        // Sums of decimal fractions: 0.1 + 0.2 should not be sent as 0.30000000000000004.
        return [
          gauge(bucket(`${name}_max`), Math.max(...values)),
          gauge(bucket(`${name}_sum`), Number(sum.toFixed(3))),
        ];
      };
      return [
        gauge(bucket("watchers_num"), samples.length),
        ...pair("cpu", known(samples.map(({ cpu }) => cpu))),
        ...pair("mem_pct", known(samples.map(({ mem }) => mem))),
        ...pair("mem", known(samples.map(({ rssBytes }) => rssBytes))),
      ];
    });
}
