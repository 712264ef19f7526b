/** Files of numbered lines for workers to copy to their output, and what came of them. */
import { readdirSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** How many lines each worker wrote, in order from 0; by worker number. */
export type LineCounts = Readonly<Record<string, number>>;

const FILLER = "x".repeat(80);
const BATCH = 10_000;

/** Writes `data.1` … `data.N` into a directory, `megabytes` in all. */
export async function numberedLines(dir: string, workers: number, megabytes: number): Promise<LineCounts> {
  const counts: Record<string, number> = {};
  for (let worker = 1; worker <= workers; worker++) {
    await using file = await open(join(dir, `data.${worker}`), "w");
    let lines = 0;
    for (let size = 0; size < (megabytes * 1_000_000) / workers; ) {
      let text = "";
      for (let i = 0; i < BATCH; i++) text += `${worker} ${lines++} ${FILLER}\n`;
      size += text.length;
      await file.writeFile(text);
    }
    counts[String(worker)] = lines;
  }
  return counts;
}

/** The file and its rotated ones, the oldest first. */
export function logFiles(path: string): readonly string[] {
  const prefix = `${basename(path)}.`;
  const numbers = readdirSync(dirname(path)).flatMap((name) => {
    const number = name.startsWith(prefix) ? Number(name.slice(prefix.length)) : Number.NaN;
    return Number.isInteger(number) ? [number] : [];
  });
  return [...numbers.sort((a, b) => b - a).map((number) => `${path}.${number}`), path];
}

/**
 * Reads what {@link numberedLines} became.
 *
 * @throws at the first line that is missing, repeated, out of order or broken
 */
export function readLogs(path: string): LineCounts {
  const counts: Record<string, number> = {};
  for (const file of logFiles(path)) {
    const text = readFileSync(file, "latin1");
    for (let at = 0; at < text.length; ) {
      const end = text.indexOf("\n", at);
      const line = text.slice(at, end < 0 ? undefined : end);
      const [worker = "", number = "", filler] = line.split(" ");
      const expected = counts[worker] ?? 0;
      if (filler !== FILLER || Number(number) !== expected) {
        throw new Error(
          `${file}: line ${expected} of worker ${worker} expected, not ${JSON.stringify(line.slice(0, 120))}`,
        );
      }
      counts[worker] = expected + 1;
      at = end < 0 ? text.length : end + 1;
    }
  }
  return counts;
}
