import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { CircusSection } from "./config/types.ts";
import { StateDir, stateDirPath } from "./state-dir.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "state-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

it("is made with mode 0700 and belongs to one agent at a time", () => {
  const path = join(dir, "a", "b");
  const first = StateDir.open(path);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(() => StateDir.open(path)).toThrow(`state directory ${path} is in use by another circusd`);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  using _second = StateDir.open(path);
});

it("one that cannot be made is one clear line", () => {
  writeFileSync(join(dir, "file"), "");
  expect(() => StateDir.open(join(dir, "file", "x"))).toThrow(`cannot use state directory ${join(dir, "file", "x")}: `);
});

it("is one per endpoint, where the file names none", () => {
  const circus = { endpoint: "tcp://127.0.0.1:5555", stateDir: null } as CircusSection;
  expect(stateDirPath(circus, {}, 0)).toBe("/var/lib/circus/tcp_127.0.0.1_5555");
  expect(stateDirPath(circus, { XDG_STATE_HOME: "/x" }, 1000)).toBe("/x/circus/tcp_127.0.0.1_5555");
  expect(stateDirPath({ ...circus, stateDir: "/s" }, {}, 0)).toBe("/s");
});
