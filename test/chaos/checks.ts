/** The laws of a run: each looks at its facts and says what breaks it. */
import { addTo } from "./lists.ts";
import type {
  Call,
  Database,
  EventRow,
  Glance,
  Leftovers,
  Mishap,
  ProcessCount,
  Reached,
  RequestFailure,
  RunRecord,
  WorkerKill,
  WriterLife,
} from "./records.ts";

export interface Violation {
  readonly law: string;
  readonly what: string;
}

type Law = (record: RunRecord) => readonly string[];

/** In this order; a run fails with the first. */
export const LAWS: Readonly<Record<string, Law>> = {
  "no program of ours ends or complains of itself": ({ mishaps }) => mishapsOf(mishaps),
  "no request fails where a healthy worker is": ({ requests, failures, kills, glances }) => [
    ...(requests === 0 ? ["there was no request at all"] : []),
    ...failedRequests(failures, kills, glances),
  ],
  "each line of a worker is in its log, once and in order": ({ writers, kills }) => brokenLines(writers, kills),
  "events are gapless and unique in every database": ({ databases, reached }) =>
    databases.flatMap((database) => brokenEvents(database, reached)),
  "all databases are equal": ({ databases }) => unequal(databases),
  "each rollout ended": ({ databases }) => openRollouts(databases),
  "no host is commanded twice": ({ databases }) => twiceCommanded(databases),
  "as many workers live as numprocesses says": ({ counts }) => wrongCounts(counts),
  "no orphan, zombie, leaked descriptor or FIFO": ({ leftovers }) => leaked(leftovers),
  "every call of circusctl ends as documented": ({ calls }) => oddCalls(calls),
};

export function violations(record: RunRecord): readonly Violation[] {
  return Object.entries(LAWS).flatMap(([law, check]) => check(record).map((what) => ({ law, what })));
}

function mishapsOf(mishaps: readonly Mishap[]): readonly string[] {
  return mishaps.map(({ who, what }) => `${who}: ${what}`);
}

/** From the signal until the kernel has ended it, a process may still take a connection. */
const DYING_MS = 100;
/** Between two glances. */
const GLANCE_MS = 500;

/**
 * Excused is a request that was in the hands of a worker that we killed, and one of a moment at which nobody at all held
 * the listening socket: no worker lived, and no agent.
 */
function failedRequests(
  failures: readonly RequestFailure[],
  kills: readonly WorkerKill[],
  glances: readonly Glance[],
): readonly string[] {
  return failures
    .filter(({ host, startedMs, endedMs }) => {
      const wasKilled = kills.some(
        (kill) =>
          kill.host === host && kill.watcher === "web" && startedMs <= kill.toMs + DYING_MS && endedMs >= kill.fromMs,
      );
      // What was so at two glances, one after the other, was so in between, however busy the machine was.
      const own = glances.filter((glance) => glance.host === host);
      const from = own.findLastIndex(({ atMs }) => atMs <= startedMs - GLANCE_MS);
      const to = own.findIndex(({ atMs }) => atMs >= endedMs + GLANCE_MS);
      const near = own.slice(from + 1, to < 0 ? own.length : to);
      const around = [own[from], own[to]];
      const hadNobody =
        near.some(isNobody) || (near.length === 0 && around.every((one) => one !== undefined && isNobody(one)));
      return !wasKilled && !hadNobody;
    })
    .map(
      ({ host, startedMs, endedMs, reason }) =>
        `${host} at ${Math.round(startedMs)} for ${Math.round(endedMs - startedMs)} ms: ${reason}`,
    );
}

function isNobody({ web, isAgentAlive }: Glance): boolean {
  return web === 0 && !isAgentAlive;
}

/** Excused is the end of a process that was killed while its agent was away: the kernel keeps no pipe that nobody holds. */
function brokenLines(writers: readonly WriterLife[], kills: readonly WorkerKill[]): readonly string[] {
  if (writers.length === 0) return ["no worker wrote a line"];
  return writers.flatMap(({ host, life, said, logged }) => {
    const who = `${host}, writer ${life}`;
    const wasAlone = kills.some((kill) => kill.host === host && life.startsWith(`${kill.pid}.`) && !kill.isAgentAlive);
    let due = 1;
    for (const number of logged) {
      if (number !== due) return [`${who}: line ${number} where ${due} was due`];
      due = number + 1;
    }
    const last = due - 1;
    // Killed between a line and its note.
    if (last === said || last === said + 1) return [];
    if (last < said && wasAlone) return [];
    return [`${who}: lines up to ${last} in the log, ${said} were written`];
  });
}

const keyOf = ({ host, epoch, seq }: Pick<EventRow, "host" | "epoch" | "seq">): string => `${host} ${epoch}:${seq}`;

const FLEET = "_fleet";

