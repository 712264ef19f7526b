/**
 * Keeps the lives of watchers (see `intervals.ts`) in the tables `itv`, `host_op` and `cur`. Runs inside the
 * writer's transaction. The usual case, an event behind all others, reads nothing, since the last row of each watcher in
 * use is remembered, and is written with the end of the batch: what several events of it do to one row is done once.
 */
import type { Millis } from "@circus-cluster/proto";
import type { Database, Statement } from "better-sqlite3";
import { compare, type Entry, follow, insert, type Op, type Position, type Row } from "./intervals.ts";

/** Columns of a stored row. */
interface Stored {
  readonly epoch: number;
  readonly seq: number;
  readonly fleet_epoch: number;
  readonly fleet_seq: number;
  readonly op: Op;
  readonly time: number;
  readonly t0: number;
  readonly t1: number | null;
  readonly state: Row["state"];
  readonly known: Row["known"];
  readonly known_epoch: number;
  readonly is_gone: number;
  readonly actor: string | null;
  readonly cause: string | null;
}

/** Last rows remembered at once; beyond that all are forgotten and read again when needed. */
const REMEMBERED_MAX = 50_000;
/** No fleet has as many watchers' names. */
const WATCHERS_MAX = 2 ** 24;

/** How a life ends so far. */
interface Tail {
  readonly row: Row;
  /** Since when it is in this state; null: the database has to be asked. */
  readonly since: Millis | null;
  /** The last other state that lasted, and since when it had held; null: the database has to be asked. */
  readonly before: { readonly state: Row["state"]; readonly since: Millis } | null;
}

/** What a batch adds to one life, not written yet. */
interface Added {
  readonly host: number;
  readonly watcher: number;
  /** The stored row that has an end now. */
  readonly ended: Row;
  readonly rows: Row[];
  reason: string | null;
}

type At = [host: number, watcher: number, epoch: number, seq: number, fleetEpoch: number, fleetSeq: number];
type HostOp = Pick<Stored, "epoch" | "seq" | "fleet_epoch" | "fleet_seq" | "op" | "time" | "actor" | "cause">;

/** Read at a time. */
const ROWS_BEHIND = 16;

const PLACE = "(epoch, seq, fleet_epoch, fleet_seq)";
const ORDER = "epoch, seq, fleet_epoch, fleet_seq";
const DESC = "epoch DESC, seq DESC, fleet_epoch DESC, fleet_seq DESC";

export class Lives {
  readonly #last: Statement<[number, number], Stored>;
  readonly #first: Statement<[number, number], Stored>;
  readonly #before: Statement<At, Stored>;
  readonly #behind: Statement<[...At, number], Stored>;
  readonly #write: Statement;
  readonly #writeNew: Statement;
  readonly #close: Statement<[number | null, ...At]>;
  readonly #hostOps: Statement<[number], HostOp>;
  readonly #writeHostOp: Statement;
  readonly #watchers: Statement<[number], { watcher_id: number }>;
  readonly #know: Statement<[number, number]>;
  readonly #otherStateEnd: Statement<[number, number, string], { t1: number }>;
  readonly #setCurrent: Statement<[string, number, number, number]>;
  readonly #setCurrentAll: Statement<[string, number, string | null, number, number]>;
  readonly #setReason: Statement<[string | null, number, number]>;
  readonly #tails = new Map<number, Tail>();
  readonly #added = new Map<number, Added>();

