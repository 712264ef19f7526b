/** Names as small numbers, remembered; the cache is dropped whenever a transaction that may have made one fails. */
import { invariant } from "@circus-cluster/proto";
import type { Database, Statement } from "better-sqlite3";

interface Row {
  readonly id: number;
}

interface Named {
  readonly find: Statement<[string], Row>;
  readonly make: Statement<[string]>;
  readonly cache: Map<string, number>;
}

/** Of the events; the database of usage has the first two. */
export const EVENT_NAMES = ["host", "watcher", "kind"] as const;

export class Names<Table extends string> {
  readonly #tables: ReadonlyMap<Table, Named>;

  constructor(db: Database, tables: readonly Table[]) {
    const named = (table: Table): Named => ({
      find: db.prepare<[string], Row>(`SELECT id FROM ${table} WHERE name = ?`),
      make: db.prepare<[string]>(`INSERT INTO ${table}(name) VALUES(?)`),
      cache: new Map(),
    });
    this.#tables = new Map(tables.map((table) => [table, named(table)]));
  }

  /** The number of a name, made where there is none. */
  id(table: Table, name: string): number {
    const { make, cache } = this.#of(table);
    const known = this.known(table, name) ?? Number(make.run(name).lastInsertRowid);
    cache.set(name, known);
    return known;
  }

  /** Null where it has none. */
  known(table: Table, name: string): number | null {
    const { find, cache } = this.#of(table);
    return cache.get(name) ?? find.get(name)?.id ?? null;
  }

  forget(): void {
    for (const { cache } of this.#tables.values()) cache.clear();
  }

  #of(table: Table): Named {
    const named = this.#tables.get(table);
    invariant(named !== undefined, `there are names of ${table}`);
    return named;
  }
}
