import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { getPriority, totalmem, userInfo } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { GONE, type ProcessRecord, StatsSampler } from "./sampler.ts";

describe("StatsSampler", () => {
  it("gives the record of a process and its children", async () => {
    const shell = spawn("sh", ["-c", "sleep 300 & echo; wait"], {
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
    });
    await once(shell.stdout, "data");
    const known = { startedMs: Date.now() - 4000, wid: 2 };
    const look = () => new StatsSampler().sample(shell.pid!, known) as ProcessRecord;
    await expect.poll(() => look().children[0]?.cmdline).toBe("sleep"); // between fork and exec it is a second sh
    const record = look();
    expect(record).toMatchObject({ pid: shell.pid, cmdline: "sh", nice: getPriority(), cpu: 0, wid: 2 });
    expect(record.mem_info1).toMatch(/^\d+\.\d\d[KM]$/);
    expect(record.ctime).toMatch(/^\d+:\d\d\.\d+$/);
    expect(record.age).toBeGreaterThanOrEqual(4);
    expect(Math.abs(Number(record.create_time) - Date.now() / 1000)).toBeLessThan(5);
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
    while (cpu === 0 && Date.now() < deadline) cpu = Number((sampler.sample(busy.pid!, null) as ProcessRecord).cpu);
    expect(cpu).toBeGreaterThan(0);
    busy.kill("SIGKILL");
    await once(busy, "exit");
  });

  it("measures from the look before the last one where that was just now: two who ask do not spoil each other's figures", async () => {
    const sampler = new StatsSampler();
    const busy = spawn(process.execPath, ["-e", "console.log(1);for(;;);"], { stdio: ["ignore", "pipe", "ignore"] });
    await once(busy.stdout, "data");
    const look = (): number => Number((sampler.sampleAlone(busy.pid!, null) as ProcessRecord).cpu);
    expect(look()).toBe(0);
    await delay(500);
    const [first, second] = [look(), look()];
    expect(first).toBeGreaterThan(0);
    expect(Math.abs(second - first)).toBeLessThan(first / 2); // the kernel's 10 ms in over 500
    busy.kill("SIGKILL");
    await once(busy, "exit");
  });

  it("says N/A of a process that /proc hides, and that it is gone where there is none", () => {
    const known = { startedMs: Date.now() - 2000, wid: 1 };
    expect(new StatsSampler(() => true).sample(2 ** 22 + 1, known)).toMatchObject({
      ...{ pid: 2 ** 22 + 1, cmdline: "N/A", username: "N/A", nice: "N/A", mem_info1: "N/A", mem_info2: "N/A" },
      ...{ cpu: "N/A", mem: "N/A", ctime: "N/A", create_time: "N/A", wid: 1, children: [] },
    });
    expect(new StatsSampler().sample(2 ** 22 + 1, known)).toBe(GONE);
  });

  it("shows a child that nobody reaped as a zombie", async () => {
    const script =
      "import os, time\nif os.fork() == 0: os._exit(0)\ntime.sleep(0.1); print(1, flush=True); time.sleep(60)";
    const parent = spawn("python3", ["-c", script], { stdio: ["ignore", "pipe", "ignore"] });
    await once(parent.stdout, "data");
    const record = new StatsSampler().sample(parent.pid!, null) as ProcessRecord;
    expect(record.children).toMatchObject([{ nice: "Zombie", cmdline: "N/A", mem_info1: "0B", mem: 0 }]);
    parent.kill("SIGKILL");
    await once(parent, "exit");
  });

  it("names the user, or gives the number of one without a name", async () => {
    expect(new StatsSampler().sample(process.pid, null)).toMatchObject({ username: userInfo().username });
    if (process.getuid?.() !== 0) return;
    const nobody = spawn("sleep", ["60"], { uid: 54_321, gid: 54_321, stdio: "ignore" });
    expect(new StatsSampler().sample(nobody.pid!, null)).toMatchObject({ username: "54321" });
    nobody.kill("SIGKILL");
    await once(nobody, "exit");
  });

  it("agrees with the kernel on memory, to three decimals of a per cent", () => {
    const record = new StatsSampler().sample(process.pid, null) as ProcessRecord;
    const kib = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))![1]);
    expect(record.mem).toBeCloseTo((kib * 1024 * 100) / totalmem(), 0);
    expect(record.mem).toBe(Number(Number(record.mem).toFixed(3)));
    expect(record.age).toBeCloseTo(Date.now() / 1000 - Number(record.create_time), 0);
  });
});
