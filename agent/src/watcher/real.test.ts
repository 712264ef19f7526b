/** The watcher with real processes, through dependencies as thin as they can be. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { makeLogger } from "@circus-cluster/proto";
import { afterEach, describe, expect, it } from "vitest";
import type { WatcherConfig } from "../config/types.ts";
import type { WatcherDeps } from "./deps.ts";
import { NOBODY } from "./state.ts";
import { createWatcher, type Watcher } from "./watcher.ts";
import { TEST_CONFIG } from "./world.fixture.ts";

const signals: Readonly<Record<string, number>> = constants.signals;
const events: string[] = [];

/** The child's exit can be reaped a moment before we hear of it. */
function send(pid: number, signum: number): void {
  try {
    process.kill(pid, signum);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

const deps: WatcherDeps = {
  spawn: ({ config }, onExit) => {
    const child = spawn("/bin/sh", ["-c", config.cmd], { detached: true, stdio: "ignore", env: { ...config.env } });
    child.once("error", () => undefined);
    if (child.pid === undefined) return { ok: false, reason: "cannot run /bin/sh" };
    child.once("exit", (code, signal) => {
      onExit({ code, signal: signal === null ? null : (signals[signal] ?? null) });
    });
    return { ok: true, pid: child.pid, startedMs: Date.now() };
  },
  signal: send,
  killGroup: (pid, signum) => send(-pid, signum),
  signalChildren: () => [],
  attend: () => undefined,
  stateTurned: () => undefined,
  watchHealth: () => null,
  callHook: () => () => undefined,
  healthTurned: () => undefined,
  statusTurned: () => undefined,
  configTurned: () => undefined,
  outputAtRest: () => Promise.resolve(),
  intend: () => undefined,
  escalate: () => undefined,
  setTimer: (delayMs, fire) => setTimeout(fire, delayMs),
  clearTimer: (handle) => clearTimeout(handle as NodeJS.Timeout),
  now: () => performance.now(),
  wall: () => Date.now(),
  random: () => Math.random(),
  bus: { publish: ({ event }) => void events.push(event), emit: () => 0 },
  log: makeLogger(() => undefined),
};

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function isAlive(pid: number): boolean {
  try {
    // A zombie that init has not collected yet is dead.
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

const pids = (watcher: Watcher) => watcher.processes().map((process) => process.pid);
let watcher: Watcher | null = null;
const make = (config: Partial<WatcherConfig>) => {
  events.length = 0;
  watcher = createWatcher({ ...TEST_CONFIG, env: { PATH: "/usr/bin:/bin" }, ...config }, deps);
  return watcher;
};

afterEach(async () => {
  const left = watcher === null ? [] : pids(watcher);
  await watcher?.kill(NOBODY, null, 9, 0);
  await watcher?.stop(NOBODY);
  expect(left.filter(isAlive)).toEqual([]);
});

describe("real processes", () => {
  it("replaces a process killed from outside at once, without a tick", async () => {
    const w = make({ cmd: "exec sleep 60" });
    await w.start(NOBODY);
    const [first = 0, second = 0] = pids(w);
    process.kill(first, "SIGKILL");
    await until(() => !pids(w).includes(first) && pids(w).length === 2);
    expect(pids(w)).toContain(second);
    expect(events).toEqual(["spawn", "spawn", "start", "reap", "spawn"]);
    expect(pids(w).every(isAlive)).toBe(true);
  });

  it("stops a shell that ignores SIGTERM, and the child in its group, after graceful_timeout", async () => {
    const dir = await mkdtemp(join(tmpdir(), "watcher-"));
    try {
      const child = join(dir, "child");
      const cmd = `trap '' TERM; sleep 60 & echo $! > ${child}.new; mv ${child}.new ${child}; while :; do wait; done`;
      const w = make({ cmd, numprocesses: 1, gracefulTimeoutS: 0.3 });
      await w.start(NOBODY);
      let childPid = 0;
      await until(() => {
        try {
          childPid = Number(readFileSync(child, "utf8"));
        } catch {
          return false;
        }
        return childPid > 0;
      });
      const [shell = 0] = pids(w);
      const began = performance.now();
      const info = await w.stop(NOBODY);
      expect(performance.now() - began).toBeGreaterThanOrEqual(299);
      expect(info.stopped).toEqual([shell]);
      expect(w.status).toBe("stopped");
      await until(() => !isAlive(childPid) && !isAlive(shell));
      expect(events).toEqual(["spawn", "start", "kill", "kill", "reap", "stop"]);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  it("reloads gracefully, and keeps the old processes where the new ones die", async () => {
    const w = make({ cmd: "exec sleep 60", readyMinUptimeS: 0.2 });
    await w.start(NOBODY);
    const before = pids(w);
    await w.reload(NOBODY, { graceful: true, sequential: false, newerThan: null });
    const after = pids(w);
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
    await expect(w.set(NOBODY, { cmd: "exit 7" })).rejects.toThrow(/exited with status 7/);
    expect(pids(w)).toEqual(after);
    expect(after.every(isAlive)).toBe(true);
    await until(() => w.snapshot().processes.every((process) => process.health === "healthy"));
  });
});
