/**
 * Keeps the lives of watchers (see `intervals.ts`) in the tables `itv`, `host_op` and `cur`. Runs inside the
 * writer's transaction. The usual case, an event behind all others, reads one row and writes two.
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
  readonly #hostOps: Statement<[number], HostOp>;
  readonly #writeHostOp: Statement;
  readonly #watchers: Statement<[number], { watcher_id: number }>;
  readonly #know: Statement<[number, number]>;
  readonly #otherStateEnd: Statement<[number, number, string], { t1: number }>;
  readonly #setCurrent: Statement<[string, number, number, number]>;

  constructor(db: Database) {
    const one = "host_id = ? AND watcher_id = ?";
    this.#last = db.prepare(`SELECT * FROM itv WHERE ${one} ORDER BY ${DESC} LIMIT 1`);
    this.#first = db.prepare(`SELECT * FROM itv WHERE ${one} ORDER BY ${ORDER} LIMIT 1`);
    this.#before = db.prepare(`SELECT * FROM itv WHERE ${one} AND ${PLACE} < (?,?,?,?) ORDER BY ${DESC} LIMIT 1`);
    this.#behind = db.prepare(`SELECT * FROM itv WHERE ${one} AND ${PLACE} > (?,?,?,?) ORDER BY ${ORDER}`);
    this.#write = db.prepare(
      `INSERT INTO itv(host_id, watcher_id, epoch, seq, fleet_epoch, fleet_seq, op, time, t0, t1, state, known,
         known_epoch, is_gone, actor, cause) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
       ON CONFLICT DO UPDATE SET t0 = excluded.t0, t1 = excluded.t1, state = excluded.state, known = excluded.known,
         known_epoch = excluded.known_epoch, is_gone = excluded.is_gone`,
    );
    this.#hostOps = db.prepare(`SELECT * FROM host_op WHERE host_id = ? ORDER BY ${ORDER}`);
    this.#writeHostOp = db.prepare("INSERT OR IGNORE INTO host_op VALUES(?,?,?,?,?,?,?,?,?)");
    this.#watchers = db.prepare("SELECT watcher_id FROM cur WHERE host_id = ?");
    this.#know = db.prepare("INSERT OR IGNORE INTO cur(host_id, watcher_id, state, since) VALUES(?, ?, 'unknown', 0)");
    this.#otherStateEnd = db.prepare(
      `SELECT t1 FROM itv WHERE ${one} AND state <> ? AND t1 > t0 ORDER BY ${DESC} LIMIT 1`,
    );
    this.#setCurrent = db.prepare("UPDATE cur SET state = ?, since = ? WHERE host_id = ? AND watcher_id = ?");
  }

  /** A transition of one watcher. */
  watcher(host: number, watcher: number, entry: Entry): void {
    const last = this.#last.get(host, watcher);
    if (last !== undefined && compare(positionOf(last), entry.position) < 0) {
      const rows = insert(rowOf(last), [entry], []);
      this.#put(host, watcher, rows);
      const [before, tail] = rows.slice(-2);
      // The usual case needs no look back: the state before was another one, and lasted.
      if (before !== undefined && tail !== undefined && before.state !== tail.state && before.from < tail.from) {
        this.#setCurrent.run(tail.state, tail.from, host, watcher);
      } else this.#setTail(host, watcher, rows.at(-1));
      return;
    }
    this.#know.run(host, watcher);
    const first = last === undefined ? undefined : this.#first.get(host, watcher);
    const isFirst = first === undefined || compare(entry.position, positionOf(first)) < 0;
    this.#insert(host, watcher, isFirst ? [entry, ...this.#hostEntries(host, entry, first)] : [entry]);
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
    const at = entries[0]?.position;
    const end = entries.at(-1)?.position;
    if (at === undefined || end === undefined) return;
    const place = (p: Position): At => [host, watcher, p.epoch, p.seq, p.fleetEpoch, p.fleetSeq];
    const before = this.#before.get(...place(at));
    this.#put(
      host,
      watcher,
      insert(before === undefined ? null : rowOf(before), entries, rowsOf(this.#behind.iterate(...place(end)))),
    );
    // Also where the last row itself has not changed: what it says may hold since later than before.
    const last = this.#last.get(host, watcher);
    this.#setTail(host, watcher, last === undefined ? undefined : rowOf(last));
  }

  #put(host: number, watcher: number, rows: readonly Row[]): void {
    for (const row of rows) {
      const { epoch, seq, fleetEpoch, fleetSeq } = row.position;
      const { op, time, from, to, state, known, knownEpoch, isGone, actor, cause } = row;
      this.#write.run(
        ...[host, watcher, epoch, seq, fleetEpoch, fleetSeq, op, time, from, to, state],
        ...[known, knownEpoch, isGone ? 1 : 0, actor, cause],
      );
    }
  }

  #setTail(host: number, watcher: number, tail: Row | undefined): void {
    if (tail === undefined) return;
    // Several rows in a row may say the same state: it holds since the end of the last other one.
    const since = this.#otherStateEnd.get(host, watcher, tail.state)?.t1 ?? this.#first.get(host, watcher)?.t0;
    this.#setCurrent.run(tail.state, since ?? tail.from, host, watcher);
  }
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
