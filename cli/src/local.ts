/** A verb for the local agent: Circus's grammar, texts and exit codes (reference §5.6, §5.7). */
import { type CommandSpec, EXIT, formatDuration } from "@circus-cluster/proto";
import type { Request } from "./argv.ts";
import { reach } from "./clients/reach.ts";
import { askAgent } from "./clients/zmq.ts";
import type { Io } from "./io.ts";
import { propertiesOf } from "./properties.ts";
import { circusText } from "./render/circus-text.ts";
import { isObject, readJson, writeJson } from "./render/json.ts";
import { pythonStr } from "./render/python-text.ts";
import { type Settings, UsageError } from "./settings.ts";
import { FLEET_ONLY, type Verb } from "./verbs.ts";

/** Nobody answered: what to look at. */
export function timeoutText({ endpoint, timeoutMs, ssh }: Settings, said: string): string {
  const where = ssh === null ? endpoint : `${endpoint} of ${ssh.host}`;
  return [
    "Timed out.",
    `No answer from ${where} within ${formatDuration(timeoutMs)}.`,
    ...(said === "" ? [] : [`ssh says: ${said}`]),
    "Is circusd running there? Start it with `circusd FILE.ini`; if it listens elsewhere, name the place by --endpoint",
    "or CIRCUSCTL_ENDPOINT. What takes longer (mostly with --waiting) needs a greater --timeout.",
    "",
  ].join("\n");
}

/** @returns the exit code. @throws what `propertiesOf` throws, UsageError. */
export async function runLocal(
  verb: Verb,
  command: CommandSpec,
  request: Request,
  settings: Settings,
  io: Io,
): Promise<number> {
  const fleetOnly = Object.keys(request.options).find((name) => FLEET_ONLY.has(name));
  if (fleetOnly !== undefined) throw new UsageError(`--${fleetOnly} needs hosts: --all, --host or --where`);
  const properties = propertiesOf(verb, command, request);
  const way = await reach(settings.endpoint, settings, io.isInTty);
  if (way.kind === "failed") {
    io.err(`circusctl: ${way.reason}\n`);
    return EXIT.local;
  }
  const { timeoutMs } = settings;
  const result = await askAgent({ endpoint: way.endpoint, command: command.name, properties, timeoutMs });
  way.close();
  if (result.kind === "timeout") {
    io.err(timeoutText(settings, way.said()));
    return EXIT.local;
  }
  if (result.kind === "failed") {
    io.err(`circusctl: ${result.reason}\n`);
    return EXIT.local;
  }
  const reply = readJson(result.text);
  if (!isObject(reply)) throw new Error("a reply without id was taken");
  if (settings.json) {
    io.out(`${writeJson(reply, settings.indent)}\n`);
    return EXIT.ok;
  }
  const { text, isError } = circusText(command.name, reply);
  if (!isError) {
    io.out(`${text}\n`);
    return EXIT.ok;
  }
  // Scripts see the reference's bare word; a person sees the reason.
  const isBare = text === "error" && io.isErrTty;
  io.err(`${isBare ? `error: ${pythonStr(reply.get("reason") ?? null)}` : text}\n`);
  return EXIT.refused;
}
