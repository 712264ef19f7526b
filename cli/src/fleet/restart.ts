/**
 * `restart` in the fleet: a rollout where more than one host is meant (design §5), a plain command for one.
 * Following a rollout is only looking: Ctrl-C, a lost connection or the end of this program stop nothing.
 */
import {
  EXIT,
  parseBatch,
  parseShare,
  type RolloutOptions,
  type RolloutRecord,
  type RolloutRequest,
} from "@circus-cluster/proto";
import { hasColour } from "../io.ts";
import { durationOption, UsageError } from "../settings.ts";
import { change } from "./change.ts";
import { type FleetContext, hostFilter } from "./context.ts";
import { follow } from "./follow.ts";
import { printDocument, printLines } from "./output.ts";
import { endLines, planLines } from "./rollout.ts";

const ROLLOUT_ONLY = ["batch", "soak", "health-timeout", "max-fail", "detach", "dry-run"];

/** @throws UsageError */
export function rolloutOptions(options: FleetContext["request"]["options"]): Partial<RolloutOptions> {
  const { batch, "max-fail": maxFail } = options;
  const shares = typeof batch === "string" ? parseBatch(batch) : null;
  if (batch !== undefined && shares === null)
    throw new UsageError(`--batch ${String(batch)}: 2, 25% or 1,5,20% is wanted`);
  const tolerated = typeof maxFail === "string" ? parseShare(maxFail) : null;
  if (maxFail !== undefined && tolerated === null)
    throw new UsageError(`--max-fail ${String(maxFail)}: 2 or 10% is wanted`);
  const soakMs = durationOption(options, "soak");
  const healthTimeoutMs = durationOption(options, "health-timeout");
  if (options["at-once"] !== undefined && batch !== undefined)
    throw new UsageError("--at-once and --batch exclude each other");
  return {
    ...(options["at-once"] === undefined ? {} : { batch: [{ kind: "percent", p: 100 }] }),
    ...(shares === null ? {} : { batch: shares }),
    ...(tolerated === null ? {} : { maxFail: tolerated }),
    ...(soakMs === null ? {} : { soakMs }),
    ...(healthTimeoutMs === null ? {} : { healthTimeoutMs }),
  };
}

/** Straight to the agents: one host, or several with `--at-once`, which needs no controller. */
function isDirect({ settings, request }: FleetContext): boolean {
  const { scope } = settings;
  if (scope?.kind !== "hosts") return false;
  if (request.options["at-once"] !== undefined) return true;
  return scope.hosts.length === 1 && !ROLLOUT_ONLY.some((name) => request.options[name] !== undefined);
}

export async function restart(context: FleetContext): Promise<number> {
  if (isDirect(context)) return await change(context);
  const { request, settings, io, client } = context;
  const { options } = request;
  const [watcher] = request.words;
  if (watcher === undefined) throw new UsageError("restart in a fleet needs the name of a watcher");
  for (const name of ["match", "waiting"]) {
    if (options[name] !== undefined) throw new UsageError(`--${name} means nothing for a rollout`);
  }
  const wanted: RolloutRequest = {
    command: "restart",
    watcher,
    hosts: await hostFilter(context),
    options: rolloutOptions(options),
  };

  if (options["dry-run"] !== undefined) {
    const { controller, time, result } = await client.control("rollout-plan", wanted);
    if (settings.json) printDocument(context, { controller, time, rollout: result });
    else printLines(io, planLines(result));
    return EXIT.ok;
  }
  const isAsked = io.isInTty && io.isOutTty && !settings.json && options["yes"] === undefined;
  if (isAsked && !(await isConfirmed(context, wanted))) return EXIT.local;

  if (options["detach"] !== undefined) {
    const { controller, time, result } = await client.control("rollout-start", wanted);
    if (settings.json) printDocument(context, { controller, time, rollout: result });
    else io.out(`rollout ${result.id} started; look at it with: circusctl rollout show ${result.id}\n`);
    return EXIT.ok;
  }
  const end = await follow(context, wanted);
  return end.kind === "ended" ? finish(context, end.record) : end.exit;
}

async function isConfirmed({ client, io }: FleetContext, wanted: RolloutRequest): Promise<boolean> {
  const { result } = await client.control("rollout-plan", wanted);
  printLines(io, planLines(result));
  const answer = await io.ask("Go? [y/N] ");
  return answer !== null && /^\s*y(es)?\s*$/i.test(answer);
}

function finish(context: FleetContext, record: RolloutRecord): number {
  const { io, settings } = context;
  if (settings.json) printDocument(context, { rollout: record });
  else if (record.state === "done") printLines(io, endLines(record, hasColour(io)));
  else io.err(`${endLines(record, io.isErrTty && hasColour(io)).join("\n")}\n`);
  return record.state === "done" ? EXIT.ok : EXIT.partial;
}
