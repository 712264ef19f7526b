/**
 * Notices that wait and what they were made from, in the database of the events: both are written in the transaction
 * of the events that made them, so that a crash neither loses nor doubles one.
 */
import type { Millis } from "@circus-cluster/proto";
import type { Database, Statement } from "better-sqlite3";
import { FLEET, type StoredEvent } from "../ingest/decode.ts";
import { keyOf, type Mark, NO_MARK, type Notice, step } from "./core.ts";
import { matched, type Rule } from "./rules.ts";
import { sightingsOf } from "./sightings.ts";

export interface BookParts {
  readonly db: Database;
  readonly rules: readonly Rule[];
  readonly labelsOf: (host: string) => Readonly<Record<string, string>>;
}

export class Book {
  readonly #parts: BookParts;
  readonly #mark: Statement<[string, string], { mark: string }>;
  readonly #keepMark: Statement;
  readonly #add: Statement;
  readonly #remove: Statement;
  readonly #due: Statement<[string, Millis, number], { body: string }>;
  readonly #count: Statement<[], { n: number }>;

  constructor(parts: BookParts) {
    this.#parts = parts;
    const { db } = parts;
    this.#mark = db.prepare("SELECT mark FROM notice_mark WHERE rule = ? AND key = ?");
    this.#keepMark = db.prepare("INSERT OR REPLACE INTO notice_mark(rule, key, mark) VALUES(?, ?, ?)");
    this.#add = db.prepare("INSERT OR IGNORE INTO notice(id, rule, due, body) VALUES(?, ?, ?, ?)");
    this.#remove = db.prepare("DELETE FROM notice WHERE id = ?");
    this.#due = db.prepare("SELECT body FROM notice WHERE rule = ? AND due <= ? ORDER BY due, id LIMIT ?");
    this.#count = db.prepare("SELECT count(*) AS n FROM notice");
  }

  /** Of a batch, within its transaction. */
  take(events: readonly StoredEvent[]): void {
    for (const stored of events) {
      const { kind, data } = stored.event;
      if (stored.host === FLEET && (kind === "notice_sent" || kind === "notice_failed")) this.remove(idsOf(data));
      else this.#see(stored);
    }
  }

  /** Oldest first. */
  due(rule: string, wallMs: Millis, most: number): readonly Notice[] {
    return this.#due.all(rule, wallMs, most).map(({ body }) => JSON.parse(body) as Notice);
  }

  remove(ids: readonly string[]): void {
    for (const id of ids) this.#remove.run(id);
  }

  get waiting(): number {
    return this.#count.get()?.n ?? 0;
  }

  #see(stored: StoredEvent): void {
    const { rules, labelsOf } = this.#parts;
    const sighting = rules.length === 0 ? null : sightingsOf(stored);
    if (sighting === null) return;
    for (const rule of rules) {
      const condition = matched(rule, sighting, labelsOf);
      if (condition === null) continue;
      const key = keyOf(condition, sighting);
      const before = key === null ? NO_MARK : this.#markOf(rule.name, key);
      const { mark, add, drop } = step(rule, before, condition, sighting);
      if (key !== null && mark !== before) this.#keepMark.run(rule.name, key, JSON.stringify(mark));
      if (drop !== null) this.#remove.run(drop);
      if (add !== null) this.#add.run(add.id, rule.name, add.due, JSON.stringify(add));
    }
  }

  #markOf(rule: string, key: string): Mark {
    const row = this.#mark.get(rule, key);
    return row === undefined ? NO_MARK : (JSON.parse(row.mark) as Mark);
  }
}

function idsOf(data: Readonly<Record<string, unknown>>): readonly string[] {
  const ids = data["notices"];
  return Array.isArray(ids) ? ids.filter((id): id is string => typeof id === "string") : [];
}
