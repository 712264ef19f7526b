/**
 * The number of an agent's life. It must never repeat, or two different events would share one identity and
 * the second be dropped as a duplicate: so it is durable before the first event is numbered.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";

const FILE = "epoch";

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

function storedEpoch(dir: string): number {
  let text: string;
  try {
    text = readFileSync(join(dir, FILE), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return 0;
    throw error;
  }
  const epoch = Number(text.trim());
  // What cannot be read gives way to the clock and to the segments, which know epochs too.
  return Number.isSafeInteger(epoch) && epoch > 0 ? epoch : 0;
}

/**
 * Takes the next epoch: greater than any before, else the wall clock in ms, written durably.
 *
 * @param atLeast the greatest epoch seen elsewhere (in old segments).
 * @throws the system's error where the state directory cannot be written.
 */
export function takeEpoch(dir: string, nowWallMs: number, atLeast = 0): number {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const epoch = Math.max(storedEpoch(dir) + 1, atLeast + 1, Math.floor(nowWallMs));
  replaceFile(dir, FILE, `${epoch}\n`, true);
  return epoch;
}
