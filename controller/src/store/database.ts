/**
 * Opens the databases of a controller. One connection each, owned by the main thread: reads are short
 * (`all()`, never an iteration over an await), so that the write-ahead log can always be folded back.
 */
import { join } from "node:path";
import type { Database } from "better-sqlite3";
import { EVENTS_MIGRATIONS, migrate, ROLLOUTS_MIGRATIONS, USAGE_MIGRATIONS } from "./migrations.ts";
import { prepared } from "./prepared.ts";
import { openSqlite } from "./sqlite.ts";

export interface Stores extends Disposable {
  /** The projection of the stream: can be made anew from it. */
  readonly events: Database;
  /** Rollouts: on disk before anything is sent. */
  readonly rollouts: Database;
  /** What watchers used: in no stream, so that it cannot be made anew. */
  readonly usage: Database;
}

/** How long a writer waits for another process. */
export const BUSY_MS = 5000;

/** @param synchronous NORMAL may lose the last transactions in a power cut, never consistency. */
export function openDatabase(path: string, migrations: readonly string[], synchronous: "NORMAL" | "FULL"): Database {
  const db = openSqlite(path, { timeout: BUSY_MS });
  try {
    db.pragma("journal_mode = WAL");
    db.pragma(`synchronous = ${synchronous}`);
    // With the default of 1000 ingest is 1.7 times slower (fleet-protocol §5).
    db.pragma("wal_autocheckpoint = 16000");
    db.pragma("cache_size = -65536");
    migrate(db, migrations);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** @throws Error with the file's name where one cannot be opened. */
export function openStores(dir: string): Stores {
  const opened: Database[] = [];
  const close = (): void => {
    for (const db of opened) db.close();
  };
  const open = (name: string, migrations: readonly string[], synchronous: "NORMAL" | "FULL"): Database => {
    const path = join(dir, name);
    try {
      const db = openDatabase(path, migrations, synchronous);
      opened.push(db);
      return db;
    } catch (error) {
      throw new Error(`database ${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  };
  try {
    const [events, rollouts, usage] = [
      open("events.db", EVENTS_MIGRATIONS, "NORMAL"),
      open("rollouts.db", ROLLOUTS_MIGRATIONS, "FULL"),
      open("usage.db", USAGE_MIGRATIONS, "NORMAL"),
    ];
    return { events, rollouts, usage, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

/** A small fact of a database, e.g. the position in the stream; undefined where it was never set. */
export function readMeta(db: Database, key: string): unknown {
  return prepared<{ v: unknown }>(db, "SELECT v FROM meta WHERE k = @key").get({ key })?.v;
}

export function writeMeta(db: Database, key: string, value: number | string): void {
  const sql = "INSERT INTO meta(k, v) VALUES(@key, @value) ON CONFLICT(k) DO UPDATE SET v = excluded.v";
  prepared(db, sql).run({ key, value });
}
