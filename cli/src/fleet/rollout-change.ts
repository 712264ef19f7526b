/**
 * A change of many hosts: a rollout (design §5), or with `--at-once` and for named hosts straight to the agents.
 * Following a rollout is only looking: Ctrl-C, a lost connection or the end of this program stop nothing.
 */
import {
  ALL_WATCHERS,
  EXIT,
  FAIL_POLICIES,
  HOST_ORDERS,
  invariant,
  LOST_POLICIES,
  parseBatch,
  parseShare,
  ROLLOUT_COMMANDS,
  type RolloutCommand,
  type RolloutOptions,
  type RolloutRecord,
  type RolloutRequest,
  type Share,
} from "@circus-cluster/proto";
import type { Request } from "../argv.ts";
import { propertiesOf } from "../properties.ts";
import { durationOption, UsageError } from "../settings.ts";
import { ROLLOUT_ONLY } from "../verbs.ts";
import { change, checkScope } from "./change.ts";
import type { FleetContext } from "./context.ts";
import { printDocument, printLines } from "./output.ts";
import { followToEnd } from "./rollout.ts";
import { planLines } from "./rollout-lines.ts";

type Given = Request["options"];

function shareOption(options: Given, name: string): Share | null {
  const text = options[name];
  if (typeof text !== "string") return null;
  const share = parseShare(text);
  if (share === null) throw new UsageError(`--${name} ${text}: 2 or 10% is wanted`);
  return share;
}

function countOption(options: Given, name: string): number | null {
  const text = options[name];
  if (typeof text !== "string") return null;
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new UsageError(`--${name} ${text}: a number from 1 is wanted`);
  return Number(text);
}

function wordOption<W extends string>(options: Given, name: string, words: readonly W[]): W | null {
  const text = options[name];
  if (typeof text !== "string") return null;
  const word = words.find((one) => one === text);
  if (word === undefined) throw new UsageError(`--${name} ${text}: ${words.join(" or ")} is wanted`);
  return word;
}

function batchOption({ batch, "at-once": atOnce }: Given): readonly Share[] | null {
  if (atOnce !== undefined) {
    if (batch !== undefined) throw new UsageError("--at-once and --batch exclude each other");
    return [{ kind: "percent", p: 100 }];
  }
  if (typeof batch !== "string") return null;
  const shares = parseBatch(batch);
  if (shares === null) throw new UsageError(`--batch ${batch}: 2, 25% or 1,5,20% is wanted`);
  return shares;
}

/** What was given and is not the default. @throws UsageError */
export function rolloutOptions(options: Given): Partial<RolloutOptions> {
  if (options["canary-pause"] !== undefined && options["canary"] === undefined) {
    throw new UsageError("--canary-pause is for --canary, which is not given");
  }
  const isAsked = options["wait"] === "ask";
  const waitMs = isAsked ? null : durationOption(options, "wait");
  const given: { [K in keyof RolloutOptions]: RolloutOptions[K] | null } = {
    batch: batchOption(options),
    canary: countOption(options, "canary"),
    canaryPauseMs: durationOption(options, "canary-pause"),
    maxFail: shareOption(options, "max-fail"),
    minHealthy: shareOption(options, "min-healthy"),
    soakMs: durationOption(options, "soak"),
    waitMs,
    healthTimeoutMs: durationOption(options, "health-timeout"),
    deadlineMs: durationOption(options, "deadline"),
    drainMs: durationOption(options, "drain"),
    order: wordOption(options, "order", HOST_ORDERS),
    spread: typeof options["spread"] === "string" ? options["spread"] : null,
    limit: countOption(options, "limit"),
    onLost: wordOption(options, "on-lost", LOST_POLICIES),
    onFail: wordOption(options, "on-fail", FAIL_POLICIES),
  };
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  return { ...set, ...(isAsked ? { waitMs: null } : {}) };
}

/** Straight to the agents? Named hosts, unless something is asked for that only a rollout does. */
function isDirect(
  { verb, settings, request }: Omit<FleetContext, "client" | "io">,
  command: RolloutCommand | null,
): boolean {
  if (command === null) return true;
  const { scope } = settings;
  const isRestart = verb.name === "restart" || verb.name === "reload";
  // `--all restart --at-once` is one wave; other changes go to the agents themselves, as they did.
  if (request.options["at-once"] !== undefined) return scope?.kind === "hosts" || !isRestart;
  if (scope?.kind !== "hosts" || ROLLOUT_ONLY.some((name) => request.options[name] !== undefined)) return false;
  return scope.hosts.length === 1 || !isRestart;
}

