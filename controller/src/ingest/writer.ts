/**
 * The one writer of the projection. A batch of messages and the position behind it are one transaction: after a
 * crash anywhere the stream is read again from the position, and nothing is missing or doubled (design §5).
 */
import type { Subjects } from "@circus-cluster/proto";
import type { Database, Statement } from "better-sqlite3";
import { readMeta, writeMeta } from "../store/database.ts";
import { EVENT_NAMES, Names } from "../store/names.ts";
import { dayTable, dayTableSql, EXITED } from "../store/queries/days.ts";
import {
  decode,
  FLEET,
  type RawMessage,
  type Refusal,
  rememberingParser,
  type StoredEvent,
  type SubjectParser,
  unknownFields,
} from "./decode.ts";
import { Lives } from "./lives.ts";
import { type Change, type EarlierLife, project } from "./project.ts";
import { Watermarks } from "./watermark-store.ts";

/** Events of different generations of the stream never share an id; a shift would be 32 bits wide. */
const GENERATION_SIZE = 2 ** 40;
const DAY_MS = 86_400_000;

export interface Committed {
  /** Taken for the first time, in stream order. */
  readonly events: readonly StoredEvent[];
  /** Repeats. */
  readonly seen: number;
  readonly refused: readonly { readonly subject: string; readonly why: Refusal }[];
}

/** Where in which stream the projection stands. */
export interface StreamPlace {
  /** Last message taken. */
  readonly pos: number;
  /** Wall ms at which the stream was made; 0: none seen yet. */
  readonly created: number;
  readonly generation: number;
  /** Wall ms at which the stream took the message at `pos`; null: an older version did not note it. */
  readonly time: number | null;
}

export class Writer {
  readonly #db: Database;
  readonly #parseSubject: SubjectParser;
  readonly #names: Names<(typeof EVENT_NAMES)[number]>;
  readonly #lives: Lives;
  readonly #marks: Watermarks;
  /** By number of the day. */
  readonly #days = new Map<number, Statement>();
  readonly #presence: Statement;
  readonly #skew: Statement;
  readonly #numprocesses: Statement;
  readonly #onSaved: (saved: readonly StoredEvent[]) => void;
  readonly #onTaken: (events: readonly StoredEvent[]) => void;
  /** Smallest that was seen, by host, of its newest life. */
  readonly #delays = new Map<number, { readonly epoch: number; readonly ms: number }>();
  /** Hosts of this batch of which it is smaller than before. */
  readonly #quicker = new Set<number>();
  #place: StreamPlace;

