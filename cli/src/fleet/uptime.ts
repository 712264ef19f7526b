/** `circusctl uptime [W]`: how much of a window each watcher was up. */
import { formatDuration, type UptimeRow } from "@circus-cluster/proto";
import { hasColour } from "../io.ts";
import { csv, isoTime } from "../render/csv.ts";
import { type Cell, type Column, table } from "../render/table.ts";
import { localTime } from "../render/time.ts";
import { type FleetContext, hostFilter } from "./context.ts";
import { gapLines } from "./history.ts";
import { printDocument, printLines, warn } from "./output.ts";
import { wantsCsv, windowOf } from "./window.ts";

const SINCE_MS = 7 * 86_400_000;

const COLUMNS: readonly Column[] = [
  { title: "HOST" },
  { title: "WATCHER" },
  { title: "UP", isRight: true },
  { title: "CRASHES", isRight: true },
  { title: "EXITS", isRight: true },
  { title: "LONGEST OUTAGE" },
  { title: "STOPPED" },
  { title: "UNKNOWN" },
];

/** Cut, not rounded: 100 % is said of what was never down. Pure. */
export function percentText(percent: number | null): string {
  return percent === null ? "?" : `${(Math.floor(percent * 1000) / 1000).toFixed(3)}%`;
}

function percentCell(percent: number | null): Cell {
  const text = percentText(percent);
  if (percent === null) return { text, tone: "dim" };
  return percent === 100 ? { text, tone: "good" } : { text, tone: percent >= 99 ? "warn" : "bad" };
}

/** Pure. */
export function uptimeLines(rows: readonly UptimeRow[], colour: boolean): string[] {
  const length = (ms: number): string => (ms === 0 ? "" : formatDuration(ms));
  const cells = rows.map((row): (Cell | string)[] => [
    row.host,
    row.watcher,
    percentCell(row.percent),
    row.crashes === 0 ? "0" : { text: String(row.crashes), tone: "warn" },
    String(row.exits),
    row.outage === null ? "" : `${formatDuration(row.outage.ms)} at ${localTime(row.outage.from)}`,
    length(row.stoppedMs),
    length(row.unknownMs),
  ]);
  return table(COLUMNS, cells, colour);
}

/** Pure. */
export function uptimeCsv(rows: readonly UptimeRow[]): string {
  const titles = ["host", "watcher", "percent", "active_ms", "changing_ms", "stopped_ms", "failed_ms", "unknown_ms"];
  return csv(
    [...titles, "exits", "crashes", "outage_from", "outage_ms"],
    rows.map((row) => [
      ...[row.host, row.watcher, row.percent, row.activeMs, row.changingMs, row.stoppedMs, row.failedMs, row.unknownMs],
      ...[row.exits, row.crashes, isoTime(row.outage?.from ?? null), row.outage?.ms ?? null],
    ]),
  );
}

export async function uptime(context: FleetContext): Promise<number> {
  const { client, settings, io, request } = context;
  const { since, until } = windowOf(context, io.now(), SINCE_MS);
  const asCsv = wantsCsv(context);
  const watcher = request.words[0] ?? null;
  const hosts = await hostFilter(context);
  const { controller, time, result } = await client.query("uptime", { hosts, watcher, since, until });
  if (asCsv) io.out(uptimeCsv(result.rows));
  else if (settings.json) printDocument(context, { controller, time, ...result });
  else if (result.rows.length === 0) warn(io, `nothing is known between ${localTime(since)} and ${localTime(until)}`);
  else printLines(io, uptimeLines(result.rows, hasColour(io)));
  if (!settings.json) for (const line of gapLines(result.gaps)) warn(io, line);
  return 0;
}
