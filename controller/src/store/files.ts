/** The database files of a state directory, looked at without changing them. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { reasonOf } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { EVENTS_MIGRATIONS, ROLLOUTS_MIGRATIONS, USAGE_MIGRATIONS } from "./migrations.ts";
import { openSqlite } from "./sqlite.ts";

export const DATABASES = [
  { name: "events.db", steps: EVENTS_MIGRATIONS },
  { name: "rollouts.db", steps: ROLLOUTS_MIGRATIONS },
  { name: "usage.db", steps: USAGE_MIGRATIONS },
] as const;

/** The database, for reading alone; null where there is no such file. @throws SQLite's error */
export function openForReading(dir: string, name: string): Database | null {
  const path = join(dir, name);
  return existsSync(path) ? openSqlite(path, { readonly: true, timeout: 5000 }) : null;
}

/** Null where all is well, else what SQLite finds, or says of a file that is none of its own. One line. */
export function damageOf(db: Database): string | null {
  try {
    const rows = db.pragma("integrity_check(3)") as readonly { readonly integrity_check: string }[];
    const found = rows.map((row) => row.integrity_check);
    return found.length === 1 && found[0] === "ok" ? null : found.join("; ").replaceAll("\n", " ");
  } catch (error) {
    return reasonOf(error);
  }
}

export function schemaOf(db: Database): number {
  return Number(db.pragma("user_version", { simple: true }));
}
