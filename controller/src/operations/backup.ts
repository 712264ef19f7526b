/** `circus-controller backup`: a copy of the databases, also of a controller that runs. */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { CircusError, reasonOf } from "@circus-cluster/proto";
import type { ControllerConfig } from "../config.ts";
import { requireOwn } from "../state-dir.ts";
import { readMeta } from "../store/database.ts";
import { DATABASES, damageOf, openForReading, schemaOf } from "../store/files.ts";
import { openSqlite } from "../store/sqlite.ts";

/**
 * Copies into a new directory, which appears under its name only when it is whole and was read back; to restore, put
 * it in the place of the state directory while no controller runs there.
 *
 * @throws CircusError with one line
 */
export function backup(config: ControllerConfig, directory: string, out: (line: string) => void): void {
  requireOwn(config.stateDir);
  const target = resolve(directory);
  if (existsSync(target)) throw new CircusError("conflict", `${target} is there already; name a directory that is not`);
  const partial = `${target}.partial`;
  try {
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial, { mode: 0o700 });
    const lines: string[] = [];
    for (const { name } of DATABASES) {
      // A state directory of before there was one has none until the next start.
      if (name === "usage.db" && !existsSync(join(config.stateDir, name))) continue;
      lines.push(copy(config.stateDir, partial, name));
    }
    renameSync(partial, target);
    for (const line of lines) out(join(target, line));
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if (error instanceof CircusError) throw error;
    throw new CircusError("os", `the backup failed, nothing is left of it: ${reasonOf(error)}`, { cause: error });
  }
}

function copy(from: string, to: string, name: string): string {
  const source = openForReading(from, name);
  if (source === null) throw new CircusError("not-found", `${join(from, name)} is not there: nothing to back up`);
  const path = join(to, name);
  try {
    // As it is at one moment: a controller that runs writes on meanwhile.
    source.prepare("VACUUM INTO ?").run(path);
  } finally {
    source.close();
  }
  const db = openSqlite(path);
  try {
    // One file each, without a log beside it.
    db.pragma("journal_mode = DELETE");
    const damage = damageOf(db);
    if (damage !== null) throw new CircusError("failed", `the copy of ${name} is damaged: ${damage}; run check`);
    const place = name === "events.db" ? `, position ${Number(readMeta(db, "pos") ?? 0)}` : "";
    return `${name}: schema ${schemaOf(db)}${place}, read back and found whole`;
  } finally {
    db.close();
  }
}
