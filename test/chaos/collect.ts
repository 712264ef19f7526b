/** Reads at the end what a run has left: databases, logs, descriptors, processes. Nothing is judged here. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type Sqlite from "better-sqlite3";
import { openSqlite } from "../../controller/src/store/sqlite.ts";
import { zombiesOf } from "../support/leaks.ts";
import type { LoadRequest } from "../support/load.ts";
import { logFiles } from "../support/numbered-lines.ts";
import { descriptorsOf, openFiles } from "./descriptors.ts";
import { addTo } from "./lists.ts";
import type {
  Database,
  EventRow,
  Gap,
  Held,
  Leftovers,
  ProcessCount,
  Reached,
  RequestFailure,
  RolloutRow,
  WriterLife,
} from "./records.ts";
import { WATCHERS, type WatcherName, type World } from "./world.ts";

const WATCHER_NAMES = Object.keys(WATCHERS) as WatcherName[];

/** A machine of two cores with all this on it is slow. */
export const ANSWER_MS = 60_000;

export function databaseOf(controller: string, directory: string): Database {
  const db = openSqlite(join(directory, "events.db"), { readonly: true });
  const rollouts = openSqlite(join(directory, "rollouts.db"), { readonly: true });
  try {
    return {
      ...{ controller, events: eventRows(db), gaps: gapRows(db) },
      ...{ derived: derivedRows(db), rollouts: rolloutRows(rollouts) },
    };
  } finally {
    db.close();
    rollouts.close();
  }
}

function eventRows(db: Sqlite.Database): EventRow[] {
  const tables = db
    .prepare<[], { name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'ev\\_%' ESCAPE '\\'",
    )
    .all();
  return tables.flatMap(({ name }) =>
    db
      .prepare<[], EventRow>(
        `SELECT host.name AS host, epoch, seq, kind.name AS kind, watcher.name AS watcher, pid, actor, cause,
           data AS body, ts, wid, more
         FROM ${name} JOIN host ON host.id = host_id JOIN kind ON kind.id = kind_id
           LEFT JOIN watcher ON watcher.id = watcher_id`,
      )
      .all(),
  );
}

function gapRows(db: Sqlite.Database): Gap[] {
  return db
    .prepare<[], Gap>('SELECT host.name AS host, epoch, f AS "from", t AS "to" FROM gap JOIN host ON host.id = host_id')
    .all();
}

/** States and intervals, with names in place of numbers, which each database gives by itself. */
function derivedRows(db: Sqlite.Database): string[] {
  const questions = {
    state: `SELECT host.name AS host, watcher.name AS watcher, state, since, numprocesses, reason FROM cur
      JOIN host ON host.id = host_id JOIN watcher ON watcher.id = watcher_id`,
    interval: `SELECT host.name AS host, watcher.name AS watcher, t0, t1, state, actor, cause FROM itv
      JOIN host ON host.id = host_id JOIN watcher ON watcher.id = watcher_id`,
  };
  return Object.entries(questions)
    .flatMap(([what, sql]) =>
      db
        .prepare<[], object>(sql)
        .all()
        .map((row) => `${what} ${JSON.stringify(row)}`),
    )
    .sort();
}

function rolloutRows(db: Sqlite.Database): RolloutRow[] {
  const steps = db.prepare<[string], { host: string }>("SELECT host FROM step WHERE rollout = ? ORDER BY ord");
  return db
    .prepare<[], { id: string; state: string; more: string }>("SELECT id, state, more FROM rollout ORDER BY id")
    .all()
    .map(({ id, state, more }) => ({
      ...{ id, state, attempt: (JSON.parse(more) as { attempt?: number }).attempt ?? 1 },
      hosts: steps.all(id).map(({ host }) => host),
    }));
}

/** Where each agent is now, or that of one host. */
export async function reachedBy(world: World, only: string | null = null): Promise<Reached[]> {
  const hosts = world.fleet.hosts.filter(({ name }) => only === null || name === only);
  return await Promise.all(
    hosts.map(async ({ name: host, agent }) => {
      const reply = await agent.call("snapshot", {}, ANSWER_MS);
      const { snapshot } = reply as unknown as { snapshot: { epoch: number; seq: number } };
      return { host, epoch: snapshot.epoch, seq: snapshot.seq };
    }),
  );
}

