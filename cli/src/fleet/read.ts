/** Reads other than `status`, asked of the agents themselves: `circusctl --all stats`, `--host web1 options W`. */
import { type CommandSpec, EXIT, formatDuration, type HostOutcome, invariant } from "@circus-cluster/proto";
import { propertiesOf } from "../properties.ts";
import { circusText } from "../render/circus-text.ts";
import { isObject, readJson } from "../render/json.ts";
import { clean } from "../render/table.ts";
import { type FleetContext, hostsWith, targetHosts } from "./context.ts";
import { FleetError } from "./error.ts";
import { printDocument, printLines, warn } from "./output.ts";

/** The local text with the host before each of its lines. Pure. */
export function hostText(command: string, { host, reply }: HostOutcome): readonly string[] {
  const value = readJson(JSON.stringify(reply ?? {}));
  const { text } = circusText(command, isObject(value) ? value : new Map());
  return text
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => `${host}: ${clean(line)}`);
}

/** The agents' own answers; without a controller from whoever hears a broadcast, which is said. */
async function ask(
  context: FleetContext,
  command: CommandSpec,
  properties: Readonly<Record<string, unknown>>,
): Promise<{ readonly outcomes: readonly HostOutcome[]; readonly isComplete: boolean }> {
  const { client, io, settings } = context;
  // Who has no such watcher is not meant, except by name.
  const watcher = typeof properties["name"] === "string" ? properties["name"] : null;
  try {
    const options = { firstMs: settings.timeoutMs, resultMs: settings.timeoutMs };
    if (settings.scope?.kind === "all" && command.isBroadcast) {
      const asked =
        watcher === null ? client.query("hosts", { hosts: null }) : client.query("status", { hosts: null, watcher });
      const known = asked.then(({ result }) => result.hosts);
      const outcomes = await client.agents.askAll(known, command.name, properties, io.now(), options);
      return { outcomes, isComplete: true };
    }
    const isNamed = settings.scope?.kind === "hosts" || watcher === null;
    const hosts = isNamed ? await targetHosts(context) : await hostsWith(context, watcher);
    const { outcomes } = await client.agents.direct(hosts, command.name, properties, io.now(), options);
    return { outcomes, isComplete: true };
  } catch (error) {
    const isLost = error instanceof FleetError && error.exit === EXIT.unreachable;
    if (!isLost || settings.scope?.kind !== "all" || client.role !== "operator") throw error;
    const answers = await client.agents.broadcast(command.name, properties, io.now());
    if (answers.length === 0) throw error;
    warn(io, `${error.message}; asked whoever hears: hosts that are silent are not shown`);
    const outcomes = answers.map(({ host, answer }) => {
      const { reason } = answer.reply;
      return { host, outcome: answer.outcome, reply: answer.reply, reason: typeof reason === "string" ? reason : null };
    });
    return { outcomes, isComplete: false };
  }
}

export async function read(context: FleetContext): Promise<number> {
  const { verb, request, io, settings } = context;
  const { command } = verb;
  invariant(command !== null, `${verb.name} is a command of agents`);
  const properties = propertiesOf(verb, command, request);
  const { outcomes, isComplete } = await ask(context, command, properties);
  if (settings.json) printDocument(context, { command: command.name, isComplete, hosts: outcomes });
  const failed = outcomes.filter(({ outcome }) => outcome !== "done");
  if (!settings.json) {
    for (const one of outcomes) if (one.outcome === "done") printLines(io, hostText(command.name, one));
    for (const { host, outcome, reason } of failed) {
      const why = reason ?? `no answer within ${formatDuration(settings.timeoutMs)}`;
      warn(io, outcome === "refused" ? `${host}: error: ${why}` : `${host}: ${outcome}: ${why}`);
    }
  }
  if (outcomes.length === 0) warn(io, "no host to ask: none has been seen yet, or all have left");
  return failed.length === 0 ? EXIT.ok : EXIT.partial;
}
