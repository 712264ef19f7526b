/** What an agent says of itself at one moment, read from its replies: ours, or Circus's, which say less. Pure. */

export interface TopProcess {
  readonly pid: number;
  readonly program: string;
  /** Per cent of one processor; null: not known. */
  readonly cpu: number | null;
  /** Per cent of the host's memory. */
  readonly mem: number | null;
  /** Resident memory; null: not known. */
  readonly rssBytes: number | null;
  readonly ageS: number | null;
  /** Null: the agent knows no health. */
  readonly health: string | null;
  readonly children: number;
}

export interface TopWatcher {
  readonly name: string;
  readonly status: string;
  /** Wanted; null: not known. */
  readonly numprocesses: number | null;
  readonly processes: readonly TopProcess[];
  /** Replaced unasked since the agent's start; null: the agent does not count them. */
  readonly restarts: number | null;
  /** What is wrong with it, in the agent's words. */
  readonly reason: string | null;
}

interface TopSocket {
  readonly address: string;
  readonly reads: number;
}

/** One agent; a screen over several hosts would hold one of these for each. */
export interface Picture {
  readonly agent: TopProcess | null;
  /** In the agent's order. */
  readonly watchers: readonly TopWatcher[];
  /** Known from the statistics stream only. */
  readonly sockets: readonly TopSocket[];
}

/** Replies as they came, unchecked. */
export interface Replies {
  readonly stats: unknown;
  readonly dstats: unknown;
  /** Null where the agent knows no such command: then `status` says less. */
  readonly snapshot: unknown;
  readonly status: unknown;
}

/** The newest of the statistics stream. */
export interface Streamed {
  /** Record by pid. */
  readonly processes: ReadonlyMap<number, unknown>;
  readonly sockets: readonly unknown[];
}

type Fields = Readonly<Record<string, unknown>>;

/** @param value anything at all; what is no object has no fields */
export function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

export function pictureOf({ stats, dstats, snapshot, status }: Replies, { processes, sockets }: Streamed): Picture {
  const infos = fieldsOf(fieldsOf(stats)["infos"]);
  const details = new Map(
    listOf(fieldsOf(fieldsOf(snapshot)["snapshot"])["watchers"]).map((w) => [text(w["name"]), w]),
  );
  const statuses = fieldsOf(fieldsOf(status)["statuses"]);
  const watchers = Object.entries(infos).map(([name, records]): TopWatcher => {
    const detail = details.get(name) ?? {};
    const healths = new Map(listOf(detail["processes"]).map((p) => [number(p["pid"]), text(p["health"])]));
    const all = Object.values(fieldsOf(records)).flatMap((record) => processOf(record, processes, healths));
    return {
      name,
      status: text(detail["state"]) || text(statuses[name]) || "?",
      numprocesses: number(detail["numprocesses"]),
      processes: all,
      restarts: number(detail["restarts"]),
      reason: text(detail["reason"]) || null,
    };
  });
  const [agent = null] = processOf(fieldsOf(dstats)["info"], processes, new Map());
  return { agent, watchers, sockets: sockets.flatMap(socketOf) };
}

/** None where the record is the text that stands for one that has gone. */
function processOf(
  record: unknown,
  streamed: ReadonlyMap<number, unknown>,
  healths: ReadonlyMap<number | null, string>,
): readonly TopProcess[] {
  const asked = fieldsOf(record);
  const pid = number(asked["pid"]);
  if (pid === null) return [];
  // Over one whole second, whoever else asks the agent meanwhile.
  const { cpu, mem, mem_info1: rss } = { ...asked, ...fieldsOf(streamed.get(pid)) };
  return [
    {
      pid,
      program: text(asked["cmdline"]),
      cpu: number(cpu),
      mem: number(mem),
      rssBytes: bytesOf(rss),
      ageS: number(asked["age"]),
      health: healths.get(pid) ?? null,
      children: listOf(asked["children"]).length,
    },
  ];
}

/** `1.63M`, as agents write sizes (reference §8.1). */
function bytesOf(size: unknown): number | null {
  const [, value, unit = ""] = /^(\d+(?:\.\d+)?)([BKMGTPEZY])$/.exec(text(size)) ?? [];
  return value === undefined ? null : Number(value) * 1024 ** "BKMGTPEZY".indexOf(unit);
}

function socketOf(value: unknown): readonly TopSocket[] {
  const { address, reads } = fieldsOf(value);
  return typeof address === "string" ? [{ address, reads: number(reads) ?? 0 }] : [];
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
