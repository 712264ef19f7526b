/**
 * The number of an agent's life. It must never repeat, or two different events would share one identity and
 * the second be dropped as a duplicate: so it is durable before the first event is numbered.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "../durable-file.ts";

const FILE = "epoch";

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
