/** Temporary directories that are removed at the end: `await using dir = await tempDir()`. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface TempDir extends AsyncDisposable {
  readonly path: string;
  /** A path inside. */
  file(...parts: string[]): string;
  /** Writes a file inside, with its directories; returns its path. */
  write(name: string, text: string, mode?: number): Promise<string>;
}

export async function tempDir(prefix = "circus-test-"): Promise<TempDir> {
  const path = await mkdtemp(join(tmpdir(), prefix));
  const file = (...parts: string[]): string => join(path, ...parts);
  return {
    path,
    file,
    async write(name, text, mode = 0o644) {
      await mkdir(dirname(file(name)), { recursive: true });
      await writeFile(file(name), text, { mode });
      return file(name);
    },
    async [Symbol.asyncDispose]() {
      // A process that ends at this moment may still write.
      await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
      removeTrays(path);
    },
  };
}

/** What agents that were killed have left in memory: see agent/src/output/trays. */
function removeTrays(dir: string): void {
  for (const name of readdirSync("/dev/shm").filter((entry) => entry.startsWith("circus-"))) {
    const file = join("/dev/shm", name);
    try {
      if (readFileSync(file).subarray(0, 4096).includes(` ${dir}/`)) rmSync(file, { force: true });
    } catch {
      // gone meanwhile
    }
  }
}
