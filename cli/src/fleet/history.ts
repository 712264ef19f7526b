/** `circusctl history [W]`: intervals of states, or one moment. */
import { type FleetAnswers, formatDuration, type HistoryGap, type HistoryRow } from "@circus-cluster/proto";
import { hasColour } from "../io.ts";
import { csv, isoTime } from "../render/csv.ts";
import { type Cell, type Column, table } from "../render/table.ts";
import { localTime, relative, timeAndAge } from "../render/time.ts";
import { UsageError } from "../settings.ts";
import { type FleetContext, hostFilter } from "./context.ts";
import { printDocument, printLines, warn } from "./output.ts";
import { stateCell } from "./status.ts";
import { instant, limitOf, wantsCsv, windowOf } from "./window.ts";

const SINCE_MS = 24 * 3_600_000;
const LIMIT = 500;
const LIMIT_MAX = 10_000;

const INTERVALS: readonly Column[] = [
  { title: "HOST" },
  { title: "WATCHER" },
  { title: "STATE" },
  { title: "FROM" },
  { title: "TO" },
  { title: "LASTED" },
  { title: "BY" },
];
const MOMENT: readonly Column[] = [
  { title: "HOST" },
  { title: "WATCHER" },
  { title: "STATE" },
  { title: "SINCE" },
  { title: "UNTIL" },
  { title: "BY" },
];

/** The lines of a window of time. Pure. */
export function historyLines(rows: readonly HistoryRow[], nowMs: number, colour: boolean): string[] {
  const cells = rows.map((row): (Cell | string)[] => [
    row.host,
    row.watcher,
    stateCell(row.state),
    localTime(row.from),
    row.to === null ? "now" : localTime(row.to),
    formatDuration(Math.max(0, (row.to ?? nowMs) - row.from)),
    row.actor ?? "",
  ]);
  return table(INTERVALS, cells, colour);
}

/** The lines of one moment. Pure. */
export function momentLines(rows: readonly HistoryRow[], atMs: number, colour: boolean): string[] {
  const cells = rows.map((row): (Cell | string)[] => [
    row.host,
    row.watcher,
    stateCell(row.state),
    `${localTime(row.from)} (${formatDuration(Math.max(0, atMs - row.from))} before)`,
    row.to === null ? "now" : localTime(row.to),
    row.actor ?? "",
  ]);
  return table(MOMENT, cells, colour);
}

/** Pure. */
export function historyCsv(rows: readonly HistoryRow[]): string {
  return csv(
    ["host", "watcher", "state", "from", "to", "actor", "cause"],
    rows.map((row) => [
      ...[row.host, row.watcher, row.state, isoTime(row.from), isoTime(row.to), row.actor, row.cause],
    ]),
  );
}

/** What is known to be missing, as sentences. Pure. */
export function gapLines(gaps: readonly HistoryGap[]): string[] {
  return gaps.map(({ host, epoch, fromSeq, toSeq }) => {
    const what = fromSeq === toSeq ? `event ${fromSeq} is` : `events ${fromSeq} to ${toSeq} are`;
    return `the history of ${host} is incomplete: ${what} missing of the agent that began ${localTime(epoch)}`;
  });
}

export async function history(context: FleetContext): Promise<number> {
  const { request, io } = context;
  const now = io.now();
  const at = instant(context, "at", now);
  if (at !== null && (request.options["since"] ?? request.options["until"]) !== undefined)
    throw new UsageError("--at stands alone, without --since or --until");
  const watcher = request.words[0] ?? null;
  if (at !== null) return await moment(context, watcher, at);
  const { since, until } = windowOf(context, now, SINCE_MS);
  return await window(context, watcher, since, until);
}

async function window(context: FleetContext, watcher: string | null, since: number, until: number): Promise<number> {
  const { client, settings, io, request } = context;
  const limit = limitOf(request.options["limit"], LIMIT, LIMIT_MAX);
  const asCsv = wantsCsv(context);
  const hosts = await hostFilter(context);
  const { controller, time, result } = await client.query("history", { hosts, watcher, since, until, limit });
  if (asCsv) io.out(historyCsv(result.rows));
  else if (settings.json) printDocument(context, { controller, time, since, until, ...result });
  else {
    const nothing = `nothing is known${watcher === null ? "" : ` of ${watcher}`} between ${localTime(since)} and ${localTime(until)}`;
    show(context, result, nothing, historyLines(result.rows, time, hasColour(io)));
    if (result.truncated) warn(io, `only ${result.rows.length} rows; narrow the time or give a greater --limit`);
  }
  return 0;
}

async function moment(context: FleetContext, watcher: string | null, at: number): Promise<number> {
  const { client, settings, io } = context;
  const asCsv = wantsCsv(context);
  const hosts = await hostFilter(context);
  const { controller, time, result } = await client.query("history-at", { hosts, watcher, at });
  if (asCsv) io.out(historyCsv(result.rows));
  else if (settings.json) printDocument(context, { controller, time, ...result });
  else {
    const nothing = `nothing is known${watcher === null ? "" : ` of ${watcher}`} at ${timeAndAge(at, time)}`;
    const lines = momentLines(result.rows, at, hasColour(io));
    show(context, result, nothing, [`at ${localTime(at)}, ${relative(at, time)}:`, ...lines]);
  }
  return 0;
}

function show(
  { io }: FleetContext,
  { rows, gaps }: Pick<FleetAnswers["history-at"], "rows" | "gaps">,
  nothing: string,
  lines: readonly string[],
): void {
  if (rows.length === 0) warn(io, nothing);
  else printLines(io, lines);
  for (const line of gapLines(gaps)) warn(io, line);
}
