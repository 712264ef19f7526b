/** The controller's own directory: mode 0700, used by one controller at a time. */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { CircusError, reasonOf } from "@circus-cluster/proto";
import type { Database } from "better-sqlite3";
import { isBusy, openSqlite } from "./store/sqlite.ts";

const LOCK = "lock";

/** Does a controller run on it? Looks only: where nobody ever did, there is no lock. */
export function isInUse(path: string): boolean {
  if (!existsSync(join(path, LOCK))) return false;
  let lock: Database | null = null;
  try {
    lock = openSqlite(join(path, LOCK), { timeout: 0, readonly: true });
    lock.prepare("SELECT count(*) FROM sqlite_schema").get();
    return false;
  } catch (error) {
    return isBusy(error);
  } finally {
    lock?.close();
  }
}

/**
 * For commands beside a controller: what another user would leave here, the controller could not open.
 *
 * @throws CircusError with one line
 */
export function requireOwn(path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat !== undefined && stat.uid !== process.getuid?.()) {
    throw new CircusError("os", `state directory ${path} belongs to another user; run this as the controller's user`);
  }
}

export class StateDir implements Disposable {
  readonly path: string;
  readonly #lock: Database;

  private constructor(path: string, lock: Database) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Makes it where it is missing and locks it, by an SQLite file of its own that is never written: the kernel
   * drops such a lock with the process, however that ends.
   *
   * @throws CircusError `conflict` where another controller has it, `os` where it cannot be used.
   */
  static open(path: string): StateDir {
    let lock: Database | null = null;
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      const { mode, uid } = statSync(path);
      if ((mode & 0o077) !== 0) {
        const bits = (mode & 0o7777).toString(8);
        throw new CircusError("os", `state directory ${path} is open to others (mode ${bits}); chmod 700 it`);
      }
      if (uid !== process.getuid?.()) throw new CircusError("os", `state directory ${path} belongs to another user`);
      lock = openSqlite(join(path, LOCK), { timeout: 0 });
      lock.pragma("locking_mode = EXCLUSIVE");
      lock.exec("BEGIN EXCLUSIVE");
      return new StateDir(path, lock);
    } catch (error) {
      lock?.close();
      if (error instanceof CircusError) throw error;
      if (isBusy(error)) {
        throw new CircusError("conflict", `state directory ${path} is in use by another controller`, { cause: error });
      }
      throw new CircusError("os", `cannot use state directory ${path}: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** Lets another controller have it; harmless twice. */
  [Symbol.dispose](): void {
    this.#lock.close();
  }
}
