/** The watermarks of all hosts in the tables `hw` and `gap`; those in use are remembered. */
import type { Database, Statement } from "better-sqlite3";
import type { EarlierLife } from "./project.ts";
import { type Mark, marked, NO_MARK, type SeqRange, sight } from "./watermarks.ts";

/** Marks remembered at once; beyond that all are forgotten and read again when needed. */
const REMEMBERED_MAX = 50_000;

interface Remembered {
  readonly host: number;
  readonly epoch: number;
  mark: Mark;
  /** Time of the newest event of the life; follows the highest seq, since a late one is no sign of life. */
  heard: number;
}

/** Gaps are written as they come and go, the marks themselves once per transaction by `flush`. */
export class Watermarks {
  readonly #read: Statement<[number, number], { last: number; heard: number }>;
  readonly #readGaps: Statement<[number, number], SeqRange>;
  readonly #write: Statement<[number, number, number, number]>;
  readonly #addGap: Statement<[number, number, number, number]>;
  readonly #dropGap: Statement<[number, number, number]>;
  readonly #before: Statement<[number, number], EarlierLife>;
  readonly #marks = new Map<string, Remembered>();
  readonly #changed = new Set<Remembered>();

  constructor(db: Database) {
    this.#read = db.prepare("SELECT last, heard FROM hw WHERE host_id = ? AND epoch = ?");
    this.#readGaps = db.prepare('SELECT f AS "from", t AS "to" FROM gap WHERE host_id = ? AND epoch = ? ORDER BY f');
    this.#write = db.prepare(
      `INSERT INTO hw(host_id, epoch, last, heard) VALUES(?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET last = excluded.last, heard = excluded.heard`,
    );
    this.#addGap = db.prepare("INSERT INTO gap(host_id, epoch, f, t) VALUES(?, ?, ?, ?)");
    this.#dropGap = db.prepare("DELETE FROM gap WHERE host_id = ? AND epoch = ? AND f = ?");
    this.#before = db.prepare(
      "SELECT epoch, heard FROM hw WHERE host_id = ? AND epoch < ? ORDER BY epoch DESC LIMIT 1",
    );
  }

  /** @returns false where this event was taken before */
  take(host: number, epoch: number, seq: number, time: number): boolean {
    const life = this.#life(host, epoch);
    const sighting = sight(life.mark, seq);
    switch (sighting.kind) {
      case "seen":
        return false;
      case "late":
        this.#dropGap.run(host, epoch, sighting.filled.from);
        for (const { from, to } of sighting.rest) this.#addGap.run(host, epoch, from, to);
        break;
      case "gap":
        this.#addGap.run(host, epoch, sighting.missing.from, sighting.missing.to);
        life.heard = Math.max(life.heard, time);
        break;
      case "new":
        life.heard = Math.max(life.heard, time);
        break;
      default:
        return sighting satisfies never;
    }
    life.mark = marked(life.mark, sighting);
    this.#changed.add(life);
    return true;
  }

  /** Writes what was taken; to be called before the transaction ends. */
  flush(): void {
    for (const { host, epoch, mark, heard } of this.#changed) this.#write.run(host, epoch, mark.last, heard);
    this.#changed.clear();
  }

  lifeBefore(host: number, epoch: number): EarlierLife | null {
    this.flush();
    return this.#before.get(host, epoch) ?? null;
  }

  /** After a transaction that failed. */
  forget(): void {
    this.#marks.clear();
    this.#changed.clear();
  }

  #life(host: number, epoch: number): Remembered {
    const key = `${host}:${epoch}`;
    const known = this.#marks.get(key);
    if (known !== undefined) return known;
    if (this.#marks.size >= REMEMBERED_MAX) {
      this.flush();
      this.#marks.clear();
    }
    const row = this.#read.get(host, epoch);
    const mark = row === undefined ? NO_MARK : { last: row.last, gaps: this.#readGaps.all(host, epoch) };
    const life = { host, epoch, mark, heard: row?.heard ?? 0 };
    this.#marks.set(key, life);
    return life;
  }
}
