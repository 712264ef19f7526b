/**
 * The one place that opens databases. What better-sqlite3 12 makes is freed when V8 collects it, and from Node 24.19 on
 * the process ends where that happens between two tasks, as most collections of an idle program do: the base class that
 * Node's headers give it asks for an environment then, and there is none. So nothing of it is ever collected here.
 *
 * K1  Databases and statements are held for ever, closed ones too, which hold nothing of SQLite any more.
 * K2  Their number is bounded by what the program can ask: who asks again and again uses `prepared`.
 * K3  Nobody iterates: an iterator is one object more for each use.
 */
import Sqlite, { type Database, type Options, type PragmaOptions, type Statement } from "better-sqlite3";

const held: unknown[] = [];

/** @throws SQLite's error */
export function openSqlite(path: string, options: Options = {}): Database {
  const db = new Sqlite(path, options);
  const prepare = db.prepare.bind(db) as (sql: string) => Statement;
  const pragmas = new Map<string, Statement>();
  const hold = (sql: string): Statement => {
    const statement = prepare(sql);
    held.push(statement);
    return statement;
  };
  const pragma = (source: string, { simple = false }: PragmaOptions = {}): unknown => {
    const statement = pragmas.get(source) ?? hold(`PRAGMA ${source}`);
    pragmas.set(source, statement);
    if (!statement.reader) statement.run();
    const rows = statement.reader ? (statement.all() as readonly object[]) : [];
    return simple ? Object.values(rows[0] ?? {})[0] : rows;
  };
  Object.assign(db, { prepare: hold, pragma });
  held.push(db);
  return db;
}

/** Whether another connection has what was asked for. */
export function isBusy(error: unknown): boolean {
  return error instanceof Sqlite.SqliteError && error.code.startsWith("SQLITE_BUSY");
}
