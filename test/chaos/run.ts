/** One run from a seed: a fleet, its troubles and changes, the healing, the judgement. */
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CENTRE } from "../support/fleet.ts";
import type { InsideLoad } from "../support/load-inside.ts";
import { waitFor } from "../support/wait.ts";
import { brokenEvents, leaked, openRollouts, unequal, type Violation, violations } from "./checks.ts";
import { countsOf, databaseOf, leftoversOf, programs, reachedBy, requestsOf, writersOf } from "./collect.ts";
import { descriptorsOf } from "./descriptors.ts";
import { inject } from "./inject.ts";
import { Notes } from "./notes.ts";
import { Observer } from "./observe.ts";
import { type Deed, makePlan } from "./plan.ts";
import type { Database, RunRecord } from "./records.ts";
import { WATCHERS, World } from "./world.ts";

export interface RunOptions {
  readonly seed: number;
  readonly lengthMs: number;
  readonly isShort: boolean;
  readonly hosts: number;
  readonly controllers: number;
}

export interface Outcome {
  readonly violations: readonly Violation[];
  /** With everything that helps to understand what happened. */
  readonly artefacts: string;
  readonly lacks: readonly string[];
  /** How often each kind was done. */
  readonly done: ReadonlyMap<string, number>;
  readonly requests: number;
  /** Where no law is broken, each of them is excused. */
  readonly failed: number;
  readonly lines: number;
  readonly events: number;
  readonly rollouts: number;
}

/** What is left at the end may take so long to go, and to be told to every database. */
const SETTLE_MS = 60_000;
const SETTLE_EVERY_MS = 1000;
/** After all is healed: rollouts end by their own timeouts. */
const ROLLOUTS_MS = 180_000;

const numbered = (prefix: string, n: number): string[] => Array.from({ length: n }, (_, at) => `${prefix}${at + 1}`);

/** @param tell gets a line now and then for people who watch */
export async function chaosRun(options: RunOptions, tell: (line: string) => void): Promise<Outcome> {
  const notes = new Notes(join(tmpdir(), `circus-chaos-${options.seed}-${process.pid}`));
  await using world = await World.start(numbered("web", options.hosts), numbered("ctl", options.controllers));
  for (const lack of world.lacks) tell(`left out: ${lack}`);
  await world.whole();
  const before = usual(new Map([...programs(world)].map(([who, pid]) => [who, descriptorsOf(pid)])));
  const { hosts } = world;
  const topology = {
    hosts,
    controllers: world.fleet.controllerNames,
    centre: CENTRE,
    watchers: WATCHERS,
    can: world.can,
  };
  const plan = makePlan(options, topology);
  notes.write("plan.json", plan);
  tell(`${plan.length} deeds in ${Math.round(options.lengthMs / 1000)} s on ${hosts.join(", ")}`);

  const loads = await world.startLoads(notes.directory);
  let record: RunRecord;
  try {
    using _observer = new Observer(world, notes);
    await followPlan(plan, world, notes);
    tell("healed; waiting for the fleet to be whole");
    record = await settle(world, notes, before, loads);
  } catch (error) {
    await keepLogs(world, notes);
    throw new Error(`this run came to no judgement; what was found: ${notes.directory}`, { cause: error });
  } finally {
    for (const load of loads.values()) await load[Symbol.asyncDispose]();
  }
  const found = violations(record);
  if (found.length > 0) await keep(world, notes, record);
  else rmSync(notes.directory, { recursive: true });
  return {
    violations: found,
    artefacts: notes.directory,
    lacks: world.lacks,
    done: notes.done,
    requests: record.requests,
    failed: record.failures.length,
    lines: record.writers.reduce((sum, { logged }) => sum + logged.length, 0),
    events: record.databases[0]?.events.length ?? 0,
    rollouts: record.databases[0]?.rollouts.length ?? 0,
  };
}

/**
 * What one holds, all of its kind may: they do the same, but not all have done it yet (an agent that has told nothing so far
 * has not opened its outbox for reading).
 */
function usual(
  held: ReadonlyMap<string, Readonly<Record<string, number>>>,
): ReadonlyMap<string, Readonly<Record<string, number>>> {
  const kind = (who: string): string => who.split(" ", 1)[0] ?? who;
  const most = new Map<string, Record<string, number>>();
  for (const [who, counts] of held) {
    const sum = most.get(kind(who)) ?? {};
    for (const [what, n] of Object.entries(counts)) sum[what] = Math.max(sum[what] ?? 0, n);
    most.set(kind(who), sum);
  }
  return new Map([...held.keys()].map((who) => [who, most.get(kind(who)) ?? {}]));
}