  constructor(db: Database) {
    const one = "host_id = ? AND watcher_id = ?";
    this.#last = db.prepare(`SELECT * FROM itv WHERE ${one} ORDER BY ${DESC} LIMIT 1`);
    this.#first = db.prepare(`SELECT * FROM itv WHERE ${one} ORDER BY ${ORDER} LIMIT 1`);
    this.#before = db.prepare(`SELECT * FROM itv WHERE ${one} AND ${PLACE} < (?,?,?,?) ORDER BY ${DESC} LIMIT 1`);
    this.#behind = db.prepare(`SELECT * FROM itv WHERE ${one} AND ${PLACE} > (?,?,?,?) ORDER BY ${ORDER} LIMIT ?`);
    const insertion = `INSERT INTO itv(host_id, watcher_id, epoch, seq, fleet_epoch, fleet_seq, op, time, t0, t1, state,
         known, known_epoch, is_gone, actor, cause)`;
    this.#write = db.prepare(
      `${insertion} VALUES(${"?,".repeat(15)}?) ON CONFLICT DO UPDATE SET t0 = excluded.t0, t1 = excluded.t1, state = excluded.state,
         known = excluded.known, known_epoch = excluded.known_epoch, is_gone = excluded.is_gone`,
    );
    this.#writeNew = db.prepare(`${insertion} VALUES(${"?,".repeat(15)}?)`);
    this.#close = db.prepare(
      `UPDATE itv SET t1 = ? WHERE ${one} AND epoch = ? AND seq = ? AND fleet_epoch = ? AND fleet_seq = ?`,
    );
    this.#hostOps = db.prepare(`SELECT * FROM host_op WHERE host_id = ? ORDER BY ${ORDER}`);
    this.#writeHostOp = db.prepare("INSERT OR IGNORE INTO host_op VALUES(?,?,?,?,?,?,?,?,?)");
    this.#watchers = db.prepare("SELECT watcher_id FROM cur WHERE host_id = ?");
    this.#know = db.prepare("INSERT OR IGNORE INTO cur(host_id, watcher_id, state, since) VALUES(?, ?, 'unknown', 0)");
    this.#otherStateEnd = db.prepare(
      `SELECT t1 FROM itv WHERE ${one} AND state <> ? AND t1 > t0 ORDER BY ${DESC} LIMIT 1`,
    );
    this.#setCurrent = db.prepare(`UPDATE cur SET state = ?, since = ? WHERE ${one}`);
    this.#setCurrentAll = db.prepare(`UPDATE cur SET state = ?, since = ?, reason = ? WHERE ${one}`);
    this.#setReason = db.prepare(`UPDATE cur SET reason = ? WHERE ${one}`);
  }

  /** A transition of one watcher. @param reason what it says of itself from now on */
  watcher(host: number, watcher: number, entry: Entry, reason: string | null): void {
    const key = keyOf(host, watcher);
    const tail = this.#tailOf(key, host, watcher);
    if (tail !== undefined && compare(tail.row.position, entry.position) < 0) {
      this.#append(key, host, watcher, tail, entry, reason);
      return;
    }
    this.#flushOne(key);
    this.#know.run(host, watcher);
    this.#setReason.run(reason, host, watcher);
    const first = tail === undefined ? undefined : this.#first.get(host, watcher);
    const isFirst = first === undefined || compare(entry.position, positionOf(first)) < 0;
    this.#insert(host, watcher, isFirst ? [entry, ...this.#hostEntries(host, entry, first)] : [entry]);
  }

  /** Writes what was added; to be called before the transaction ends. */
  flush(): void {
    for (const key of [...this.#added.keys()]) this.#flushOne(key);
  }

  /** After a transaction that failed. */
  forget(): void {
    this.#tails.clear();
    this.#added.clear();
  }

  #tailOf(key: number, host: number, watcher: number): Tail | undefined {
    const known = this.#tails.get(key);
    if (known !== undefined) return known;
    const stored = this.#last.get(host, watcher);
    if (stored === undefined) return undefined;
    return this.#remember(key, { row: rowOf(stored), since: null, before: null });
  }

  #remember(key: number, tail: Tail): Tail {
    if (this.#tails.size >= REMEMBERED_MAX && !this.#tails.has(key)) {
      this.flush();
      this.#tails.clear();
    }
    this.#tails.set(key, tail);
    return tail;
  }

  /** Behind all others: nothing has to be read. */
  #append(key: number, host: number, watcher: number, tail: Tail, entry: Entry, reason: string | null): void {
    const row = follow(tail.row, entry);
    if (row === null) return; // of a whole host alone, and those are not appended
    const ended = { ...tail.row, to: row.from };
    const added = this.#added.get(key);
    if (added === undefined) this.#added.set(key, { host, watcher, ended, rows: [row], reason });
    else {
      added.rows[added.rows.length - 1] = ended;
      added.rows.push(row);
      added.reason = reason;
    }
    this.#remember(key, tailAfter(tail, row));
  }

  #flushOne(key: number): void {
    const added = this.#added.get(key);
    const tail = this.#tails.get(key);
    if (added === undefined || tail === undefined) return;
    this.#added.delete(key);
    const { host, watcher, ended, rows, reason } = added;
    this.#close.run(ended.to, ...placeOf(host, watcher, ended.position));
    for (const row of rows) this.#writeNew.run(columnsOf(host, watcher, row));
    if (tail.since !== null) {
      this.#setCurrentAll.run(tail.row.state, tail.since, reason, host, watcher);
      return;
    }
    this.#setReason.run(reason, host, watcher);
    this.#tails.set(key, { ...tail, since: this.#setTail(host, watcher, tail.row) });
  }

  /** A transition of the whole host: it joins the life of each watcher that was seen before it. */
  host(host: number, entry: Entry): void {
    this.flush();
    const { position, op, time, actor, cause } = entry;
    const { epoch, seq, fleetEpoch, fleetSeq } = position;
    if (this.#writeHostOp.run(host, epoch, seq, fleetEpoch, fleetSeq, op, time, actor, cause).changes === 0) return;
    for (const { watcher_id: watcher } of this.#watchers.all(host)) {
      const first = this.#first.get(host, watcher);
      if (first !== undefined && compare(positionOf(first), position) < 0) this.#insert(host, watcher, [entry]);
    }
  }

  /** What happened to the host between a watcher's new first entry and the one that was first so far. */
  #hostEntries(host: number, entry: Entry, first: Stored | undefined): readonly Entry[] {
    return this.#hostOps
      .all(host)
      .map((op): Entry => ({ position: positionOf(op), op: op.op, time: op.time, actor: op.actor, cause: op.cause }))
      .filter(
        ({ position }) =>
          compare(position, entry.position) > 0 && (first === undefined || compare(position, positionOf(first)) < 0),
      );
  }

  #insert(host: number, watcher: number, entries: readonly Entry[]): void {
    this.#tails.delete(keyOf(host, watcher));
    const at = entries[0]?.position;
    const end = entries.at(-1)?.position;
    if (at === undefined || end === undefined) return;
    const before = this.#before.get(...placeOf(host, watcher, at));
    this.#put(
      host,
      watcher,
      insert(before === undefined ? null : rowOf(before), entries, this.#rowsBehind(host, watcher, end)),
    );
    // Also where the last row itself has not changed: what it says may hold since later than before.
    const last = this.#last.get(host, watcher);
    if (last !== undefined) this.#setTail(host, watcher, rowOf(last));
  }

  /** As far as they are asked for: most often the first says that nothing changes any more. */
  *#rowsBehind(host: number, watcher: number, at: Position): Generator<Row> {
    for (let after: Position | null = at; after !== null; ) {
      const some = this.#behind.all(...placeOf(host, watcher, after), ROWS_BEHIND);
      for (const row of some) yield rowOf(row);
      const last = some.at(-1);
      after = last === undefined || some.length < ROWS_BEHIND ? null : positionOf(last);
    }
  }

  #put(host: number, watcher: number, rows: readonly Row[]): void {
    for (const row of rows) this.#write.run(...columnsOf(host, watcher, row));
  }

  /** @returns since when it is in its state */
  #setTail(host: number, watcher: number, tail: Row): Millis {
    // Several rows in a row may say the same state: it holds since the end of the last other one.
    const since =
      this.#otherStateEnd.get(host, watcher, tail.state)?.t1 ?? this.#first.get(host, watcher)?.t0 ?? tail.from;
    this.#setCurrent.run(tail.state, since, host, watcher);
    return since;
  }
}