  /**
   * What these throw spoils the batch, which is not committed yet.
   *
   * @param onSaved takes the savings of rollouts of a batch
   * @param onTaken takes all other new events of it
   */
  constructor(
    db: Database,
    subjects: Subjects,
    onSaved: (saved: readonly StoredEvent[]) => void = () => undefined,
    onTaken: (events: readonly StoredEvent[]) => void = () => undefined,
  ) {
    this.#onSaved = onSaved;
    this.#onTaken = onTaken;
    this.#db = db;
    this.#parseSubject = rememberingParser(subjects);
    this.#names = new Names(db, EVENT_NAMES);
    this.#lives = new Lives(db);
    this.#marks = new Watermarks(db);
    this.#presence = db.prepare("UPDATE host SET presence = ?, presence_epoch = ?, presence_since = ? WHERE id = ?");
    // The smallest delay of a life is the one that was not spent in an outbox; what is left of it is the clock.
    this.#skew = db.prepare(
      `UPDATE host SET skew = CASE WHEN skew_epoch = @epoch THEN min(skew, @ms) ELSE @ms END, skew_epoch = @epoch
       WHERE id = @host AND ifnull(skew_epoch, 0) <= @epoch`,
    );
    this.#numprocesses = db.prepare("UPDATE cur SET numprocesses = ? WHERE host_id = ? AND watcher_id = ?");
    this.#place = this.#readPlace();
  }

  get place(): StreamPlace {
    return this.#place;
  }

  /**
   * Says which stream is read from now on. One that was made anew, or that ends before our position, begins a new
   * generation: all of it is read, and the watermarks filter what is known.
   */
  enter(stream: { readonly created: number; readonly lastSeq: number }): StreamPlace {
    const { created, pos } = this.#place;
    return created === stream.created && pos <= stream.lastSeq ? this.#place : this.#renew(stream.created);
  }

  /**
   * Is the message at our position the one that we took? A server that lost power goes on with lower numbers, and may
   * have passed our position again when we come back. @returns false where it is another: a new generation has begun
   */
  recognize({ seq, time }: Pick<RawMessage, "seq" | "time">): boolean {
    const { pos, created, time: taken } = this.#place;
    if (seq !== pos || taken === null || taken === time) return true;
    this.#renew(created);
    return false;
  }

  #renew(created: number): StreamPlace {
    const { generation } = this.#place;
    this.#db
      .transaction(() => {
        writeMeta(this.#db, "pos", 0);
        writeMeta(this.#db, "stream_created", created);
        writeMeta(this.#db, "generation", generation + 1);
      })
      .immediate();
    this.#place = this.#readPlace();
    return this.#place;
  }

  /** @throws the database's error; then nothing of the batch is stored, and the position is where it was. */
  commit(batch: readonly RawMessage[]): Committed {
    try {
      const committed = this.#db.transaction(() => this.#store(batch)).immediate();
      const last = batch.at(-1);
      if (last !== undefined) this.#place = { ...this.#place, pos: last.seq, time: last.time };
      return committed;
    } catch (error) {
      this.#names.forget();
      this.#lives.forget();
      this.#marks.forget();
      this.#days.clear();
      this.#delays.clear();
      this.#quicker.clear();
      throw error;
    }
  }

  #store(batch: readonly RawMessage[]): Committed {
    const events: StoredEvent[] = [];
    const saved: StoredEvent[] = [];
    const refused: { subject: string; why: Refusal }[] = [];
    let seen = 0;
    for (const message of batch) {
      const stored = decode(this.#parseSubject, message);
      if (typeof stored === "string") refused.push({ subject: message.subject, why: stored });
      else if (this.#take(stored)) (isSaving(stored) ? saved : events).push(stored);
      else seen++;
    }
    if (saved.length > 0) this.#onSaved(saved);
    this.#lives.flush();
    this.#onTaken(events);
    this.#marks.flush();
    for (const host of this.#quicker) this.#skew.run({ host, ...this.#delays.get(host) });
    this.#quicker.clear();
    const last = batch.at(-1);
    if (last !== undefined) {
      writeMeta(this.#db, "pos", last.seq);
      writeMeta(this.#db, "pos_time", last.time);
    }
    return { events, seen, refused };
  }

  /** @returns false for a repeat */
  #take(stored: StoredEvent): boolean {
    const { event } = stored;
    const host = this.#names.id("host", stored.host);
    const time = Math.min(event.time, stored.stored);
    if (!this.#marks.take(host, event.epoch, event.seq, time)) return false;
    // Only for controllers, and large.
    if (isSaving(stored)) return true;
    this.#insert(host, stored);
    const earlier = (): EarlierLife | null => this.#marks.lifeBefore(host, event.epoch);
    for (const change of project(stored, earlier)) this.#apply(host, change);
    if (stored.host !== FLEET) this.#noteDelay(host, event.epoch, stored.stored - event.time);
    return true;
  }

  #noteDelay(host: number, epoch: number, ms: number): void {
    const known = this.#delays.get(host);
    if (known !== undefined && (known.epoch > epoch || (known.epoch === epoch && known.ms <= ms))) return;
    this.#delays.set(host, { epoch, ms });
    this.#quicker.add(host);
  }

  #insert(host: number, { event, streamSeq, stored }: StoredEvent): void {
    const watcher = event.watcher === null ? null : this.#names.id("watcher", event.watcher);
    const more = unknownFields(event);
    this.#day(stored).run(
      this.#place.generation * GENERATION_SIZE + streamSeq,
      host,
      event.epoch,
      event.seq,
      event.time,
      stored,
      watcher,
      event.pid ?? null,
      event.wid ?? null,
      this.#names.id("kind", event.kind),
      event.actor ?? null,
      event.cause ?? null,
      JSON.stringify(event.data),
      more === null ? null : JSON.stringify(more),
    );
  }

  #apply(host: number, change: Change): void {
    switch (change.kind) {
      case "watcher": {
        const watcher = this.#names.id("watcher", change.watcher);
        this.#lives.watcher(host, watcher, change.entry, change.reason);
        return;
      }
      case "host":
        this.#lives.host(this.#names.id("host", change.host), change.entry);
        return;
      case "numprocesses":
        this.#numprocesses.run(change.n, host, this.#names.id("watcher", change.watcher));
        return;
      case "presence":
        this.#presence.run(change.presence, change.epoch, change.since, this.#names.id("host", change.host));
        return;
      default:
        change satisfies never;
    }
  }

  /** Whole days are dropped later, which costs milliseconds where deleting rows costs minutes (fleet-protocol §5). */
  #day(storedMs: number): Statement {
    const day = Math.floor(storedMs / DAY_MS);
    const known = this.#days.get(day);
    if (known !== undefined) return known;
    const table = dayTable(storedMs);
    this.#db.exec(dayTableSql(table, this.#names.id("kind", EXITED)));
    const statement = this.#db.prepare(`INSERT INTO ${table} VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)`);
    this.#days.set(day, statement);
    return statement;
  }

  #readPlace(): StreamPlace {
    const read = (key: string): number => Number(readMeta(this.#db, key) ?? 0);
    const time = readMeta(this.#db, "pos_time");
    return {
      pos: read("pos"),
      created: read("stream_created"),
      generation: read("generation"),
      time: time === null ? null : Number(time),
    };
  }
}

function isSaving({ host, event }: StoredEvent): boolean {
  return host === FLEET && event.kind === "rollout_saved";
}
