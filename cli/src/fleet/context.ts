/** What every fleet verb is given. */
import { EXIT, formatCondition, fulfils, type HostName, parseHostName } from "@circus-cluster/proto";
import type { Request } from "../argv.ts";
import type { FleetClient } from "../clients/fleet.ts";
import type { Io } from "../io.ts";
import type { Settings } from "../settings.ts";
import type { Verb } from "../verbs.ts";
import { FleetError } from "./error.ts";
import { warn } from "./output.ts";

export interface FleetContext {
  readonly verb: Verb;
  readonly request: Request;
  readonly settings: Settings;
  readonly io: Io;
  readonly client: FleetClient;
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
  const fitting = result.hosts.filter(({ labels }) => fulfils(labels, scope.conditions));
  if (fitting.length === 0) {
    throw new FleetError(EXIT.refused, `no host has ${scope.conditions.map(formatCondition).join(" and ")}`);
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

/**
 * Of those the ones that have the watcher; all where the name may be a pattern, or is none.
 *
 * @throws FleetError where none has it
 */
export async function hostsWith(context: FleetContext, watcher: string | undefined): Promise<readonly HostName[]> {
  if (watcher === undefined || /[*?[\]\\^$()|+]/.test(watcher)) return await targetHosts(context);
  const { result } = await context.client.query("status", { hosts: await hostFilter(context), watcher });
  const having = result.hosts.filter(({ presence }) => presence !== "left");
  if (having.length === 0) {
    throw new FleetError(EXIT.refused, `no host that has the watcher '${watcher}' runs its agent`);
  }
  return hostNames(having.map(({ host }) => host));
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
