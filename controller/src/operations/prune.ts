/** `circus-controller prune`: what a running controller does by itself, now and perhaps for more. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CircusError, formatBytes, reasonOf } from "@circus-cluster/proto";
import type { ControllerConfig } from "../config.ts";
import { requireOwn } from "../state-dir.ts";
import { openDatabase } from "../store/database.ts";
import { EVENTS_MIGRATIONS } from "../store/migrations.ts";
import { prune, usedBytes } from "../store/retention.ts";

/** A controller may run meanwhile: both take turns at writing. @throws CircusError with one line */
export function pruneNow(
  { stateDir, keep }: ControllerConfig,
  { keepMs, keepBytes }: { readonly keepMs: number | null; readonly keepBytes: number | null },
  out: (line: string) => void,
): void {
  requireOwn(stateDir);
  const path = join(stateDir, "events.db");
  if (!existsSync(path)) throw new CircusError("not-found", `${path} is not there: nothing to prune`);
  try {
    const db = openDatabase(path, EVENTS_MIGRATIONS, "NORMAL");
    try {
      const wanted = { ageMs: keepMs ?? keep.ageMs, sizeBytes: keepBytes ?? keep.sizeBytes };
      const steps = prune(db, wanted, Date.now());
      let step = steps.next();
      while (step.done !== true) step = steps.next();
      const { days, intervals } = step.value;
      for (const day of days) out(`dropped the events of ${day}`);
      out(`${days.length} days and ${intervals} intervals dropped; ${formatBytes(usedBytes(db))} in use`);
    } finally {
      db.close();
    }
  } catch (error) {
    throw new CircusError("os", `${path}: ${reasonOf(error)}`, { cause: error });
  }
}
