/**
 * Folds a write-ahead log back that has grown: SQLite does so by itself, but never while somebody reads, and a log
 * that was held up once keeps its size (fleet-protocol §5 "WAL starvation").
 */
import { statSync } from "node:fs";
import type { Database } from "better-sqlite3";
import { BUSY_MS } from "./database.ts";

/** Above this it is folded back; SQLite's own turn comes at a quarter of it. */
export const WAL_MAX_BYTES = 256 * 1024 * 1024;

/** Of the log beside the database; 0 where there is none. */
export function walBytes(file: string): number {
  return statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}

/** `held`: another process reads, so that nothing can be folded back now. */
export function foldBack(db: Database, maxBytes = WAL_MAX_BYTES): "small" | "folded" | "held" {
  if (walBytes(db.name) <= maxBytes) return "small";
  // It would wait for readers, and everything else with it.
  db.pragma("busy_timeout = 0");
  try {
    const [row] = db.pragma("wal_checkpoint(TRUNCATE)") as readonly { readonly busy: number }[];
    return row?.busy === 0 ? "folded" : "held";
  } finally {
    db.pragma(`busy_timeout = ${BUSY_MS}`);
  }
}
