/** `circusctl usage [W]`: CPU and memory of watchers, or of one watcher on each host, now and over a window. */
import {
  formatDuration,
  meanOf,
  mostOf,
  type UsageAnswer,
  type UsageRow,
  type UsageTotal,
} from "@circus-cluster/proto";
import { hasColour } from "../io.ts";
import { type Cell, type Column, table } from "../render/table.ts";
import { localTime } from "../render/time.ts";
import { levelsOf, percent, size, sparkline } from "../top/pieces.ts";
import { type FleetContext, hostFilter } from "./context.ts";
import { printDocument, printLines, warn } from "./output.ts";
import { limitOf, windowOf } from "./window.ts";

const SINCE_MS = 86_400_000;
/** Places of a sparkline. */
const POINTS = 32;
const LIMIT = 50;
const LIMIT_MAX = 10_000;

function columns(first: string): readonly Column[] {
  const numbers = ["CPU", "MEAN", "MOST", "MEMORY", "MEAN", "MOST", "PROCESSES"];
  return [{ title: first }, ...numbers.map((title) => ({ title, isRight: true })), { title: "CPU OVER TIME" }];
}

function lineOf(name: string, row: UsageRow | UsageTotal, levels: string): (Cell | string)[] {
  const { now } = row;
  const cpu = [now?.cpu ?? null, meanOf(row.cpu), mostOf(row.cpuMax)].map((value) => percent(value, 1));
  const rss = [now?.rss ?? null, meanOf(row.rss), mostOf(row.rssMax)].map(size);
  const spark = sparkline(row.cpu, POINTS + 1, levels).trimEnd();
  return [name, ...cpu, ...rss, percent(now?.processes ?? null, 0), { text: spark, tone: "dim" }];
}

/** Per cent of one processor, resident memory; `MOST` is the largest at one moment. Pure. */
export function usageLines(
  { rows, total, more, bucketMs }: UsageAnswer,
  by: "watcher" | "host",
  levels: string,
  colour: boolean,
): readonly string[] {
  const cells = rows.map((row) => lineOf(row.name, row, levels));
  const others = more === 0 ? [] : [`${more} more that use less; --limit shows them`];
  const of = total.topCpu === null || by === "watcher" ? [] : [`most CPU at one moment: ${total.topCpu.host}`];
  const notes = [`a place of the line is ${formatDuration(bucketMs)}`, ...of, ...others];
  return [...table(columns(by.toUpperCase()), [...cells, lineOf("all", total, levels)], colour), notes.join("; ")];
}

export async function usage(context: FleetContext): Promise<number> {
  const { client, settings, io, request } = context;
  const { since, until } = windowOf(context, io.now(), SINCE_MS);
  const limit = limitOf(request.options["limit"], LIMIT, LIMIT_MAX);
  const watcher = request.words[0] ?? null;
  const by = watcher === null ? "watcher" : "host";
  const hosts = await hostFilter(context);
  const query = { hosts, watcher, by, since, until, points: POINTS, limit } as const;
  const { controller, time, result } = await client.query("usage", query);
  if (settings.json) printDocument(context, { controller, time, ...result });
  else if (result.rows.length === 0) warn(io, `nothing is known between ${localTime(since)} and ${localTime(until)}`);
  else printLines(io, usageLines(result, by, levelsOf(io.env), hasColour(io)));
  return 0;
}
