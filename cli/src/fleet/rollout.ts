/** `circusctl rollout list | show | watch | pause | resume | abort | retry`. */
import { EXIT, hasEnded, type RolloutRecord } from "@circus-cluster/proto";
import { hasColour } from "../io.ts";
import type { FleetContext } from "./context.ts";
import { FleetError } from "./error.ts";
import { follow } from "./follow.ts";
import { printDocument, printLines, warn } from "./output.ts";
import { endLines, listLines, showLines } from "./rollout-lines.ts";
import { limitOf } from "./window.ts";

const LIMIT = 20;
const LIMIT_MAX = 1000;
/** Among so many the newest open one is looked for. */
const RECENT = 50;

export async function rolloutList(context: FleetContext): Promise<number> {
  const { client, request, settings, io } = context;
  const limit = limitOf(request.options["limit"], LIMIT, LIMIT_MAX);
  const { controller, time, result } = await client.query("rollout-list", { limit });
  if (settings.json) printDocument(context, { controller, time, ...result });
  else if (result.rollouts.length === 0) warn(io, "there has been no rollout yet");
  else printLines(io, listLines(result.rollouts, time, hasColour(io)));
  if (result.leader === null) warn(io, "no controller leads: open rollouts stand still until one does");
  return EXIT.ok;
}

export async function rolloutShow(context: FleetContext): Promise<number> {
  const { client, request, settings, io } = context;
  const [id = ""] = request.words;
  const { controller, time, result } = await client.query("rollout-show", { id });
  if (settings.json) printDocument(context, { controller, time, rollout: result });
  else printLines(io, showLines(result, time, hasColour(io), request.options["prove"] === true));
  return EXIT.ok;
}

export async function rolloutWatch(context: FleetContext): Promise<number> {
  const { client, request } = context;
  const id = request.words[0] ?? (await newestOpen(context));
  return await followToEnd(context, async () => (await client.query("rollout-show", { id })).result);
}

async function newestOpen({ client }: FleetContext): Promise<string> {
  const { result } = await client.query("rollout-list", { limit: RECENT });
  const open = result.rollouts.find(({ state }) => !hasEnded(state));
  if (open === undefined) throw new FleetError(EXIT.refused, "no rollout is under way; name one: rollout watch ID");
  return open.id;
}

export async function rolloutPause(context: FleetContext): Promise<number> {
  return await decide(context, "rollout-pause", {}, "is paused; go on with: circusctl rollout resume");
}

export async function rolloutResume(context: FleetContext): Promise<number> {
  const skipFailed = context.request.options["skip-failed"] === true;
  return await decide(context, "rollout-resume", { skipFailed }, "goes on; follow it with: circusctl rollout watch");
}

export async function rolloutAbort(context: FleetContext): Promise<number> {
  return await decide(
    context,
    "rollout-abort",
    {},
    "begins nothing new; see what became of it with: circusctl rollout show",
  );
}

export async function rolloutRetry(context: FleetContext): Promise<number> {
  const { client, request } = context;
  const [id = ""] = request.words;
  if (request.options["detach"] !== undefined) {
    return await decide(context, "rollout-retry", {}, "goes on; follow it with: circusctl rollout watch");
  }
  return await followToEnd(context, async () => (await client.control("rollout-retry", { id })).result);
}

async function decide(
  context: FleetContext,
  verb: "rollout-pause" | "rollout-resume" | "rollout-abort" | "rollout-retry",
  more: object,
  text: string,
): Promise<number> {
  const { client, request, settings, io } = context;
  const [id = ""] = request.words;
  const { controller, time, result } = await client.control(verb, { id, ...more });
  if (settings.json) printDocument(context, { controller, time, rollout: result });
  else io.out(`rollout ${result.id} ${text} ${result.id}\n`);
  return EXIT.ok;
}

/** @param begin starts it, or finds it. @returns the exit code: 0 only where every host did it */
export async function followToEnd(context: FleetContext, begin: () => Promise<RolloutRecord>): Promise<number> {
  const end = await follow(context, begin);
  if (end.kind === "left") return end.exit;
  const { io, settings } = context;
  const { record } = end;
  const isDone = record.state === "done" && record.steps.every(({ state }) => state !== "failed");
  if (settings.json) printDocument(context, { rollout: record });
  else if (isDone) printLines(io, endLines(record, hasColour(io)));
  else io.err(`${endLines(record, io.isErrTty && hasColour(io)).join("\n")}\n`);
  return isDone ? EXIT.ok : EXIT.partial;
}