/** What is done to one part follows each other, also where one took longer than the plan said. */
async function followPlan(plan: readonly Deed[], world: World, notes: Notes): Promise<void> {
  const begun = performance.now();
  const queues = new Map<string, Promise<void>>();
  for (const deed of plan) {
    await delay(Math.max(0, deed.atMs - (performance.now() - begun)));
    const part = partOf(deed);
    const hold = (): Promise<void> => delay(deed.forMs);
    const work = (queues.get(part) ?? Promise.resolve())
      .then(() => inject({ world, notes, deed, hold }))
      .catch((error: unknown) => notes.mishap(`${deed.kind} ${deed.target}`, String(error)));
    queues.set(part, work);
  }
  await Promise.all(queues.values());
}

function partOf({ hits, target, watcher, kind }: Deed): string {
  if (hits === "controller") return hits;
  return hits === "fleet" ? kind : `${hits} ${target} ${watcher ?? ""}`;
}

/** Waits until all is as it should be, or long enough, and takes down how it is. */
async function settle(
  world: World,
  notes: Notes,
  before: ReadonlyMap<string, Readonly<Record<string, number>>>,
  loads: ReadonlyMap<string, InsideLoad>,
): Promise<RunRecord> {
  const tried = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    notes.say("waiting", { what });
    await work().catch((error: unknown) => notes.mishap(what, error instanceof Error ? error.message : String(error)));
  };
  await tried("the fleet after all was healed", () => world.whole());
  await tried("rollouts after all was healed", () => rolloutsEnded(world));
  await tried("a rolling restart of the healed fleet", () => lastRollout(world));
  await tried("the fleet after the last rollout", () => world.whole());
  for (const load of loads.values()) await load.stop();
  const requests = world.hosts.map((host) => requestsOf(host, notes.file(`requests-${host}.jsonl`)));
  const counts = await countsOf(world);
  notes.say("waiting", { what: "nothing to be left" });
  const leftovers = await settled(
    () => leftoversOf(world, before),
    (seen) => leaked(seen).length === 0,
  );
  for (const { agent } of world.fleet.hosts) await agent.call("stop", { name: "writer", waiting: true }, 60_000);
  const writers = world.hosts.flatMap((host) => writersOf(world, host));
  notes.say("waiting", { what: "equal databases" });
  notes.reached.push(...(await reachedBy(world)));
  const databases = await settled(
    () => databasesOf(world),
    (seen) => unequal(seen).length === 0 && seen.every((one) => brokenEvents(one, notes.reached).length === 0),
  );
  return {
    requests: requests.reduce((sum, { n }) => sum + n, 0),
    failures: requests.flatMap(({ failures }) => failures),
    ...{ kills: notes.kills, glances: notes.glances },
    ...{ writers, databases, counts, leftovers },
    ...{ reached: notes.reached, calls: notes.calls, mishaps: notes.mishaps },
  };
}

/** What is seen when all is as it should be, or at last. */
async function settled<T>(look: () => T | Promise<T>, isSettled: (seen: T) => boolean): Promise<T> {
  const untilMs = performance.now() + SETTLE_MS;
  for (;;) {
    const seen = await look();
    if (isSettled(seen) || performance.now() > untilMs) return seen;
    await delay(SETTLE_EVERY_MS);
  }
}

/** Nobody is declared healthy by a controller that has just come back: so it may be refused for a while. */
async function lastRollout(world: World): Promise<void> {
  const restart = async (): Promise<boolean> => {
    const { code, stderr } = await world.fleet.ctl("--all restart web --soak 500ms --batch 50%");
    if (code !== 0) throw new Error(`exit ${code ?? "by a signal"}: ${stderr}`);
    return true;
  };
  await waitFor(restart, { what: "a rolling restart that is taken", deadlineMs: ROLLOUTS_MS, everyMs: 3000 });
}

function databasesOf(world: World): Database[] {
  return world.fleet.controllerNames.map((name) => databaseOf(name, world.fleet.controllerState(name)));
}

async function rolloutsEnded(world: World): Promise<void> {
  const haveEnded = (): boolean => openRollouts(databasesOf(world)).length === 0;
  await waitFor(haveEnded, { what: "all rollouts to end", deadlineMs: ROLLOUTS_MS, everyMs: 1000 });
}

async function keep(world: World, notes: Notes, record: RunRecord): Promise<void> {
  const { writers, databases: read, glances, ...rest } = record;
  notes.write("record.json", rest);
  notes.write("glances.json", glances);
  notes.write("writers.json", writers);
  for (const database of read) notes.write(`database-${database.controller}.json`, database);
  await keepLogs(world, notes);
}

async function keepLogs(world: World, notes: Notes): Promise<void> {
  for (const name of world.fleet.controllerNames) notes.log(name, world.fleet.controller(name)?.stderr ?? "");
  notes.log("nats-server", world.fleet.server.log);
  await world.keepLogs(notes.directory);
}
