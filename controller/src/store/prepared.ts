/** Statements that are asked again and again; to prepare one anew costs more than most answers. */
import type { Database, Statement } from "better-sqlite3";

/** Kept for each database; beyond that all are prepared again when needed. */
const KEPT_MAX = 500;

const kept = new WeakMap<Database, Map<string, Statement>>();

export function prepared<Result>(db: Database, sql: string): Statement<[Record<string, unknown>], Result> {
  const known = kept.get(db) ?? new Map<string, Statement>();
  kept.set(db, known);
  let statement = known.get(sql);
  if (statement === undefined) {
    if (known.size >= KEPT_MAX) known.clear();
    statement = db.prepare(sql);
    known.set(sql, statement);
  }
  return statement as Statement<[Record<string, unknown>], Result>;
}
