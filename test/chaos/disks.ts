/** The state directories of the agents, each a small file system of its own, where the machine lets us mount one. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { track } from "../support/leaks.ts";
import { type TempDir, tempDir } from "../support/temp.ts";

const SIZE_MIB = 96;
const FILLER = "filler";

export class Disks implements AsyncDisposable {
  /** False: plain directories, that cannot be filled. */
  readonly areMounted: boolean;
  readonly #dir: TempDir;
  readonly #untrack: () => void;
  readonly #mounted: string[] = [];

  private constructor(dir: TempDir, hosts: readonly string[]) {
    this.#dir = dir;
    this.#untrack = track(`file systems in ${dir.path}`, () => this.#unmount());
    for (const host of hosts) mkdirSync(this.of(host), { mode: 0o700 });
    this.areMounted = hosts.every((host) => this.#mount(this.of(host)));
  }

  static async make(hosts: readonly string[]): Promise<Disks> {
    return new Disks(await tempDir("circus-disks-"), hosts);
  }

  of(host: string): string {
    return join(this.#dir.path, host);
  }

  /** To the last byte. */
  fill(host: string): void {
    const file = openSync(join(this.of(host), FILLER), "w", 0o600);
    const [block, byte] = [Buffer.alloc(64 * 1024), Buffer.alloc(1)];
    try {
      // Whole blocks, then bytes, since a write may also take a part.
      for (const data of [block, byte]) while (isWritten(file, data));
    } finally {
      closeSync(file);
    }
  }

  free(host: string): void {
    rmSync(join(this.of(host), FILLER), { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unmount();
    this.#untrack();
    await this.#dir[Symbol.asyncDispose]();
  }

  #mount(path: string): boolean {
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${SIZE_MIB}m,mode=0700`, "tmpfs", path], { stdio: "ignore" });
    } catch {
      return false;
    }
    this.#mounted.push(path);
    return true;
  }

  #unmount(): void {
    for (const path of this.#mounted.splice(0)) execFileSync("umount", ["-l", path], { stdio: "ignore" });
  }
}

function isWritten(file: number, data: Buffer): boolean {
  try {
    return writeSync(file, data) > 0;
  } catch {
    return false;
  }
}
