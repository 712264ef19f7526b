/**
 * Keeps the lives of watchers (see `intervals.ts`) in the tables `itv`, `host_op` and `cur`. Runs inside the
 * writer's transaction. The usual case, an event behind all others, writes two rows and reads none: the last row of
 * each watcher in use is remembered.
 */
import type { Database, Statement } from "better-sqlite3";
import { compare, type Entry, insert, type Op, type Position, type Row } from "./intervals.ts";

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

type At = [host: number, watcher: number, epoch: number, seq: number, fleetEpoch: number, fleetSeq: number];
type HostOp = Pick<Stored, "epoch" | "seq" | "fleet_epoch" | "fleet_seq" | "op" | "time" | "actor" | "cause">;

const PLACE = "(epoch, seq, fleet_epoch, fleet_seq)";
const ORDER = "epoch, seq, fleet_epoch, fleet_seq";
const DESC = "epoch DESC, seq DESC, fleet_epoch DESC, fleet_seq DESC";

export class Lives {
  readonly #last: Statement<[number, number], Stored>;
  readonly #first: Statement<[number, number], Stored>;
  readonly #before: Statement<At, Stored>;
  readonly #behind: Statement<At, Stored>;
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
  readonly #tails = new Map<number, Row>();

  constructor(db: Database) {
    const one = "host_id = ? AND watcher_id = ?";
    this.#last = db.prepare(`SELECT * FROM itv WHERE ${one} ORDER BY ${DESC} LIMIT 1`);
    this.#first = db.prepare(`SELECT * FROM itv WHERE ${one} ORDER BY ${ORDER} LIMIT 1`);
    this.#before = db.prepare(`SELECT * FROM itv WHERE ${one} AND ${PLACE} < (?,?,?,?) ORDER BY ${DESC} LIMIT 1`);
    this.#behind = db.prepare(`SELECT * FROM itv WHERE ${one} AND ${PLACE} > (?,?,?,?) ORDER BY ${ORDER}`);
    const insertion = `INSERT INTO itv(host_id, watcher_id, epoch, seq, fleet_epoch, fleet_seq, op, time, t0, t1, state,
         known, known_epoch, is_gone, actor, cause) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`;
    this.#write = db.prepare(
      `${insertion} ON CONFLICT DO UPDATE SET t0 = excluded.t0, t1 = excluded.t1, state = excluded.state,
         known = excluded.known, known_epoch = excluded.known_epoch, is_gone = excluded.is_gone`,
    );
    this.#writeNew = db.prepare(insertion);
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
    const last = this.#tailOf(host, watcher);
    if (last !== undefined && compare(last.position, entry.position) < 0) {
      this.#append(host, watcher, last, entry, reason);
      return;
    }
    this.#know.run(host, watcher);
    this.#setReason.run(reason, host, watcher);
    const first = last === undefined ? undefined : this.#first.get(host, watcher);
    const isFirst = first === undefined || compare(entry.position, positionOf(first)) < 0;
    this.#insert(host, watcher, isFirst ? [entry, ...this.#hostEntries(host, entry, first)] : [entry]);
  }

  /** After a transaction that failed. */
  forget(): void {
    this.#tails.clear();
  }

  #tailOf(host: number, watcher: number): Row | undefined {
    const key = host * WATCHERS_MAX + watcher;
    const known = this.#tails.get(key);
    if (known !== undefined) return known;
    const stored = this.#last.get(host, watcher);
    return stored === undefined ? undefined : this.#remember(key, rowOf(stored));
  }

  #remember(key: number, row: Row): Row {
    if (this.#tails.size >= REMEMBERED_MAX) this.#tails.clear();
    this.#tails.set(key, row);
    return row;
  }

  /** Behind all others: nothing has to be read. */
  #append(host: number, watcher: number, last: Row, entry: Entry, reason: string | null): void {
    const rows = insert(last, [entry], []);
    for (const row of rows) {
      if (row.position !== last.position) this.#writeNew.run(...columnsOf(host, watcher, row));
      else this.#close.run(row.to, ...placeOf(host, watcher, row.position));
    }
    const tail = rows.at(-1) ?? last;
    const before = rows.at(-2);
    this.#remember(host * WATCHERS_MAX + watcher, tail);
    // The usual case needs no look back: the state before was another one, and lasted.
    if (before !== undefined && before.state !== tail.state && before.from < tail.from) {
      this.#setCurrentAll.run(tail.state, tail.from, reason, host, watcher);
      return;
    }
    this.#setReason.run(reason, host, watcher);
    this.#setTail(host, watcher, tail);
  }

  /** A transition of the whole host: it joins the life of each watcher that was seen before it. */
  host(host: number, entry: Entry): void {
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
    this.#tails.delete(host * WATCHERS_MAX + watcher);
    const at = entries[0]?.position;
    const end = entries.at(-1)?.position;
    if (at === undefined || end === undefined) return;
    const before = this.#before.get(...placeOf(host, watcher, at));
    this.#put(
      host,
      watcher,
      insert(
        before === undefined ? null : rowOf(before),
        entries,
        rowsOf(this.#behind.iterate(...placeOf(host, watcher, end))),
      ),
    );
    // Also where the last row itself has not changed: what it says may hold since later than before.
    const last = this.#last.get(host, watcher);
    this.#setTail(host, watcher, last === undefined ? undefined : rowOf(last));
  }

  #put(host: number, watcher: number, rows: readonly Row[]): void {
    for (const row of rows) this.#write.run(...columnsOf(host, watcher, row));
  }

  #setTail(host: number, watcher: number, tail: Row | undefined): void {
    if (tail === undefined) return;
    // Several rows in a row may say the same state: it holds since the end of the last other one.
    const since = this.#otherStateEnd.get(host, watcher, tail.state)?.t1 ?? this.#first.get(host, watcher)?.t0;
    this.#setCurrent.run(tail.state, since ?? tail.from, host, watcher);
  }
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

function* rowsOf(stored: Iterable<Stored>): Generator<Row> {
  for (const row of stored) yield rowOf(row);
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
