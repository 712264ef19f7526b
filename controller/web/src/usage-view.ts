/** CPU, memory and processes over time → the lines of plots, and the sentence that says the same in words. Pure. */
import {
  formatBytes,
  meanOf,
  mostOf,
  type UsageAnswer,
  type UsageNow,
  type UsageRow,
  type UsageSeries,
  type UsageValues,
} from "@circus-cluster/proto";

/** What can be drawn of a series, and how a value of it reads. */
export type Measure = "cpu" | "rss" | "processes";

/** Lines of watchers beside each other; the others are one. */
const LINES = 4;

export interface Line {
  readonly label: string;
  readonly values: UsageValues;
}

/** Per cent of one processor with three digits at most, memory in units of 1024, processes. */
export function valueText(measure: Measure, value: number): string {
  if (measure === "rss") return formatBytes(value);
  if (measure === "processes") return Number.isInteger(value) ? String(value) : value.toFixed(1);
  return `${value >= 100 ? Math.round(value) : value.toFixed(value >= 10 ? 1 : 2)} %`;
}

/** The same at an axis. */
export function tickText(measure: Measure, value: number): string {
  return measure === "cpu" ? `${Number(value.toFixed(2))} %` : valueText(measure, value);
}

/** Seconds since the epoch, the middle of each bucket; the last one goes on to `until` at most. */
export function timesOf({ since, bucketMs, total }: UsageAnswer, until: number): readonly number[] {
  return total.cpu.map((_, at) => Math.min(since + (at + 0.5) * bucketMs, until) / 1000);
}

export function isKnown({ total }: UsageAnswer): boolean {
  return total.cpu.some((value) => value !== null);
}

/** `now 12.3 %, 8.00 % on average, 40.1 % at most`; of the time that is known. */
export function sentenceOf(measure: Measure, series: UsageSeries, now: UsageNow | null): string {
  const known = (value: number | null): string => (value === null ? "not known" : valueText(measure, value));
  const most = measure === "processes" ? series.processes : measure === "cpu" ? series.cpuMax : series.rssMax;
  return [
    now === null ? "not known now" : `now ${valueText(measure, now[measure])}`,
    `${known(meanOf(series[measure]))} on average`,
    `${known(mostOf(most))} at most`,
  ].join(", ");
}

/** All hosts together, its peaks, and the largest host in each bucket. */
export function totalLines({ total }: UsageAnswer, measure: "cpu" | "rss"): readonly Line[] {
  const isCpu = measure === "cpu";
  const hosts = mostOf(total.hosts) ?? 0;
  return [
    { label: hosts > 1 ? "all hosts" : "mean", values: total[measure] },
    { label: "at most", values: isCpu ? total.cpuMax : total.rssMax },
    ...(hosts > 1 ? [{ label: "largest host", values: isCpu ? total.cpuOfTop : total.rssOfTop }] : []),
  ];
}

/** The watchers that use most, and all others as one. */
export function fewLines({ rows, total }: UsageAnswer, measure: "cpu" | "rss"): readonly Line[] {
  const mean = (row: UsageRow): number => meanOf(row[measure]) ?? 0;
  const few = [...rows].sort((a, b) => mean(b) - mean(a)).slice(0, LINES);
  const lines = few.map((row): Line => ({ label: row.name, values: row[measure] }));
  if (few.length === rows.length) return lines;
  const rest = total[measure].map((sum, at) => {
    const shown = few.reduce((of, row) => of + (row[measure][at] ?? 0), 0);
    return sum === null ? null : Math.max(0, sum - shown);
  });
  return [...lines, { label: "all others", values: rest }];
}
