/** Reads a text of /proc. */
import { readFileSync } from "node:fs";

/** Empty where the process has gone, or the kernel does not show it. */
export function readProc(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
