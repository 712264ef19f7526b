import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { childrenOf, descendantsOf, killGroup, killTree, sendSignal, signalNumber } from "./signals.ts";

it("`signalNumber` knows Node's names", () => {
  expect(signalNumber("SIGKILL")).toBe(9);
  expect(signalNumber(null)).toBeNull();
});

describe("sendSignal", () => {
  it.each([0, -1, 1.5, Number.NaN])("refuses pid %d, which is no single process or group", (pid) => {
    expect(() => sendSignal(pid, 0)).toThrow(RangeError);
  });
  it("refuses to signal every process where a group leader's pid is 1", () => {
    expect(() => killGroup(1, 0)).toThrow(RangeError);
  });
});

describe("a process with a child in its group", () => {
  it("is found, signalled and killed as a group", async () => {
    const shell = spawn("sh", ["-c", "sleep 300 & echo $!; wait"], {
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
    });
    const pid = shell.pid!;
    const [line] = (await once(shell.stdout, "data")) as [Buffer];
    const grandchild = Number(line.toString());
    expect(childrenOf(pid)).toEqual([grandchild]);
    expect(descendantsOf(pid)).toEqual([grandchild]);
    expect(killGroup(pid, 0)).toBe(true);
    expect(killGroup(pid)).toBe(true);
    await once(shell, "exit");
    expect(sendSignal(pid, 15)).toBe(false);
    expect(childrenOf(pid)).toEqual([]);
  });
});

it("`killTree` ends descendants that left the group too (D9)", async () => {
  const shell = spawn("sh", ["-c", "setsid sh -c 'echo $$; sleep 300; true' & wait"], {
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = (await once(shell.stdout, "data")) as [Buffer];
  const session = Number(line.toString());
  await expect.poll(() => descendantsOf(session)).toHaveLength(1);
  const [sleeper] = descendantsOf(session);
  killTree(shell.pid!);
  await once(shell, "close"); // nobody holds its stdout any more, which a process gives up before it is a zombie
  await expect
    .poll(() => [session, sleeper!].filter((pid) => existsSync(`/proc/${pid}`) && !isZombie(pid)))
    .toEqual([]);
});

function isZombie(pid: number): boolean {
  return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}