/** Numbers may be missing only where the agent says so itself. */
export function brokenEvents({ controller, events, gaps }: Database, reached: readonly Reached[]): readonly string[] {
  const found: string[] = [];
  const seqs = new Map<string, number[]>();
  const told = new Set<string>();
  for (const event of events) {
    const life = `${event.host} ${event.epoch}`;
    addTo(seqs, life, event.seq);
    if (event.kind !== "outbox_truncated") continue;
    const { epoch, from, to } = JSON.parse(event.body) as { epoch: number; from: number; to: number };
    for (let seq = from; seq <= to; seq++) told.add(keyOf({ host: event.host, epoch, seq }));
  }
  const miss = (host: string, epoch: number, from: number, to: number): void => {
    for (let seq = from; seq <= to; seq++) {
      if (!told.has(keyOf({ host, epoch, seq }))) found.push(`${controller}: ${host} ${epoch}:${seq} is missing`);
    }
  };
  for (const { host, epoch, from, to } of gaps) miss(host, epoch, from, to);
  for (const { host, epoch, seq } of reached) {
    const last = (seqs.get(`${host} ${epoch}`) ?? []).reduce((most, one) => Math.max(most, one), 0);
    miss(host, epoch, last + 1, seq);
  }
  for (const [life, list] of seqs) {
    const [host = "", epoch] = life.split(" ");
    let due = 1;
    for (const seq of list.sort((a, b) => a - b)) {
      if (seq < due) found.push(`${controller}: ${life}:${seq} is there twice`);
      if (host !== FLEET) miss(host, Number(epoch), due, seq - 1);
      due = Math.max(due, seq + 1);
    }
  }
  return found;
}

export function unequal([first, ...others]: readonly Database[]): readonly string[] {
  if (first === undefined) return ["there is no database"];
  const rows = ({ events, derived }: Database): Map<string, string> =>
    new Map([
      ...events.map((event) => [keyOf(event), JSON.stringify(event)] as const),
      ...derived.map((row) => [row, row] as const),
    ]);
  const mine = rows(first);
  return others.flatMap((other) => {
    const theirs = rows(other);
    const keys = new Set([...mine.keys(), ...theirs.keys()]);
    return [...keys]
      .filter((key) => mine.get(key) !== theirs.get(key))
      .map((key) => {
        const [left, right] = [mine.get(key) ?? "nothing", theirs.get(key) ?? "nothing"];
        return `${key}: ${first.controller} has ${left}, ${other.controller} has ${right}`;
      });
  });
}

const ENDED = ["done", "failed", "aborted", "superseded"];

export function openRollouts(databases: readonly Database[]): readonly string[] {
  const ids = new Set(databases.flatMap(({ rollouts }) => rollouts.map(({ id }) => id)));
  return databases.flatMap(({ controller, rollouts }) =>
    [...ids].flatMap((id) => {
      const rollout = rollouts.find((one) => one.id === id);
      if (rollout === undefined) return [`${controller} does not know rollout ${id}`];
      return ENDED.includes(rollout.state) ? [] : [`${controller}: rollout ${id} is ${rollout.state}`];
    }),
  );
}

/**
 * By what the agents say: a command that is accepted is begun. Its id is ROLLOUT/HOST/ATTEMPT. The next life of an agent
 * that was killed before it had answered begins it again, which does no harm: only what is not newer yet is renewed.
 */
function twiceCommanded(databases: readonly Database[]): readonly string[] {
  return databases.flatMap(({ controller, events, rollouts }) => {
    const begun = new Map<string, Set<string>>();
    const times = new Map<string, number>();
    for (const { host, epoch, kind, cause } of events) {
      if (kind !== "command_accepted" || cause === null) continue;
      const rollout = rollouts.find(({ id }) => cause.startsWith(`${id}/`));
      if (rollout === undefined) continue;
      const once = `${host} took ${cause} in its life ${epoch}`;
      times.set(once, (times.get(once) ?? 0) + 1);
      const step = `${rollout.id} ${host}`;
      begun.set(step, (begun.get(step) ?? new Set()).add(cause));
    }
    const repeated = [...times].filter(([, n]) => n > 1).map(([once, n]) => `${controller}: ${once} ${n} times`);
    const tried = rollouts.flatMap(({ id, attempt, hosts }) =>
      hosts.flatMap((host) => {
        const ids = begun.get(`${id} ${host}`)?.size ?? 0;
        return ids > attempt
          ? [`${controller}: ${host} was commanded ${ids} times in ${attempt} attempts of ${id}`]
          : [];
      }),
    );
    return [...repeated, ...tried];
  });
}

function wrongCounts(counts: readonly ProcessCount[]): readonly string[] {
  if (counts.length === 0) return ["nothing was counted"];
  const list = (pids: readonly number[]): string => `[${[...pids].sort((a, b) => a - b).join(" ")}]`;
  return counts
    .filter(({ wanted, living, known }) => living.length !== wanted || list(living) !== list(known))
    .map(
      ({ host, watcher, wanted, living, known }) =>
        `${host}, ${watcher}: ${wanted} wanted, ${list(living)} live, the agent knows ${list(known)}`,
    );
}

export function leaked({ orphans, held, fifos }: Leftovers): readonly string[] {
  return [
    ...orphans.map(({ host, pid, command }) => `${host}: nobody knows process ${pid}, ${command}`),
    ...held.filter(({ zombies }) => zombies > 0).map(({ who, zombies }) => `${who} has ${zombies} zombies`),
    ...held.flatMap(({ who, before, after }) =>
      Object.entries(after)
        .filter(([what, n]) => n > (before[what] ?? 0))
        .map(([what, n]) => `${who} holds ${n} of ${what}, ${before[what] ?? 0} before`),
    ),
    ...fifos.map((path) => `nobody writes to ${path}`),
  ];
}

const EXIT_CODES = [0, 1, 3, 4, 5];

function oddCalls(calls: readonly Call[]): readonly string[] {
  return calls
    .filter(
      ({ code, stdout, stderr }) => code === null || !EXIT_CODES.includes(code) || /^\s+at \S/m.test(stdout + stderr),
    )
    .map(({ line, code, stderr }) => `circusctl ${line}: exit ${code ?? "by a signal"}: ${stderr.trim()}`);
}
