import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { replaceFile } from "./durable-file.ts";

const disk = vi.hoisted(() => ({ bytesLeft: Infinity }));
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  // A disk that fills up takes what fits, and refuses the rest at the next call.
  const writeSync = (fd: number, data: Buffer | string, offset = 0): number => {
    const bytes = Buffer.from(data).subarray(offset, offset + Math.min(disk.bytesLeft, 1 << 20));
    if (bytes.length === 0)
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    disk.bytesLeft -= bytes.length;
    return fs.writeSync(fd, bytes);
  };
  return { ...fs, writeSync };
});

it("keeps the old file where the disk takes only a part of the new one", () => {
  const dir = mkdtempSync(join(tmpdir(), "durable-"));
  try {
    writeFileSync(join(dir, "f"), "old");
    disk.bytesLeft = 3;
    expect(() => replaceFile(dir, "f", "the new text", false)).toThrow("ENOSPC");
    expect(readFileSync(join(dir, "f"), "utf8")).toBe("old");
    disk.bytesLeft = Infinity;
    replaceFile(dir, "f", "the new text", true);
    expect(readFileSync(join(dir, "f"), "utf8")).toBe("the new text");
  } finally {
    rmSync(dir, { recursive: true });
  }
});