/** Every line in the logs of a host, by the life that wrote it. */
export function writersOf(world: World, host: string): WriterLife[] {
  const logged = new Map<string, number[]>();
  for (const file of logFiles(join(world.stateDir(host), "writer.log"))) {
    for (const line of readFileSync(file, "latin1").split("\n")) {
      if (line === "") continue;
      const [life = "", number] = line.split(" ");
      addTo(logged, life, Number(number));
    }
  }
  const notes = join(world.directory(host), "notes");
  const said = new Map(readdirSync(notes).map((life) => [life, Number(readFileSync(join(notes, life), "utf8"))]));
  return [...new Set([...logged.keys(), ...said.keys()])].map((life) => ({
    ...{ host, life, said: said.get(life) ?? 0, logged: logged.get(life) ?? [] },
  }));
}

export function requestsOf(host: string, file: string): { readonly n: number; readonly failures: RequestFailure[] } {
  const requests = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LoadRequest);
  const failures = requests.flatMap(({ startedMs, endedMs, reason }) =>
    reason === null ? [] : [{ host, startedMs, endedMs, reason }],
  );
  return { n: requests.length, failures };
}

export async function countsOf(world: World): Promise<ProcessCount[]> {
  const counts: ProcessCount[] = [];
  for (const host of world.hosts) {
    for (const watcher of WATCHER_NAMES) {
      const living = world.workers(host, watcher).map(({ pid }) => pid);
      counts.push({ host, watcher, wanted: WATCHERS[watcher], living, known: await world.known(host, watcher) });
    }
  }
  return counts;
}

/** Pids of our programs, by name; those that do not run are left out. */
export function programs(world: World): ReadonlyMap<string, number> {
  const { fleet } = world;
  return new Map([
    ...fleet.hosts
      .filter(({ agent }) => agent.isRunning)
      .map(({ name, agent }) => [`circusd of ${name}`, agent.pid] as const),
    ...fleet.controllerNames.flatMap((name) => {
      const program = fleet.controller(name);
      return program === null ? [] : [[`controller ${name}`, program.pid] as const];
    }),
  ]);
}

/** What a circusd that has adopted holds besides: a pidfd for each of those, and a thread that waits for them. */
const ADOPTER = { pidfd: Object.values(WATCHERS).reduce((sum, n) => sum + n, 0), eventpoll: 1, pipe: 2 };

function allowed(who: string, before: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  if (!who.startsWith("circusd")) return before;
  const extra = Object.entries(ADOPTER).map(([what, n]) => [what, (before[what] ?? 0) + n]);
  return { ...before, ...(Object.fromEntries(extra) as Record<string, number>) };
}

export async function leftoversOf(
  world: World,
  before: ReadonlyMap<string, Readonly<Record<string, number>>>,
): Promise<Leftovers> {
  // First, while no connection of ours is open.
  const held: Held[] = [...programs(world)].map(([who, pid]) => ({
    ...{ who, before: allowed(who, before.get(who) ?? {}), after: descriptorsOf(pid), zombies: zombiesOf(pid) },
  }));
  const orphans: { host: string; pid: number; command: string }[] = [];
  const fifos: string[] = [];
  for (const host of world.hosts) {
    const known = new Set((await Promise.all(WATCHER_NAMES.map((name) => world.known(host, name)))).flat());
    const processes = world.processes(host);
    for (const { pid, command } of processes) if (!known.has(pid)) orphans.push({ host, pid, command });
    const open = new Set(processes.flatMap(({ pid }) => openFiles(pid)));
    const output = join(world.stateDir(host), "output");
    fifos.push(
      ...readdirSync(output)
        .map((name) => join(output, name))
        .filter((path) => !open.has(path)),
    );
  }
  return { orphans, held, fifos };
}
