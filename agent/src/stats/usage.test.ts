import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { UsageMeter } from "./usage.ts";

const started: ChildProcess[] = [];
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

function start(code: string): ChildProcess & { pid: number } {
  const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  started.push(child);
  return child as ChildProcess & { pid: number };
}

/** Busy for at least `ms` of CPU time, then says so and rests. */
const busy = (ms: number): string =>
  `while (process.cpuUsage().user < ${ms * 1000}); console.log("done"); setInterval(() => {}, 1000)`;

describe("UsageMeter", () => {
  it("adds up what was used, and does not fall when a process ends", async () => {
    const meter = new UsageMeter();
    const first = start(busy(300));
    await once(first.stdout!, "data");
    const before = (await meter.read([{ name: "web", pids: [first.pid] }])).get("web")!;
    expect(before.cpuS).toBeGreaterThanOrEqual(0.28);
    expect(before.rssBytes).toBeGreaterThan(10_000_000);
    expect(before.processes).toBe(1);
    first.kill("SIGKILL");
    await once(first, "exit");
    expect((await meter.read([{ name: "web", pids: [first.pid] }])).get("web")).toEqual({
      cpuS: before.cpuS,
      rssBytes: 0,
      processes: 0,
    });
    const second = start(busy(200));
    await once(second.stdout!, "data");
    const after = (await meter.read([{ name: "web", pids: [second.pid] }])).get("web")!;
    expect(after.cpuS).toBeGreaterThanOrEqual(before.cpuS + 0.18);
  });

  it("counts direct children, and forgets a watcher that is gone", async () => {
    const meter = new UsageMeter();
    const parent = start(
      `const c = require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(busy(200))}],
         { stdio: ["ignore", "inherit", "inherit"] }); process.on("exit", () => c.kill("SIGKILL"));
       process.on("SIGTERM", () => process.exit()); setInterval(() => {}, 1000)`,
    );
    await once(parent.stdout!, "data");
    const usage = (await meter.read([{ name: "web", pids: [parent.pid] }])).get("web")!;
    expect(usage.cpuS).toBeGreaterThanOrEqual(0.18);
    parent.kill("SIGTERM");
    await once(parent, "exit");
    expect(await meter.read([])).toEqual(new Map());
    expect((await meter.read([{ name: "web", pids: [] }])).get("web")).toEqual({ cpuS: 0, rssBytes: 0, processes: 0 });
  });
});
