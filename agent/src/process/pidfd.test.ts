import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readlinkSync } from "node:fs";
import { expect, it } from "vitest";
import { close } from "../sockets/syscalls.ts";
import { pidfdExitStatus, pidfdGetfd, pidfdOpen, pidfdSignal, pidfdSignalGroup } from "./pidfd.ts";

it("signals a process, then its end and its status are seen, and nobody is met any more", async () => {
  const child = spawn("sleep", ["1000"], { stdio: "ignore", detached: true });
  const pidfd = pidfdOpen(child.pid ?? 0);
  try {
    expect(pidfdExitStatus(pidfd)).toBeNull();
    expect(pidfdSignal(pidfd, 0)).toBe(true);
    expect(pidfdSignalGroup(pidfd, 15)).toBe(true);
    await once(child, "exit");
    expect(pidfdSignal(pidfd, 15)).toBe(false);
    expect(pidfdSignalGroup(pidfd, 15)).toBe(false);
    expect([15, null]).toContain(pidfdExitStatus(pidfd)); // null before Linux 6.15
  } finally {
    close(pidfd);
  }
});

it("copies a descriptor of another process", async () => {
  const mine = openSync("/proc/self/status", "r");
  const child = spawn("sleep", ["1000"], { stdio: ["ignore", "ignore", "ignore", mine] });
  await once(child, "spawn");
  const pidfd = pidfdOpen(child.pid ?? 0);
  const copy = pidfdGetfd(pidfd, 3);
  try {
    expect(readlinkSync(`/proc/self/fd/${copy}`)).toBe(readlinkSync(`/proc/self/fd/${mine}`));
    expect(() => pidfdGetfd(pidfd, 99)).toThrow("pidfd_getfd: EBADF");
  } finally {
    for (const fd of [copy, mine, pidfd]) close(fd);
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  expect(() => pidfdOpen(2 ** 30)).toThrow(/pidfd_open: (ESRCH|EINVAL)/);
});
