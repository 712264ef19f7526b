/**
 * `circusctl config diff | push | rollback | show | history`: the configuration file of many hosts. A push asks every host
 * first whether it would take the file, then leaves it there (`config-stage`), and only then begins a rollout, which knows
 * no more of the file than its hash.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import {
  ALL_WATCHERS,
  CONFIG_BYTES_MAX,
  configCheck,
  configLook,
  EXIT,
  type HostName,
  type HostOutcome,
  parse,
  type RolloutRecord,
  type RolloutRequest,
  reasonOf,
  type Schema,
  shortHash,
} from "@circus-cluster/proto";
import { hasColour } from "../io.ts";
import { UsageError } from "../settings.ts";
import {
  Diffs,
  diffLines,
  type HostCheck,
  type HostLook,
  historyLines,
  historyOf,
  problemLines,
  showText,
} from "./config-lines.ts";
import { type FleetContext, hostNames, targetHosts } from "./context.ts";
import { FleetError } from "./error.ts";
import { printDocument, printLines, warn } from "./output.ts";
import { confirmAndFollow, planOnly, requestFor } from "./rollout-change.ts";

/** Hosts that are sent the whole file at a time. */
const AT_A_TIME = 50;
/** Of the newest rollouts the last push is looked for among. */
const RECENT = 1000;

interface Pushed {
  readonly name: string;
  readonly text: string;
  readonly version: string;
}

/** What is wrong with a host, in its words. */
interface Refusal {
  readonly host: string;
  readonly texts: readonly string[];
}

/** @throws FleetError, exit 1: it cannot be read, or is too large */
function readPushed({ request }: FleetContext): Pushed {
  const [path = ""] = request.words;
  try {
    const bytes = readFileSync(path);
    if (bytes.length > CONFIG_BYTES_MAX)
      throw new Error(`${bytes.length} bytes; up to ${CONFIG_BYTES_MAX} can be pushed`);
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return { name: basename(path), text, version: createHash("sha256").update(text).digest("hex") };
  } catch (error) {
    const isText = !(error instanceof TypeError);
    throw new FleetError(EXIT.local, `${path}: ${isText ? reasonOf(error) : "it is not UTF-8 text"}`, { cause: error });
  }
}

/** All of these hosts mean what is said. @throws UsageError */
function checkScope({ verb, settings }: FleetContext): void {
  if (settings.scope === null) throw new UsageError(`${verb.name} needs --all, --host or --where`);
}

function allowedBy({ request: { options } }: FleetContext): { readonly force: boolean; readonly identity: boolean } {
  return { force: options["force"] !== undefined, identity: options["allow-identity"] !== undefined };
}

/** The same question to many hosts, not too many at a time. */
async function tell(
  { client, io, settings }: FleetContext,
  hosts: readonly HostName[],
  command: string,
  properties: object,
): Promise<readonly HostOutcome[]> {
  const outcomes: HostOutcome[] = [];
  for (let at = 0; at < hosts.length; at += AT_A_TIME) {
    const some = hosts.slice(at, at + AT_A_TIME);
    const times = { firstMs: settings.timeoutMs, resultMs: settings.timeoutMs };
    outcomes.push(...(await client.agents.direct(some, command, properties, io.now(), times)).outcomes);
  }
  return outcomes;
}

/** Answers that can be read, and why there is none from the others. */
function sorted<T>(
  outcomes: readonly HostOutcome[],
  schema: Schema<T>,
): {
  readonly answers: readonly { readonly host: string; readonly answer: T }[];
  readonly refusals: readonly Refusal[];
} {
  const answers: { host: string; answer: T }[] = [];
  const refusals: Refusal[] = [];
  for (const { host, outcome, reply, reason } of outcomes) {
    const parsed = outcome === "done" ? parse(schema, reply) : null;
    if (parsed?.ok === true) answers.push({ host, answer: parsed.value });
    else if (parsed !== null) refusals.push({ host, texts: ["its answer cannot be read: another version?"] });
    else
      refusals.push({ host, texts: [outcome === "refused" ? (reason ?? "refused") : `${outcome}: ${reason ?? ""}`] });
  }
  return { answers, refusals };
}

