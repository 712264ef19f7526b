import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { makeLogger } from "@circus-cluster/proto";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ReadableSockets } from "../sockets/readable.ts";
import { NotifyHub } from "./notify.ts";

const log = makeLogger(() => undefined);
const before = process.env["TMPDIR"];
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "hub-"));
  process.env["TMPDIR"] = dir;
});
afterEach(() => {
  if (before === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = before;
  rmSync(dir, { recursive: true });
});

it("hears what a process says, and leaves nothing behind", async () => {
  const hub = new NotifyHub(new ReadableSockets(log));
  const heard = new Promise<string>((resolve) => {
    const { path } = hub.open(resolve);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o711);
    const script =
      'import socket, sys; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", sys.argv[1])';
    execFileSync("python3", ["-c", script, path]);
  });
  expect(await heard).toBe("READY=1");
  hub.close();
  hub.close();
  expect(readdirSync(dir)).toEqual([]);
});

it("removes what a killed agent left, not what a living one has or what is no such directory", () => {
  const stale = join(dir, "circusd-notify-stale");
  mkdirSync(stale);
  writeFileSync(join(stale, "lock"), "");
  writeFileSync(join(stale, "0123"), "");
  const foreign = join(dir, "circusd-notify-foreign");
  mkdirSync(foreign); // no lock: of whoever
  writeFileSync(join(dir, "circusd-notify-file"), "");
  const [first, second] = [new NotifyHub(new ReadableSockets(log)), new NotifyHub(new ReadableSockets(log))];
  const one = first.open(() => undefined);
  expect(existsSync(stale)).toBe(false);
  const two = second.open(() => undefined);
  expect(existsSync(one.path) && existsSync(two.path)).toBe(true);
  first.close();
  second.close();
  expect(readdirSync(dir).sort()).toEqual(["circusd-notify-file", "circusd-notify-foreign"]);
});
