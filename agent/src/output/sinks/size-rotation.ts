/**
 * FileStream with `max_bytes` (reference §4.1): `f` becomes `f.1`, `f.1` becomes `f.2`, up to `backup_count`. With
 * none of these the full file is emptied: what a limit without old files can only mean (D12).
 *
 * A file ends with a whole line and never exceeds the limit, but for a line that is longer than that: it has a file
 * of its own.
 */
import { existsSync, renameSync } from "node:fs";
import { rename } from "node:fs/promises";
import type { FileState, Rotation } from "../file-target.ts";

const NEWLINE = 0x0a;

export class SizeRotation implements Rotation {
  readonly #maxBytes: number;
  readonly #backupCount: number;

  /** @param maxBytes above 0 */
  constructor(maxBytes: number, backupCount: number) {
    this.#maxBytes = maxBytes;
    this.#backupCount = backupCount;
  }

  admit(bytes: Buffer, { size, isAtLineStart }: FileState): number {
    const room = this.#maxBytes - size;
    if (bytes.length <= room) return bytes.length;
    if (isAtLineStart) {
      const fits = room > 0 ? bytes.lastIndexOf(NEWLINE, room - 1) + 1 : 0;
      if (fits > 0 || size > 0) return fits;
    }
    // In the middle of a line, or at the beginning of one that no file can hold: to its end.
    const end = bytes.indexOf(NEWLINE) + 1;
    if (end > 0) return end;
    return room > 0 || size === 0 ? bytes.length : 0;
  }

  opened(): void {
    // only its size matters
  }

  async rotate(path: string, isNear = false): Promise<string | null> {
    if (this.#backupCount === 0) return null;
    const backup = (n: number): string => `${path}.${n}`;
    // Those behind a gap can stay where they are.
    let last = 1;
    while (last < this.#backupCount && existsSync(backup(last))) last++;
    for (let n = last; n >= 1; n--) {
      const from = n > 1 ? backup(n - 1) : path;
      // Through another thread each move takes a hundred times as long where the machine is busy.
      if (isNear) renameSync(from, backup(n));
      else await rename(from, backup(n));
    }
    return backup(1);
  }
}