function commandOf({ verb, request }: Pick<FleetContext, "verb" | "request">): RolloutCommand | null {
  const mode = wordOption(request.options, "mode", ["restart", "reload"]);
  return mode ?? ROLLOUT_COMMANDS.find((command) => command === verb.name) ?? null;
}

/** Before anything is connected. @throws UsageError */
export function checkChange(parts: Omit<FleetContext, "client">): void {
  if (isDirect(parts, commandOf(parts))) checkScope(parts);
  else requestOf(parts);
}

function requestOf(parts: Omit<FleetContext, "client">): RolloutRequest {
  const { verb, request } = parts;
  const command = commandOf(parts);
  invariant(command !== null && verb.command !== null, `${verb.name} is no change that rolls`);
  for (const name of ["match", "waiting", "terminate"]) {
    if (request.options[name] !== undefined) throw new UsageError(`--${name} means nothing for a rollout`);
  }
  const { name, waiting: _, match: __, ...properties } = propertiesOf(verb, verb.command, request);
  const watcher = command === "reloadconfig" ? ALL_WATCHERS : name;
  if (typeof watcher !== "string") throw new UsageError(`${verb.name} in a fleet needs the name of a watcher`);
  return requestFor(parts, command, watcher, properties);
}

/** With the hosts and options of the command line. @throws UsageError */
export function requestFor(
  { request: { options }, settings: { scope } }: Pick<FleetContext, "request" | "settings">,
  command: RolloutCommand,
  watcher: string,
  properties: Readonly<Record<string, unknown>>,
): RolloutRequest {
  return {
    command,
    watcher,
    properties,
    hosts: scope?.kind === "hosts" ? scope.hosts : null,
    where: scope?.kind === "where" ? scope.conditions : null,
    options: rolloutOptions(options),
    ...(options["supersede"] === undefined ? {} : { supersede: true }),
  };
}

/** @returns the exit code: 0 only if every host did it. */
export async function changeMany(context: FleetContext): Promise<number> {
  if (isDirect(context, commandOf(context))) return await change(context);
  const wanted = requestOf(context);
  if (context.request.options["dry-run"] === undefined) return await confirmAndFollow(context, wanted);
  const { controller, time, result } = await context.client.control("rollout-plan", wanted);
  if (context.settings.json) printDocument(context, { controller, time, rollout: result });
  return planOnly(context, result);
}

/** `--dry-run`, where no document says it. */
export function planOnly({ settings, io }: FleetContext, plan: RolloutRecord): number {
  if (!settings.json) printLines(io, planLines(plan));
  return EXIT.ok;
}

/**
 * Asks the person, starts it, and follows it to its end.
 *
 * @param prepare what comes before the start; an exit code stops it
 * @returns the exit code: 0 only if every host did it
 */
export async function confirmAndFollow(
  context: FleetContext,
  wanted: RolloutRequest,
  prepare: () => Promise<number | null> = () => Promise.resolve(null),
): Promise<number> {
  const { request, settings, io, client } = context;
  const { options } = request;
  const isAsked = io.isInTty && io.isOutTty && !settings.json && options["yes"] === undefined;
  if (isAsked && !(await isConfirmed(context, wanted))) return EXIT.local;
  const exit = await prepare();
  if (exit !== null) return exit;

  if (options["detach"] !== undefined) {
    const { controller, time, result } = await client.control("rollout-start", wanted);
    if (settings.json) printDocument(context, { controller, time, rollout: result });
    else io.out(`rollout ${result.id} started; follow it with: circusctl rollout watch ${result.id}\n`);
    return EXIT.ok;
  }
  return await followToEnd(context, async () => (await client.control("rollout-start", wanted)).result);
}

async function isConfirmed({ client, io }: FleetContext, wanted: RolloutRequest): Promise<boolean> {
  const { result } = await client.control("rollout-plan", wanted);
  printLines(io, planLines(result));
  const answer = await io.ask("Go? [y/N] ");
  return answer !== null && /^\s*y(es)?\s*$/i.test(answer);
}
