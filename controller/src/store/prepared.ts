/**
 * Statements that are asked again and again; to prepare one anew costs more than most answers, and would never be freed
 * (see `sqlite.ts`): so none is forgotten.
 */
import type { Database, Statement } from "better-sqlite3";

const kept = new WeakMap<Database, Map<string, Statement>>();

export function prepared<Result>(db: Database, sql: string): Statement<[Record<string, unknown>], Result> {
  const known = kept.get(db) ?? new Map<string, Statement>();
  kept.set(db, known);
  let statement = known.get(sql);
  if (statement === undefined) {
    statement = db.prepare(sql);
    known.set(sql, statement);
  }
  return statement as Statement<[Record<string, unknown>], Result>;
}
