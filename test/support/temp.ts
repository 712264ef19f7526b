/** Temporary directories that are removed at the end: `await using dir = await tempDir()`. */
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
    },
  };
}
