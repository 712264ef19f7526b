/** `circus-controller prune`: what a running controller does by itself, now and perhaps for more. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CircusError, formatBytes, reasonOf } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import type { ControllerConfig } from "../config.ts";
import { requireOwn } from "../state-dir.ts";
import { openDatabase } from "../store/database.ts";
import { EVENTS_MIGRATIONS, USAGE_MIGRATIONS } from "../store/migrations.ts";
import { prune, usedBytes } from "../store/retention.ts";
import { pruneUsage } from "../usage/roll-up.ts";
import { UsageStore } from "../usage/store.ts";

/** A controller may run meanwhile: both take turns at writing. @throws CircusError with one line */
export function pruneNow(
  { stateDir, keep }: ControllerConfig,
  { keepMs, keepBytes }: { readonly keepMs: number | null; readonly keepBytes: number | null },
  out: (line: string) => void,
): void {
  requireOwn(stateDir);
  const path = join(stateDir, "events.db");
  if (!existsSync(path)) throw new CircusError("not-found", `${path} is not there: nothing to prune`);
  const wanted = { ageMs: keepMs ?? keep.ageMs, sizeBytes: keepBytes ?? keep.sizeBytes };
  inDatabase(path, EVENTS_MIGRATIONS, (db) => {
    const { days, intervals } = toItsEnd(prune(db, wanted, Date.now()));
    for (const day of days) out(`dropped the events of ${day}`);
    out(`${days.length} days and ${intervals} intervals dropped; ${formatBytes(usedBytes(db))} in use`);
  });
  inDatabase(join(stateDir, "usage.db"), USAGE_MIGRATIONS, (db) => {
    const dropped = toItsEnd(pruneUsage(new UsageStore(db), wanted.ageMs, Date.now()));
    out(`${dropped} buckets of usage dropped; ${formatBytes(usedBytes(db))} in use`);
  });
}

/** @throws CircusError that names the file */
function inDatabase(path: string, migrations: readonly string[], work: (db: Database) => void): void {
  try {
    const db = openDatabase(path, migrations, "NORMAL");
    try {
      work(db);
    } finally {
      db.close();
    }
  } catch (error) {
    throw new CircusError("os", `${path}: ${reasonOf(error)}`, { cause: error });
  }
}

function toItsEnd<T>(steps: Generator<void, T>): T {
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}
