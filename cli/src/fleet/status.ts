/** `circusctl --all status [W]`: from a controller, or from the agents themselves where none answers. */
import {
  EXIT,
  type FleetAnswers,
  fulfils,
  type HostStatus,
  hostSnapshot,
  parse,
  type WatcherState,
} from "@circus-cluster/proto";
import { hasColour } from "../io.ts";
import { type Cell, type Column, type Tone, table } from "../render/table.ts";
import { type FleetContext, hostFilter, reportUnknown } from "./context.ts";
import { FleetError } from "./error.ts";
import { ageText, presenceCell } from "./hosts.ts";
import { printDocument, printLines, warn } from "./output.ts";

const TONES: Readonly<Record<WatcherState, Tone>> = {
  active: "good",
  starting: "warn",
  stopping: "warn",
  stopped: "dim",
  failed: "bad",
  unknown: "warn",
};

const COLUMNS: readonly Column[] = [
  { title: "HOST" },
  { title: "PRESENCE" },
  { title: "WATCHER" },
  { title: "STATE" },
  { title: "PROCESSES", isRight: true },
  { title: "HEALTHY", isRight: true },
  { title: "AGE" },
  { title: "REASON" },
];

export function stateCell(state: WatcherState): Cell {
  return { text: state, tone: TONES[state] };
}

function rows(host: HostStatus): (Cell | string)[][] {
  const head = [host.host, presenceCell(host.presence)];
  const age = ageText(host.ageMs);
  if (host.watchers.length === 0) return [[...head, { text: "-", tone: "dim" }, "", "", "", age]];
  return host.watchers.map((watcher) => [
    ...head,
    watcher.name,
    stateCell(watcher.state),
    `${watcher.running}/${watcher.numprocesses ?? "?"}`,
    String(watcher.healthy),
    age,
    watcher.reason ?? "",
  ]);
}

/** The lines of the table; a host without a watcher has its line too. Pure. */
export function statusLines(hosts: readonly HostStatus[], colour: boolean): string[] {
  return table(COLUMNS, hosts.flatMap(rows), colour);
}

/** What the agents say of themselves, asked by one broadcast. */
async function fromAgents(
  { io, client, settings }: FleetContext,
  watcher: string | null,
): Promise<FleetAnswers["status"]> {
  const answers = await client.agents.broadcast("snapshot", {}, io.now());
  const { scope } = settings;
  const hosts: HostStatus[] = [];
  for (const { host, answer } of answers) {
    const parsed = parse(hostSnapshot, answer.reply["snapshot"] ?? answer.reply);
    if (!parsed.ok) continue;
    const { labels, watchers } = parsed.value;
    if (scope?.kind === "hosts" && !scope.hosts.some((name) => name === host)) continue;
    if (scope?.kind === "where" && !fulfils(labels, scope.conditions)) continue;
    hosts.push({
      host,
      presence: "online",
      ageMs: 0,
      watchers: watchers
        .filter(({ name }) => watcher === null || name.toLowerCase() === watcher.toLowerCase())
        .map((one) => ({
          ...one,
          running: one.processes.length,
          healthy: one.processes.filter(({ health }) => health === "healthy").length,
          pids: one.processes.map(({ pid }) => pid),
        })),
    });
  }
  const silent = scope?.kind === "hosts" ? scope.hosts.filter((name) => !hosts.some(({ host }) => host === name)) : [];
  return { hosts, unknownHosts: silent };
}

export async function status(context: FleetContext): Promise<number> {
  const { io, client, settings, request } = context;
  const watcher = request.words[0] ?? null;
  let source: { readonly controller: string | null; readonly time: number };
  let result: FleetAnswers["status"];
  try {
    const answer = await client.query("status", { hosts: await hostFilter(context), watcher });
    source = { controller: answer.controller, time: answer.time };
    ({ result } = answer);
  } catch (error) {
    if (!(error instanceof FleetError) || error.exit !== EXIT.unreachable || client.role !== "operator") throw error;
    source = { controller: null, time: io.now() };
    result = await fromAgents(context, watcher);
    if (result.hosts.length === 0) throw error;
    warn(io, `${error.message}; asked the agents: hosts that are silent are not shown`);
  }
  if (settings.json) printDocument(context, { ...source, ...result });
  else {
    const shown = result.hosts.filter(({ watchers, presence }) =>
      watcher === null ? true : watchers.length > 0 || presence !== "online",
    );
    if (shown.length > 0) printLines(io, statusLines(shown, hasColour(io)));
    else if (result.hosts.length === 0 && result.unknownHosts.length === 0) warn(io, "no host has been seen yet");
  }
  if (watcher !== null && result.hosts.length > 0 && result.hosts.every(({ watchers }) => watchers.length === 0)) {
    throw new FleetError(EXIT.refused, `no host has a watcher ${JSON.stringify(watcher)}`);
  }
  return reportUnknown(io, result.unknownHosts);
}
