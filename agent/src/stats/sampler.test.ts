import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { GONE, type ProcessRecord, StatsSampler } from "./sampler.ts";

describe("StatsSampler", () => {
  it("gives the record of a process and its children", async () => {
    const shell = spawn("sh", ["-c", "sleep 300 & echo; wait"], {
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
    });
    await once(shell.stdout, "data");
    const record = new StatsSampler().sample(shell.pid!, { startedMs: Date.now() - 4000, wid: 2 }) as ProcessRecord;
    expect(record).toMatchObject({ pid: shell.pid, cmdline: "sh", nice: 0, cpu: 0, wid: 2 });
    expect(record.mem_info1).toMatch(/^\d+\.\d\d[KM]$/);
    expect(record.ctime).toMatch(/^\d+:\d\d\.\d+$/);
    expect(record.age).toBeGreaterThanOrEqual(4);
    expect(Math.abs(record.create_time - Date.now() / 1000)).toBeLessThan(5);
    expect(record.children).toHaveLength(1);
    expect(record.children[0]).toMatchObject({ cmdline: "sleep", children: [] });
    expect(record.children[0]).not.toHaveProperty("wid");
    process.kill(-shell.pid!, "SIGKILL");
    await once(shell, "exit");
    expect(new StatsSampler().sample(shell.pid!, null)).toBe(GONE);
  });

  it("measures CPU since the previous look", async () => {
    const sampler = new StatsSampler();
    const busy = spawn(process.execPath, ["-e", "console.log(1);for(;;);"], { stdio: ["ignore", "pipe", "ignore"] });
    await once(busy.stdout, "data");
    expect(sampler.sample(busy.pid!, null)).toMatchObject({ cpu: 0 });
    const deadline = Date.now() + 10_000;
    let cpu = 0;
    while (cpu === 0 && Date.now() < deadline) cpu = (sampler.sample(busy.pid!, null) as ProcessRecord).cpu;
    expect(cpu).toBeGreaterThan(0);
    busy.kill("SIGKILL");
    await once(busy, "exit");
  });
});
