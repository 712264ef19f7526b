/** The pid file (reference §7): `PID\n`, mode 0644, never taken from a running circusd. */
import { closeSync, openSync, readFileSync, statSync, unlinkSync, writeSync } from "node:fs";
import { CircusError, reasonOf } from "@circus-cluster/proto";
import { lookAt } from "./adopt/look.ts";

export class PidFile implements Disposable {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /**
   * Writes our pid. What a dead process or an accident left there is replaced.
   *
   * @throws CircusError `conflict` where the process named there lives, `os` where it cannot be written.
   */
  static create(path: string): PidFile {
    if (isSpecial(path)) throw new CircusError("os", `cannot write pid file '${path}': it is no regular file`);
    const other = livingPid(path);
    if (other !== null) {
      throw new CircusError("conflict", `pid file '${path}' belongs to pid ${other}, which is running`);
    }
    try {
      removeIfThere(path);
      // Exclusive: of two that start at once, one sees the other's file.
      const fd = openSync(path, "wx", 0o644);
      try {
        writeSync(fd, `${process.pid}\n`);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      throw new CircusError("os", `cannot write pid file '${path}': ${reasonOf(error)}`, { cause: error });
    }
    return new PidFile(path);
  }

  /** Deletes the file if it is still ours; harmless twice. */
  [Symbol.dispose](): void {
    if (readPid(this.#path) === process.pid) removeIfThere(this.#path);
  }
}

/** A device or a FIFO, which would be read without end, and then removed. */
function isSpecial(path: string): boolean {
  try {
    return !statSync(path).isFile();
  } catch {
    return false;
  }
}

function readPid(path: string): number | null {
  try {
    const text = readFileSync(path, "utf8").trim();
    return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : null;
  } catch {
    return null;
  }
}

/** Our own number there is a leftover: of an earlier life in a container, where numbers repeat. */
function livingPid(path: string): number | null {
  const pid = readPid(path);
  if (pid === null || pid === process.pid) return null;
  try {
    process.kill(pid, 0);
    // One that was killed stays there as a zombie where the first process of a container does not reap.
    return (lookAt(pid)?.end ?? null) === null ? pid : null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM" ? pid : null;
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
