/** Small files of a person's that a crash or a power cut leaves whole. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Old text or new text, never a mixture; mode 0600. @throws the system's error; then the old text stands */
export function replaceFile(path: string, text: string): void {
  const draft = `${path}.${process.pid}.new`; // of this process alone: another may be at the same file
  try {
    const fd = openSync(draft, "w", 0o600);
    try {
      writeSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
