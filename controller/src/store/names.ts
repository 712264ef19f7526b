/** Names as small numbers, remembered; the cache is dropped whenever a transaction that may have made one fails. */
import type { Database, Statement } from "better-sqlite3";

const NAMED = ["host", "watcher", "kind"] as const;
type Table = (typeof NAMED)[number];

interface Row {
  readonly id: number;
}

export class Names {
  readonly #find: Readonly<Record<Table, Statement<[string], Row>>>;
  readonly #make: Readonly<Record<Table, Statement<[string]>>>;
  readonly #cache: Readonly<Record<Table, Map<string, number>>> = {
    host: new Map(),
    watcher: new Map(),
    kind: new Map(),
  };

  constructor(db: Database) {
    const find = (table: Table) => db.prepare<[string], Row>(`SELECT id FROM ${table} WHERE name = ?`);
    const make = (table: Table) => db.prepare<[string]>(`INSERT INTO ${table}(name) VALUES(?)`);
    this.#find = { host: find("host"), watcher: find("watcher"), kind: find("kind") };
    this.#make = { host: make("host"), watcher: make("watcher"), kind: make("kind") };
  }

  /** The number of a name, made where there is none. */
  id(table: Table, name: string): number {
    const cached = this.#cache[table].get(name);
    if (cached !== undefined) return cached;
    const id = this.#find[table].get(name)?.id ?? Number(this.#make[table].run(name).lastInsertRowid);
    this.#cache[table].set(name, id);
    return id;
  }

  forget(): void {
    for (const table of NAMED) this.#cache[table].clear();
  }
}