/** What is known of a life that goes on with this row. */
function tailAfter({ row: last, since, before }: Tail, row: Row): Tail {
  if (row.state === last.state) return { row, since, before };
  // Did the state before last at all? Only then is it a state that somebody was in.
  if ((since ?? last.from) < row.from) {
    return { row, since: row.from, before: since === null ? null : { state: last.state, since } };
  }
  if (before === null) return { row, since: null, before: null };
  return before.state === row.state ? { row, since: before.since, before: null } : { row, since: row.from, before };
}

function keyOf(host: number, watcher: number): number {
  return host * WATCHERS_MAX + watcher;
}

function placeOf(host: number, watcher: number, { epoch, seq, fleetEpoch, fleetSeq }: Position): At {
  return [host, watcher, epoch, seq, fleetEpoch, fleetSeq];
}

function columnsOf(host: number, watcher: number, row: Row): unknown[] {
  const { op, time, from, to, state, known, knownEpoch, isGone, actor, cause } = row;
  return [
    ...placeOf(host, watcher, row.position),
    op,
    time,
    from,
    to,
    state,
    known,
    knownEpoch,
    isGone ? 1 : 0,
    actor,
    cause,
  ];
}

function positionOf(row: Pick<Stored, "epoch" | "seq" | "fleet_epoch" | "fleet_seq">): Position {
  return { epoch: row.epoch, seq: row.seq, fleetEpoch: row.fleet_epoch, fleetSeq: row.fleet_seq };
}

function rowOf(row: Stored): Row {
  return {
    position: positionOf(row),
    op: row.op,
    time: row.time,
    actor: row.actor,
    cause: row.cause,
    from: row.t0,
    to: row.t1,
    state: row.state,
    known: row.known,
    knownEpoch: row.known_epoch,
    isGone: row.is_gone === 1,
  };
}
