/** Small files that a crash or a power cut leaves whole. */
import { closeSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";

/**
 * Replaces a small file so that after a crash there is the old text or the new, never a mixture.
 *
 * @param isDurable waits for the disk; without it the file survives the program but perhaps not the host.
 * @throws the system's error, e.g. ENOSPC.
 */
export function replaceFile(dir: string, name: string, text: string, isDurable: boolean): void {
  const temporary = join(dir, `${name}.new`);
  const fd = openSync(temporary, "w", 0o600);
  try {
    writeAll(fd, Buffer.from(text));
    if (isDurable) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, join(dir, name));
  if (isDurable) syncDirectory(dir);
}

/**
 * All of it: one call may write less, and where there is no more room the next one says so.
 *
 * @throws the system's error, e.g. ENOSPC; some of it may be written then.
 */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

/** Where it cannot be removed, or is gone already, that is no matter. */
export function tryUnlink(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // whoever comes next tries again
  }
}

/** Makes names in a directory survive a power cut. */
export function syncDirectory(dir: string): void {
  const fd = openSync(dir, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
