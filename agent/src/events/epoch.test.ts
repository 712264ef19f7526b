import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { takeEpoch } from "./epoch.ts";

let dir: string;
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), "epoch-")), "state");
});
afterEach(() => rmSync(join(dir, ".."), { recursive: true }));

describe("takeEpoch", () => {
  it("takes the wall clock, stores it, and makes the directory private", () => {
    expect(takeEpoch(dir, 1000.7)).toBe(1000);
    expect(readFileSync(join(dir, "epoch"), "utf8")).toBe("1000\n");
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, "epoch")).mode & 0o777).toBe(0o600);
  });

  it("grows even where the clock went back or stands still", () => {
    expect(takeEpoch(dir, 5000)).toBe(5000);
    expect(takeEpoch(dir, 5000)).toBe(5001);
    expect(takeEpoch(dir, 10)).toBe(5002);
  });

  it("is above what the segments know, also where its own file is gone or garbage", () => {
    expect(takeEpoch(dir, 10, 700)).toBe(701);
    writeFileSync(join(dir, "epoch"), "\u0000\u0000\u0000");
    expect(takeEpoch(dir, 10, 702)).toBe(703);
  });

  it("fails where nothing can be stored, rather than number events in a life it may forget", () => {
    writeFileSync(dir, "a file, not a directory");
    expect(() => takeEpoch(dir, 1)).toThrow();
  });
});
