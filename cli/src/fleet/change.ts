/** Changes that go straight to agents: on named hosts, or with `--at-once` on all that have the watcher. */
import { EXIT, type HostName, type HostOutcome, invariant } from "@circus-cluster/proto";
import { hasColour } from "../io.ts";
import { propertiesOf } from "../properties.ts";
import { circusText } from "../render/circus-text.ts";
import { isObject, readJson } from "../render/json.ts";
import { clean, paint, type Tone } from "../render/table.ts";
import { UsageError } from "../settings.ts";
import { type FleetContext, hostsWith, targetHosts } from "./context.ts";
import { FleetError } from "./error.ts";
import { printDocument } from "./output.ts";

/** How long an agent that accepted may take, ms: a graceful stop is 30 s by default, and a start follows. */
const RESULT_MS = 120_000;

const TONES: Readonly<Record<HostOutcome["outcome"], Tone>> = {
  done: "good",
  accepted: "warn",
  refused: "bad",
  "not delivered": "bad",
};

/** `web1: done`, `web2: refused: program x not found`. Pure. */
export function outcomeLine(command: string, outcome: HostOutcome, colour: boolean): string {
  const word = paint(outcome.outcome, TONES[outcome.outcome], colour);
  let detail = outcome.reason;
  if (outcome.outcome === "done") {
    const reply = readJson(JSON.stringify(outcome.reply ?? {}));
    const { text } = circusText(command, isObject(reply) ? reply : new Map());
    detail = text === "ok" ? null : text;
  }
  return `${outcome.host}: ${word}${detail === null ? "" : `: ${clean(detail)}`}`;
}

/** Before anything is connected. @throws UsageError where nobody said that all hosts are meant together. */
export function checkScope({ verb, settings, request }: Omit<FleetContext, "client">): void {
  if (settings.scope?.kind === "hosts" || request.options["at-once"] !== undefined) return;
  throw new UsageError(
    `${verb.name} would go to all of these hosts together; say so with --at-once, or name them by --host`,
  );
}

/** Nobody has a watcher yet that is only added; every other command is for those that have the one it names. */
async function hostsFor(context: FleetContext): Promise<readonly HostName[]> {
  const { verb, request } = context;
  return verb.name === "add" ? await targetHosts(context) : await hostsWith(context, request.words[0]);
}

/** @returns the exit code: 0 only if every host did it. */
export async function change(context: FleetContext): Promise<number> {
  const { verb, request, settings, io, client } = context;
  const { command } = verb;
  invariant(command !== null, `${verb.name} is a command of agents`);
  const { scope } = settings;
  const properties = propertiesOf(verb, command, request);
  const hosts = scope?.kind === "hosts" ? scope.hosts : await hostsFor(context);
  // Of a pattern only an agent knows whether it has such watchers; one that has none is not meant, except by name.
  const name = request.words[0];
  const isMeant = ({ reason }: HostOutcome): boolean =>
    scope?.kind === "hosts" || name === undefined || reason !== `program ${name} not found`;
  const { id, outcomes: all } = await client.agents.direct(hosts, command.name, properties, io.now(), {
    firstMs: settings.timeoutMs,
    resultMs: RESULT_MS,
    onOutcome: (outcome) => {
      if (!settings.json && isMeant(outcome)) io.out(`${outcomeLine(command.name, outcome, hasColour(io))}\n`);
    },
  });
  const outcomes = all.filter(isMeant);
  if (outcomes.length === 0 && all.length > 0) {
    throw new FleetError(EXIT.refused, `no watcher '${name ?? ""}' on any of these hosts`);
  }
  if (settings.json) printDocument(context, { command: command.name, id, hosts: outcomes });
  return outcomes.length > 0 && outcomes.every(({ outcome }) => outcome === "done") ? EXIT.ok : EXIT.partial;
}
