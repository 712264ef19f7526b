/** `circusctl hosts` */
import { formatDuration, type HostInfo, type Presence } from "@circus-cluster/proto";
import { hasColour } from "../io.ts";
import { type Cell, type Column, type Tone, table } from "../render/table.ts";
import { relative } from "../render/time.ts";
import { type FleetContext, hostFilter, reportUnknown } from "./context.ts";
import { printDocument, printLines, warn } from "./output.ts";

const TONES: Readonly<Record<Presence, Tone>> = {
  online: "good",
  late: "warn",
  lost: "bad",
  left: "dim",
  unknown: "warn",
};
/** A clock that is off by more is shown, ms. */
const SKEW_SHOWN_MS = 1000;

const COLUMNS: readonly Column[] = [
  { title: "HOST" },
  { title: "PRESENCE" },
  { title: "SINCE" },
  { title: "HEARD" },
  { title: "WATCHERS", isRight: true },
  { title: "LOAD", isRight: true },
  { title: "VERSION" },
  { title: "CLOCK OFF" },
  { title: "UNSENT", isRight: true },
  { title: "LABELS" },
];

export function presenceCell(presence: Presence): Cell {
  return { text: presence, tone: TONES[presence] };
}

/** How old what is known of a host is. */
export function ageText(ageMs: number | null): string {
  return ageMs === null ? "never" : relative(0, ageMs);
}

function row(host: HostInfo, nowMs: number): (Cell | string)[] {
  const { skewMs, backlog } = host;
  return [
    host.host,
    presenceCell(host.presence),
    relative(host.since, nowMs),
    ageText(host.ageMs),
    String(host.watchers),
    host.load === null ? "" : host.load.toFixed(2),
    host.version ?? "",
    skewMs === null || Math.abs(skewMs) < SKEW_SHOWN_MS ? "" : { text: formatDuration(skewMs), tone: "warn" },
    backlog === null || backlog === 0 ? "" : { text: String(backlog), tone: "warn" },
    Object.entries(host.labels)
      .map(([key, value]) => `${key}:${value}`)
      .join(","),
  ];
}

/** The lines of the table. Pure. */
export function hostLines(hosts: readonly HostInfo[], nowMs: number, colour: boolean): string[] {
  return table(
    COLUMNS,
    hosts.map((host) => row(host, nowMs)),
    colour,
  );
}

export async function hosts(context: FleetContext): Promise<number> {
  const { io, client, settings } = context;
  const { controller, time, result } = await client.query("hosts", { hosts: await hostFilter(context) });
  if (settings.json) printDocument(context, { controller, time, ...result });
  else if (result.hosts.length > 0) printLines(io, hostLines(result.hosts, time, hasColour(io)));
  else if (result.unknownHosts.length === 0) warn(io, "no host has been seen yet");
  return reportUnknown(io, result.unknownHosts);
}
