/** A log file and what rotation has made of it, ours or another's: `f.1`, `f.2` …, or `f.20240131`, `f.2024013112.1`. */
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

export interface LogFile {
  readonly path: string;
  readonly stats: BigIntStats;
}

/** Without waiting where somebody has put a FIFO in its place. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * The newest first; a compressed one is none.
 *
 * @throws the system's error: EACCES …; a file that is not there is none
 */
export async function logFiles(path: string): Promise<readonly LogFile[]> {
  const prefix = `${basename(path)}.`;
  const names = await readdir(dirname(path)).catch(absent<readonly string[]>([]));
  const suffixes = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  const found: LogFile[] = [];
  for (const one of [path, ...olderFirstLast(suffixes).map((suffix) => join(dirname(path), prefix + suffix))]) {
    const stats = await stat(one, { bigint: true }).catch(absent<null>(null));
    if (stats?.isFile() === true) found.push({ path: one, stats });
  }
  return found;
}

/** Suffixes of rotated files, the newest first; what is none is left out. */
export function olderFirstLast(suffixes: readonly string[]): readonly string[] {
  const numbered = suffixes.filter((suffix) => /^[1-9]\d{0,6}$/.test(suffix));
  const dated = suffixes.filter((suffix) => /^\d{8,14}(?:\.\d{1,9})?$/.test(suffix));
  const key = (suffix: string): string => {
    const [stamp = "", again = "0"] = suffix.split(".");
    return `${stamp.padEnd(14, "0")}.${again.padStart(9, "0")}`;
  };
  return [...numbered.sort((a, b) => Number(a) - Number(b)), ...dated.sort((a, b) => (key(a) < key(b) ? 1 : -1))];
}

/** Null where another file has this name by now. */
export async function openLogFile({ path, stats }: LogFile): Promise<FileHandle | null> {
  const file = await open(path, FLAGS).catch(absent<null>(null));
  if (file === null) return null;
  const now = await file.stat({ bigint: true });
  if (now.ino === stats.ino && now.dev === stats.dev) return file;
  await file.close();
  return null;
}

function absent<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return instead;
    throw error;
  };
}
