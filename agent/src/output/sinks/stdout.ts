/** The agent's own stdout as a {@link Target} that never waits. */
import { write } from "node:fs";
import { promisify } from "node:util";
import type { Target } from "../sink.ts";
import { StandardStream } from "../standard-stream.ts";

const STDOUT = 1;
const writeFile = promisify(write) as (fd: number, bytes: Uint8Array) => Promise<{ bytesWritten: number }>;

export class StdoutTarget implements Target {
  readonly name = "stdout";
  readonly #stream = new StandardStream(STDOUT);

  async write(bytes: Buffer): Promise<number> {
    if (!this.#stream.isFile) return this.#stream.write(bytes);
    return (await writeFile(STDOUT, bytes)).bytesWritten; // a slow disk holds up one I/O thread, not the agent
  }

  reopen(): void {
    // it is not ours
  }

  close(): Promise<void> {
    this.#stream[Symbol.dispose]();
    return Promise.resolve();
  }
}