async function checkAll(context: FleetContext, hosts: readonly HostName[], text: string) {
  const outcomes = await tell(context, hosts, "config-check", { text, ...allowedBy(context) });
  const { answers, refusals } = sorted(outcomes, configCheck);
  const checks = answers.map(({ host, answer }): HostCheck => ({ host, check: answer }));
  const wrong = checks.filter(({ check }) => check.problems.length > 0);
  const all = [...refusals, ...wrong.map(({ host, check }): Refusal => ({ host, texts: check.problems }))];
  return { checks, refusals: all };
}

async function lookAll(context: FleetContext, properties: object) {
  const outcomes = await tell(context, await targetHosts(context), "config-show", properties);
  const { answers, refusals } = sorted(outcomes, configLook);
  return { looks: answers.map(({ host, answer }): HostLook => ({ host, look: answer })), refusals };
}

function tellWarnings({ io }: FleetContext, checks: readonly HostCheck[]): void {
  for (const line of problemLines(checks.map(({ host, check }) => ({ host, texts: check.warnings })))) {
    warn(io, `${line} (warning)`);
  }
}

function tellRefusals({ io }: FleetContext, refusals: readonly Refusal[]): number {
  for (const line of problemLines(refusals)) warn(io, line);
  return refusals.length === 0 ? EXIT.ok : EXIT.partial;
}

/** For programs: each host with its diff, without the texts. */
function hostDocuments(checks: readonly HostCheck[], refusals: readonly Refusal[], diffs: Diffs): readonly object[] {
  const known = checks.map(({ host, check: { text: _, next: __, entries: ___, ...check } }, at) => {
    const whole = checks[at]?.check;
    return { host, ...check, diff: whole === undefined ? [] : diffs.of(whole) };
  });
  const silent = refusals.filter(({ host }) => !checks.some((one) => one.host === host));
  return [...known, ...silent.map(({ host, texts }) => ({ host, problems: texts }))];
}

export async function configDiff(context: FleetContext): Promise<number> {
  checkScope(context);
  const { io, settings } = context;
  const { text, name } = readPushed(context);
  const { checks, refusals } = await checkAll(context, await targetHosts(context), text);
  const diffs = new Diffs();
  if (settings.json) printDocument(context, { hosts: hostDocuments(checks, refusals, diffs) });
  else {
    printLines(io, diffLines(checks, diffs, name, hasColour(io)));
    tellWarnings(context, checks);
    tellRefusals(context, refusals);
  }
  return refusals.length === 0 ? EXIT.ok : EXIT.partial;
}

export async function configPush(context: FleetContext): Promise<number> {
  checkScope(context);
  const { io, settings, client, request } = context;
  const pushed = readPushed(context);
  const { version } = pushed;
  const wanted = rolloutOf(context, { version });
  // The controller says whose turn it would be; whoever is skipped is not asked.
  const { result: plan } = await client.control("rollout-plan", wanted);
  const hosts = hostNames(plan.steps.filter(({ state }) => state !== "skipped").map(({ host }) => host));
  const { checks, refusals } = await checkAll(context, hosts, pushed.text);
  const diffs = new Diffs();
  const isPlanned = request.options["dry-run"] !== undefined;
  if (refusals.length > 0 || isPlanned) {
    const more = isPlanned ? { rollout: plan } : {};
    if (settings.json) printDocument(context, { hosts: hostDocuments(checks, refusals, diffs), ...more });
  }
  if (refusals.length > 0) return refused(context, refusals);
  if (!settings.json) {
    printLines(io, diffLines(checks, diffs, pushed.name, hasColour(io)));
    tellWarnings(context, checks);
  }
  if (isPlanned) return planOnly(context, plan);
  if (checks.every(({ check }) => diffs.of(check).length === 0)) return nothingToDo(context, hosts);
  return await confirmAndFollow(context, wanted, async () => {
    const staged = await stageAll(context, checks, pushed);
    return staged.length === 0 ? null : refused(context, staged);
  });
}

