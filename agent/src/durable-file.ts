/** Small files that a crash or a power cut leaves whole. */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
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
    writeSync(fd, text);
    if (isDurable) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, join(dir, name));
  if (isDurable) syncDirectory(dir);
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
