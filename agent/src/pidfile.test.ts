import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { PidFile } from "./pidfile.ts";

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "pid-"));
  path = join(dir, "circusd.pid");
});
afterEach(() => rmSync(dir, { recursive: true }));

it("holds the pid and a newline, mode 0644, and is removed at the end", () => {
  const before = process.umask(0o022);
  const file = PidFile.create(path);
  process.umask(before);
  expect(readFileSync(path, "utf8")).toBe(`${process.pid}\n`);
  expect(statSync(path).mode & 0o777).toBe(0o644);
  file[Symbol.dispose]();
  file[Symbol.dispose]();
  expect(existsSync(path)).toBe(false);
});

it.each(["", "garbage", "-1", "0", "4194305"])("a leftover %j is replaced", (left) => {
  writeFileSync(path, left);
  using _file = PidFile.create(path);
  expect(readFileSync(path, "utf8")).toBe(`${process.pid}\n`);
});

it("the file of a living process is left alone, and it is not called stale (D15)", () => {
  writeFileSync(path, `${process.ppid}\n`);
  expect(() => PidFile.create(path)).toThrow(`pid file '${path}' belongs to pid ${process.ppid}, which is running`);
  expect(readFileSync(path, "utf8")).toBe(`${process.ppid}\n`);
});

it("the file of one that was killed and that nobody has reaped is replaced", async () => {
  const keeper = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 1000"], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const [pid] = (await once(keeper.stdout, "data")) as [Buffer];
    await expect.poll(() => readFileSync(`/proc/${Number(pid)}/stat`, "utf8")).toMatch(/\) Z /);
    writeFileSync(path, `${Number(pid)}\n`);
    using _file = PidFile.create(path);
    expect(readFileSync(path, "utf8")).toBe(`${process.pid}\n`);
  } finally {
    keeper.kill("SIGKILL");
    await once(keeper, "close");
  }
});

it("what another has written meanwhile is not removed", () => {
  const file = PidFile.create(path);
  writeFileSync(path, "1\n");
  file[Symbol.dispose]();
  expect(readFileSync(path, "utf8")).toBe("1\n");
});

it("what is no regular file is left alone: a socket as one example, since a device could be removed too", async () => {
  const server = createServer().listen(path);
  await once(server, "listening");
  expect(() => PidFile.create(path)).toThrow(`cannot write pid file '${path}': it is no regular file`);
  expect(statSync(path).isSocket()).toBe(true);
  server.close();
});

it("a missing directory is one clear line", () => {
  expect(() => PidFile.create(join(dir, "no", "x"))).toThrow(/^cannot write pid file '.*': ENOENT/);
});