function refused(context: FleetContext, refusals: readonly Refusal[]): number {
  if (!context.settings.json) tellRefusals(context, refusals);
  context.io.err("circusctl: nothing was changed on any host\n");
  return EXIT.partial;
}

function nothingToDo(context: FleetContext, hosts: readonly string[]): number {
  if (context.settings.json)
    printDocument(context, { hosts: hosts.map((host) => ({ host, diff: [] })), rollout: null });
  else context.io.out("nothing to do: no host has another configuration\n");
  return EXIT.ok;
}

/** Each host takes it only in the place of the file that was compared. @returns those that do not */
async function stageAll(
  context: FleetContext,
  checks: readonly HostCheck[],
  { text, version }: Pushed,
): Promise<readonly Refusal[]> {
  const bases = new Map<string, string[]>();
  for (const { host, check } of checks) bases.set(check.file, [...(bases.get(check.file) ?? []), host]);
  const refusals: Refusal[] = [];
  for (const [base, hosts] of bases) {
    const properties = { text, version, base, ...allowedBy(context) };
    const outcomes = await tell(context, hostNames(hosts), "config-stage", properties);
    const failed = outcomes.filter(({ outcome }) => outcome !== "done");
    refusals.push(...failed.map(({ host, outcome, reason }) => ({ host, texts: [`${outcome}: ${reason ?? ""}`] })));
  }
  return refusals;
}

function rolloutOf(context: FleetContext, properties: RolloutRequest["properties"]): RolloutRequest {
  return requestFor(context, "config", ALL_WATCHERS, properties ?? {});
}

export async function configRollback(context: FleetContext): Promise<number> {
  checkScope(context);
  const push = await pushOf(context);
  const { version } = push.properties;
  if (typeof version !== "string") throw new FleetError(EXIT.refused, `rollout ${push.id} pushed no configuration`);
  const wanted = rolloutOf(context, { from: version });
  const { request, settings, io, client } = context;
  if (!settings.json) io.out(`back from version ${shortHash(version)}, which ${push.actor} pushed by ${push.id}\n`);
  if (request.options["dry-run"] === undefined) return await confirmAndFollow(context, wanted);
  const { result } = await client.control("rollout-plan", wanted);
  if (settings.json) printDocument(context, { rollout: result });
  return planOnly(context, result);
}

/** The rollout named, or the newest that pushed a file. @throws FleetError */
async function pushOf({ client, request }: FleetContext): Promise<RolloutRecord> {
  const [id] = request.words;
  if (id !== undefined) return (await client.query("rollout-show", { id })).result;
  const { result } = await client.query("rollout-list", { limit: RECENT });
  const newest = result.rollouts.find(({ command, properties }) => command === "config" && "version" in properties);
  if (newest === undefined) throw new FleetError(EXIT.refused, "nothing has been pushed; name a rollout");
  return newest;
}

export async function configShow(context: FleetContext): Promise<number> {
  const { io, settings, request } = context;
  const { kept } = request.options;
  const { looks, refusals } = await lookAll(context, typeof kept === "string" ? { file: kept } : {});
  if (settings.json) printDocument(context, { hosts: looks.map(({ host, look }) => ({ host, ...look })) });
  else io.out(showText(looks, io.isOutTty));
  return tellRefusals(context, refusals);
}

export async function configHistory(context: FleetContext): Promise<number> {
  const { io, settings, client } = context;
  const { looks, refusals } = await lookAll(context, { brief: true });
  const { result } = await client.query("rollout-list", { limit: RECENT });
  const items = historyOf(looks, result.rollouts);
  const edited = looks.filter(({ look }) => look.edited).map(({ host }) => host);
  if (settings.json) {
    const hosts = looks.map(({ host, look: { entries: _, ...look } }) => ({ host, ...look }));
    printDocument(context, { items, hosts });
  } else if (items.length === 0) warn(io, "nothing has been pushed to these hosts");
  else printLines(io, historyLines(items, io.now(), hasColour(io)));
  if (edited.length > 0) warn(io, `edited by hand since: ${edited.join(", ")}`);
  return tellRefusals(context, refusals);
}
