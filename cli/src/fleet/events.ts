/** `circusctl events [W]`: what happened, who asked for it, and with `--follow` what happens. */
import { EVENT_KINDS, type EventRow, EXIT, FLEET_TOKEN, nearest } from "@circus-cluster/proto";
import { hasColour } from "../io.ts";
import { csv, isoTime } from "../render/csv.ts";
import { readJson, writeJson } from "../render/json.ts";
import { clean, paint, type Tone } from "../render/table.ts";
import { localTime } from "../render/time.ts";
import { commaList, UsageError } from "../settings.ts";
import { type FleetContext, hostFilter } from "./context.ts";
import { FleetError } from "./error.ts";
import { gapLines } from "./history.ts";
import { printDocument, printLines, warn } from "./output.ts";
import { limitOf, wantsCsv, windowOf } from "./window.ts";

const SINCE_MS = 24 * 3_600_000;
const LIMIT = 100;
const LIMIT_MAX = 10_000;
/** Shown at first where events are followed. */
const FOLLOW_LIMIT = 10;
/** Remembered, so that what was asked for and what came by itself is not shown twice. */
const SEEN_MAX = 20_000;

/** What is wanted of the events. */
export interface EventFilter {
  readonly hosts: readonly string[] | null;
  readonly watcher: string | null;
  readonly kinds: readonly string[] | null;
  readonly actor: string | null;
}

/** Does a filter let it pass? The controller asks the same of what it stored. Pure. */
export function passes(row: EventRow, { hosts, watcher, kinds, actor }: EventFilter): boolean {
  return (
    (hosts === null || hosts.includes(row.host)) &&
    (watcher === null || row.watcher === watcher) &&
    (kinds === null || kinds.includes(row.kind)) &&
    (actor === null || row.actor === actor)
  );
}

const TONES: readonly (readonly [RegExp, Tone])[] = [
  [/failed|lost|unhealthy|truncated|refused/, "bad"],
  [/exited|killed|late/, "warn"],
  [/started|healthy|online|done/, "good"],
];

/** `2026-01-31 14:05:09  web1  web  process_exited  pid 7, code 1  by alice`. Pure. */
export function eventLine(row: EventRow, colour: boolean): string {
  const tone = TONES.find(([pattern]) => pattern.test(row.kind))?.[1];
  const what = [
    ...(row.pid === null ? [] : [`pid ${row.pid}`]),
    ...Object.entries(row.data).map(([key, value]) => `${key} ${dataText(value)}`),
  ];
  const by = row.actor === null ? "" : `by ${row.actor}`;
  return [
    paint(localTime(row.time), "dim", colour),
    clean(row.host === FLEET_TOKEN ? "fleet" : row.host),
    clean(row.watcher ?? "-"),
    paint(clean(row.kind), tone, colour),
    clean(what.join(", ")),
    clean(by),
  ]
    .filter((part) => part !== "")
    .join("  ");
}

function dataText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Pure. */
export function eventsCsv(rows: readonly EventRow[]): string {
  return csv(
    ["time", "stored", "host", "epoch", "seq", "watcher", "kind", "pid", "wid", "actor", "cause", "data"],
    rows.map((row) => [
      ...[isoTime(row.time), isoTime(row.stored), row.host, row.epoch, row.seq, row.watcher, row.kind],
      ...[row.pid, row.wid, row.actor, row.cause, JSON.stringify(row.data)],
    ]),
  );
}

/** `--kind`. A kind that this version does not know may be of a newer one, so it is asked for all the same. */
function kindsOf({ request, io }: FleetContext): readonly string[] | null {
  const { kind } = request.options;
  if (typeof kind !== "string") return null;
  const kinds = commaList(kind);
  if (kinds === null) throw new UsageError("--kind names no kind of event");
  for (const one of kinds) {
    if ((EVENT_KINDS as readonly string[]).includes(one)) continue;
    const near = nearest(one, EVENT_KINDS);
    warn(io, `no kind of event '${one}' is known here${near === null ? "" : `; did you mean ${near}?`}`);
  }
  return kinds;
}

export async function events(context: FleetContext): Promise<number> {
  const { request, client, settings, io } = context;
  const isFollowing = request.options["follow"] !== undefined;
  const asCsv = wantsCsv(context);
  if (isFollowing && asCsv) throw new UsageError("--csv and --follow exclude each other");
  if (isFollowing && request.options["until"] !== undefined)
    throw new UsageError("--until and --follow exclude each other");
  const limit = limitOf(request.options["limit"], isFollowing ? FOLLOW_LIMIT : LIMIT, LIMIT_MAX);
  const { since, until } = windowOf(context, io.now(), SINCE_MS);
  const { actor } = request.options;
  const filter: EventFilter = {
    hosts: await hostFilter(context),
    watcher: request.words[0] ?? null,
    kinds: kindsOf(context),
    actor: typeof actor === "string" ? actor : null,
  };
  const ask = () => client.query("events", { ...filter, since, until, limit });
  if (isFollowing) return await follow(context, filter, ask);
  const { controller, time, result } = await ask();
  if (asCsv) io.out(eventsCsv(result.rows));
  else if (settings.json) printDocument(context, { controller, time, since, until, ...result });
  else {
    printLines(
      io,
      result.rows.map((row) => eventLine(row, hasColour(io))),
    );
    if (result.rows.length === 0) warn(io, `no such event between ${localTime(since)} and ${localTime(until)}`);
    if (result.truncated) warn(io, `only the newest ${result.rows.length}; narrow the time or give a greater --limit`);
    for (const line of gapLines(result.gaps)) warn(io, line);
  }
  return 0;
}

/** Listens first and asks then, so that nothing falls between the two. Ends with Ctrl-C. */
async function follow(
  { client, settings, io }: FleetContext,
  filter: EventFilter,
  ask: () => Promise<{ readonly result: { readonly rows: readonly EventRow[] } }>,
): Promise<number> {
  const seen = new Set<string>();
  const show = (row: EventRow): void => {
    const key = `${row.host}:${row.epoch}:${row.seq}`;
    if (seen.has(key) || !passes(row, filter)) return;
    seen.add(key);
    const [oldest] = seen;
    if (seen.size > SEEN_MAX && oldest !== undefined) seen.delete(oldest);
    io.out(settings.json ? `${writeJson(readJson(JSON.stringify(row)), 0)}\n` : `${eventLine(row, hasColour(io))}\n`);
  };
  let early: EventRow[] | null = [];
  const subscription = client.onEvent(
    () => io.now(),
    (row) => (early === null ? show(row) : void early.push(row)),
  );
  const interrupted = new Promise<"interrupted">((resolve) => io.onInterrupt(() => resolve("interrupted")));
  try {
    const { result } = await ask();
    for (const row of [...result.rows, ...early]) show(row);
    early = null;
    const end = await Promise.race([interrupted, client.closed]);
    if (end !== "interrupted") throw new FleetError(EXIT.unreachable, "the connection to NATS was lost");
    return EXIT.ok;
  } finally {
    subscription.close();
  }
}
