/** `circusd --daemon` and its log (reference §7, defect D15). */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { iniText, startAgent } from "../support/agent.ts";
import { assertNoLeaks, descendants, killSurvivors, type ProcessInfo, processInfo } from "../support/leaks.ts";
import { freePorts } from "../support/ports.ts";
import { run } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { zmqCall } from "../support/zmq-call.ts";

let dir: TempDir;
let endpoint: string;
let ini: string;
beforeEach(async () => {
  dir = await tempDir("circusd-daemon-");
  const [command = 0, pubsub = 0, stats = 0] = await freePorts(3);
  endpoint = `tcp://127.0.0.1:${command}`;
  const circus = {
    endpoint,
    pubsub_endpoint: `tcp://127.0.0.1:${pubsub}`,
    stats_endpoint: `tcp://127.0.0.1:${stats}`,
    pidfile: dir.file("pid"),
    logoutput: dir.file("log"),
  };
  ini = await dir.write("circus.ini", iniText({ circus, "watcher:w": { cmd: "sleep 1000", copy_env: "True" } }));
});
afterEach(async () => {
  await dir[Symbol.asyncDispose]();
});
afterAll(() => assertNoLeaks());

async function daemonPid(): Promise<number> {
  return Number(await readFile(dir.file("pid"), "utf8"));
}

describe("--daemon", () => {
  let left: ProcessInfo[] = [];
  afterEach(() => {
    killSurvivors(left);
    left = [];
  });

  it("returns 0 when everything is bound, and leaves a circusd in a session of its own, away from the terminal", async () => {
    const result = await run("circusd", ["--daemon", ini], { cwd: dir.path });
    expect(result).toMatchObject({ code: 0, stdout: "", stderr: "" });
    const pid = await daemonPid();
    left = [processInfo(pid)!, ...descendants(pid)];
    expect(await zmqCall(endpoint, { command: "numwatchers" }, 10_000)).toMatchObject({ numwatchers: 1 });
    await waitFor(() => descendants(pid).length === 1, { what: "its worker" });
    const [worker] = descendants(pid);
    left.push(worker!);
    for (const fd of [0, 1, 2]) {
      expect(readlinkSync(`/proc/${pid}/fd/${fd}`)).toBe("/dev/null");
      expect(readlinkSync(`/proc/${worker!.pid}/fd/${fd}`)).toBe("/dev/null");
    }
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe(dir.path);
    const [, , session] = / \(.*\) \S (\d+) (\d+) (\d+)/.exec(await readFile(`/proc/${pid}/stat`, "utf8"))!.slice(1);
    expect(Number(session)).toBe(pid);
    const environment = await readFile(`/proc/${worker!.pid}/environ`, "utf8");
    expect(environment).not.toContain("CIRCUSD_");
    process.kill(pid, "SIGTERM");
    await waitFor(() => processInfo(pid) === null, { what: "its end" });
    expect(await stat(dir.file("pid")).catch(() => null)).toBeNull();
    expect(await readFile(dir.file("log"), "utf8")).toContain("[INFO] circusd stopped");
  });

  it("shows what is wrong with the file, and exits 1", async () => {
    await writeFile(ini, "[watcher:w]\ncmd = x\nnumprocesses = many\n");
    expect(await run("circusd", ["--daemon", ini], { cwd: dir.path })).toMatchObject({
      code: 1,
      stderr: "circus.ini:3: numprocesses: 'many' is not a whole number\n",
    });
  });

  it("shows which endpoint is in use, and exits 1 without a worker and without a pid file", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(Number(endpoint.split(":")[2]), "127.0.0.1", resolve));
    const result = await run("circusd", ["--daemon", ini]);
    server.close();
    expect(result).toMatchObject({ code: 1, stderr: `circusd: endpoint ${endpoint} is in use by another program\n` });
    expect(await stat(dir.file("pid")).catch(() => null)).toBeNull();
  });

  it("shows warnings of the file, and whose pid file it is", async () => {
    await writeFile(dir.file("pid"), `${process.pid}\n`);
    await writeFile(ini, `[circus]\nfrob = 1\n${(await readFile(ini, "utf8")).replace("[circus]\n", "")}`);
    const result = await run("circusd", ["--daemon", ini], { cwd: dir.path });
    expect(result.code).toBe(1);
    expect(result.stderr.split("\n")).toEqual([
      "circus.ini:2: unknown key 'frob' in [circus]; it is ignored (warning)",
      `circusd: pid file '${dir.file("pid")}' belongs to pid ${process.pid}, which is running`,
      "",
    ]);
  });
});

describe("the log", () => {
  it("is opened anew on SIGUSR1, and when its file was moved away; USR2 and WINCH are nothing", async () => {
    await using agent = await startAgent({
      sections: { circus: { logoutput: dir.file("log") }, "watcher:w": { cmd: "sleep 1000" } },
    });
    const log = (name: string): Promise<string> => readFile(dir.file(name), "utf8");
    await waitFor(async () => (await log("log")).includes("watcher started"), { what: "the start" });
    await rename(dir.file("log"), dir.file("log.1"));
    for (const signal of ["SIGUSR2", "SIGWINCH", "SIGUSR1"] as const) agent.program.kill(signal);
    await waitFor(async () => (await log("log")).includes("SIGUSR1"), { what: "the new file" });
    await agent.call("stop", { waiting: true });
    await rename(dir.file("log"), dir.file("log.2"));
    await agent.call("start", { waiting: true });
    await waitFor(async () => (await log("log")).includes("watcher started"), { what: "the third file" });
    expect(await log("log.1")).not.toContain("SIGUSR1");
    expect(await log("log.2")).toContain("watcher stopped");
  });

  it("goes to syslog, whose address the command line may give", async () => {
    const daemon = createSocket("udp4").bind(0, "127.0.0.1");
    await once(daemon, "listening");
    const { port } = daemon.address();
    const heard: string[] = [];
    daemon.on("message", (message) => heard.push(message.toString()));
    const agent = await startAgent({
      sections: { circus: { logoutput: "/no/such/dir/log" }, "watcher:w": { cmd: "sleep 1000" } },
      args: ["--log-output", `syslog://127.0.0.1:${port}?local3`, "--log-level", "INFO"],
    });
    await using _agent = agent;
    const { program } = agent;
    await agent.stop();
    // 19 × 8 + 6
    await waitFor(() => heard.find((text) => /^<158>.* circus\[\d+\] \[INFO\] circusd stopped$/.test(text)), {
      what: "the last line",
    });
    expect(heard.filter((text) => text.includes("[DEBUG]"))).toEqual([]);
    expect(program.stderr).toBe("");
    daemon.close();
  });

  it.each([
    ["logoutput", "syslog://", "it is not syslog://HOST"],
    ["loggerconfig", "logging.yaml", "is a configuration of Python's logging"],
  ])("%s = %s is refused with its line", async (key, value, problem) => {
    await writeFile(ini, `[circus]\n${key} = ${value}\n[watcher:w]\ncmd = x\n`);
    const result = await run("circusd", [ini], { cwd: dir.path });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(new RegExp(`^circus\\.ini:2: ${key}: .*${problem}`));
  });
});
