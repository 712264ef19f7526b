/** What every fleet verb is given. */
import { EXIT, type HostName, parseHostName } from "@circus-cluster/proto";
import type { Request } from "../argv.ts";
import { type FleetClient, FleetError } from "../clients/fleet.ts";
import type { Io } from "../io.ts";
import { readJson, writeJson } from "../render/json.ts";
import { clean } from "../render/table.ts";
import type { Settings } from "../settings.ts";
import type { Verb } from "../verbs.ts";

export interface FleetContext {
  readonly verb: Verb;
  readonly request: Request;
  readonly settings: Settings;
  readonly io: Io;
  readonly client: FleetClient;
}

export function printLines(io: Io, lines: readonly string[]): void {
  if (lines.length > 0) io.out(`${lines.join("\n")}\n`);
}

/** One line about something that is wrong; the rest of the output stands. */
export function warn(io: Io, text: string): void {
  io.err(`circusctl: ${clean(text)}\n`);
}

/** The one document of `--json`: `{"v": 1, …}`. */
export function printDocument({ io, settings }: Pick<FleetContext, "io" | "settings">, document: object): void {
  io.out(`${writeJson(readJson(JSON.stringify({ v: 1, ...document })), settings.indent)}\n`);
}

/**
 * The hosts that are meant, as the questions to a controller take them: null stands for all.
 *
 * @throws FleetError where `--where` fits no host.
 */
export async function hostFilter({ settings, client }: FleetContext): Promise<readonly string[] | null> {
  const { scope } = settings;
  if (scope === null || scope.kind === "all") return null;
  if (scope.kind === "hosts") return scope.hosts;
  const { result } = await client.query("hosts", { hosts: null });
  const fitting = result.hosts.filter(({ labels }) =>
    Object.entries(scope.labels).every(([key, value]) => labels[key] === value),
  );
  if (fitting.length === 0) {
    const wanted = Object.entries(scope.labels).map(([key, value]) => `${key}=${value}`);
    throw new FleetError(EXIT.refused, `no host has the label ${wanted.join(" and ")}`);
  }
  return fitting.map(({ host }) => host);
}

/** The hosts to send to: those named, else every host that has not left. @throws FleetError */
export async function targetHosts(context: FleetContext): Promise<readonly HostName[]> {
  const named = await hostFilter(context);
  if (named !== null) return hostNames(named);
  const { result } = await context.client.query("hosts", { hosts: null });
  return hostNames(result.hosts.filter(({ presence }) => presence !== "left").map(({ host }) => host));
}

export function hostNames(names: readonly string[]): HostName[] {
  return names.map(parseHostName).filter((host) => host !== null);
}

/** Says which of the hosts named nobody knows. @returns the exit code. */
export function reportUnknown(io: Io, unknownHosts: readonly string[]): number {
  if (unknownHosts.length === 0) return EXIT.ok;
  warn(io, `unknown host${unknownHosts.length > 1 ? "s" : ""}: ${unknownHosts.join(", ")}`);
  return EXIT.partial;
}
