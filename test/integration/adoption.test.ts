/** Workers outlive a killed circusd, and the next one goes on with them. */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, statSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Agent, iniText, type Section, startAgent } from "../support/agent.ts";
import { assertNoLeaks, processInfo } from "../support/leaks.ts";
import { type Load, startLoad } from "../support/load.ts";
import { freePort, freePorts } from "../support/ports.ts";
import { projectRoot, run } from "../support/process.ts";
import { python } from "../support/python.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

const deadlineMs = 60_000;
const HTTP_WORKER = join(projectRoot, "test/fixtures/small_http.py");

async function pids(agent: Agent, name: string): Promise<readonly number[]> {
  const reply = await agent.call("list", { name });
  return reply["pids"] as readonly number[];
}

async function statuses(agent: Agent): Promise<unknown> {
  return (await agent.call("status"))["statuses"];
}

/** Until so many run. */
function running(agent: Agent, name: string, count: number): Promise<readonly number[]> {
  return waitFor(
    async () => {
      const found = await pids(agent, name);
      return found.length === count && (await agent.call("status", { name }))["status"] === "active" ? found : null;
    },
    { what: `${count} of ${name}`, deadlineMs },
  );
}

/** So many more requests, whatever comes of them. */
async function more(load: Load): Promise<void> {
  const before = load.requests;
  await waitFor(() => load.requests >= before + 5, { what: "five more requests", deadlineMs });
}

describe("a circusd that is killed", () => {
  it("costs no worker and no request; the next one adopts them, with their age, sockets and output", async () => {
    await using dir = await tempDir("adoption-");
    const port = await freePort();
    const log = dir.file("talks.log");
    const sections = (numprocesses: number): Record<string, Section> => ({
      "watcher:web": {
        ...{ cmd: `python3 ${HTTP_WORKER} $(circus.sockets.web)`, use_sockets: true, copy_env: true },
        ...{ numprocesses, singleton: false },
      },
      "watcher:talks": {
        cmd: `sh -c 'n=0; while :; do n=$((n+1)); echo line $n; sleep 0.05; done'`,
        ...{ copy_env: true, "stdout_stream.filename": log },
      },
      "watcher:sleeps": { cmd: "sleep 1000", numprocesses: 2 },
      "watcher:job": { cmd: `sh -c 'echo ran >> ${dir.file("job")}'`, respawn: false, copy_env: true },
      "socket:web": { host: "127.0.0.1", port },
    });
    await using agent = await startAgent({ sections: sections(2) });
    const web = await running(agent, "web", 2);
    const [talks] = await running(agent, "talks", 1);
    const sleeps = await running(agent, "sleeps", 2);
    await waitFor(async () => (await agent.call("status", { name: "job" }))["status"] === "stopped", {
      what: "the job to be done",
      deadlineMs,
    });
    await agent.call("incr", { name: "sleeps", nb: 1, waiting: true });
    const three = await running(agent, "sleeps", 3);
    const ageOf = async (pid: number): Promise<number> => {
      const infos = (await agent.call("stats", { name: "web", process: pid, extended: true }))["info"];
      return (infos as { readonly age: number }).age;
    };
    const sockets = (await agent.call("listsockets"))["sockets"];
    {
      await using load = startLoad({ port, workers: 1, timeoutMs: deadlineMs, expect: "Hello, World!\n" });
      await more(load);
      const age = await ageOf(web[0] ?? 0);
      await agent.kill9();
      await more(load);
      // One dies while nobody is there; the file changes.
      process.kill(sleeps[0] ?? 0, "SIGTERM");
      await waitFor(() => processInfo(sleeps[0] ?? 0) === null, { what: "it to end", deadlineMs });
      const ini = readFileSync(agent.iniFile, "utf8");
      await writeFile(agent.iniFile, ini.replace("numprocesses = 2", "numprocesses = 3"));
      await agent.restart();
      await more(load);
      const grown = await running(agent, "web", 3);
      expect(grown).toEqual(expect.arrayContaining([...web]));
      expect(await ageOf(web[0] ?? 0)).toBeGreaterThan(age);
      expect((await agent.call("listsockets"))["sockets"]).toEqual(sockets);
      expect(await pids(agent, "talks")).toEqual([talks]);
      const now = await running(agent, "sleeps", 3);
      expect(now).toEqual(expect.arrayContaining(three.filter((pid) => pid !== sleeps[0])));
      expect(await statuses(agent)).toEqual({ job: "stopped", sleeps: "active", talks: "active", web: "active" });
      expect(readFileSync(dir.file("job"), "utf8")).toBe("ran\n");
      await agent.program.waitForLine(
        new RegExp(`process exited watcher=sleeps wid=1 pid=${sleeps[0] ?? 0} .*unattended`),
      );

      // An adopted one that dies is seen at once, with its signal where the kernel tells it.
      process.kill(sleeps[1] ?? 0, "SIGKILL");
      await agent.program.waitForLine(
        new RegExp(
          `process exited watcher=sleeps wid=2 pid=${sleeps[1] ?? 0} code=null signal=(9|null) expected=false uptime`,
        ),
      );
      await running(agent, "sleeps", 3);

      // What a command asks of adopted ones works as ever.
      await agent.call("reload", { name: "web", waiting: true }, deadlineMs);
      expect(await pids(agent, "web")).not.toContain(web[0]);
      await more(load);

      // The way to another version: the workers stay, and nobody is refused, also in the middle of a restart.
      const old = await pids(agent, "web");
      await agent.call("restart", { name: "web" });
      await agent.call("quit", { keep_workers: true, waiting: true }, deadlineMs);
      expect(await agent.program.exited).toMatchObject({ code: 0 });
      await more(load);
      await agent.restart();
      const kept = await running(agent, "web", 3);
      expect(kept.filter((pid) => old.includes(pid))).toEqual([]);
      await agent.program.waitForLine(/process adopted watcher=web /);
      await more(load);
      expect(load.failures).toEqual([]);
      expect(load.requests).toBeGreaterThan(30);
    }
    await agent.call("stop", { name: "talks", waiting: true });
    const lines = readFileSync(log, "utf8").trimEnd().split("\n");
    expect(lines).toEqual(lines.map((_, i) => `line ${i + 1}`));
    await agent.stop();
    for (const pid of [...web, ...three, talks ?? 0]) expect(processInfo(pid)).toBeNull();
  });

  it("--no-adopt stops what it finds first; a damaged journal leaves nobody unowned", async () => {
    const sections = { "watcher:w": { cmd: "sleep 1000", numprocesses: 2 } };
    await using agent = await startAgent({ sections, args: ["--no-adopt"] });
    const first = await running(agent, "w", 2);
    await agent.kill9();
    await agent.restart();
    const second = await running(agent, "w", 2);
    for (const pid of first) expect(processInfo(pid)).toBeNull();
    expect(agent.program.stderr + agent.program.stdout).toMatch(/stopping a process of an earlier circusd.*--no-adopt/);
    await agent.kill9();
    await writeFile(join(agent.stateDir, "journal"), "what was this?\n");
    await agent.restart();
    const third = await running(agent, "w", 2);
    for (const pid of second) expect(processInfo(pid)).toBeNull();
    await agent.program.waitForLine(/the journal is damaged/);
    // Where the journal cannot be written, nothing else is different.
    rmSync(join(agent.stateDir, "journal"));
    expect(await pids(agent, "w")).toEqual(third);
    expect(statSync(agent.stateDir).mode & 0o777).toBe(0o700);
  });
});

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const asNobody = ["--reuid", `${NOBODY}`, "--regid", `${NOBODY}`, "--clear-groups"];

/** From 1 on yama lets nobody but an ancestor, or root, take a descriptor of a process. */
function ptraceScope(): number {
  try {
    return Number(readFileSync("/proc/sys/kernel/yama/ptrace_scope", "utf8"));
  } catch {
    return 0; // a kernel without it
  }
}

/** The project may be where nobody else may look. */
function isForEverybody(): boolean {
  const look = `require("node:fs").accessSync(${JSON.stringify(join(projectRoot, "agent/dist/main.js"))})`;
  return !isRoot || spawnSync("setpriv", [...asNobody, process.execPath, "-e", look]).status === 0;
}

/** Nobody but root may look at what it has open. */
const SHY = `
import ctypes, runpy, sys
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
runpy.run_path(sys.argv.pop(1), run_name="__main__")
`;

if (isForEverybody()) {
  it("an ordinary user's circusd takes the sockets that it may, and restarts who has another, with the reason", async () => {
    await using dir = await tempDir("adoption-");
    await chmod(dir.path, 0o755);
    const hiding = await dir.write("shy.py", SHY);
    const [port = 0, other = 0] = await freePorts(2);
    const common = { use_sockets: true, copy_env: true, "ready.min_uptime": "100ms" };
    await using agent = await startAgent({
      sections: {
        "watcher:web": { cmd: `${python()} ${HTTP_WORKER} $(circus.sockets.web)`, ...common },
        "watcher:shy": { cmd: `${python()} ${hiding} ${HTTP_WORKER} $(circus.sockets.shy)`, ...common },
        "watcher:sleeps": { cmd: "sleep 1000" },
        "socket:web": { host: "127.0.0.1", port },
        "socket:shy": { host: "127.0.0.1", port: other },
      },
      ...(isRoot ? { user: NOBODY } : {}),
    });
    const mayTake = ptraceScope() === 0;
    const pidOf = async (name: string): Promise<number> => (await running(agent, name, 1))[0] ?? 0;
    const look = () => Promise.all([pidOf("shy"), pidOf("sleeps")]);
    const serves = async (at: number) => {
      await using load = startLoad({
        port: at,
        workers: 1,
        requests: 3,
        timeoutMs: deadlineMs,
        expect: "Hello, World!\n",
      });
      expect((await load.finished).failures).toEqual([]);
    };
    const user = isRoot ? NOBODY : process.getuid?.();
    expect(readFileSync(`/proc/${agent.pid}/status`, "utf8")).toMatch(new RegExp(`^Uid:\\t${user}\\t${user}\\t`, "m"));

    // Who uses sockets has all of them: one that lets itself be looked at is enough.
    await serves(other);
    const [web, before] = [await pidOf("web"), await look()];
    await agent.kill9();
    await agent.restart();
    if (mayTake) {
      expect([await pidOf("web"), await look()]).toEqual([web, before]);
    } else {
      await agent.program.waitForLine(/a socket cannot be taken over.* socket=web reason="pidfd_getfd: EPERM/);
      expect(await pidOf("web")).not.toBe(web);
      expect((await look())[1]).toBe(before[1]);
    }
    await serves(port);

    await agent.call("stop", { name: "web", waiting: true }, deadlineMs);
    const [shy, sleeps] = await look();
    await serves(other); // it hides from here on at the latest
    await agent.kill9();
    await agent.restart();
    const why = "a socket cannot be taken over: its workers are restarted socket=shy reason=.we may not look";
    await agent.program.waitForLine(new RegExp(why));
    await agent.program.waitForLine(
      new RegExp(`stopping a process of an earlier circusd pid=${shy} watcher=shy reason="its socket`),
    );
    const after = await look();
    expect([after[0] === shy, after[1]]).toEqual([false, sleeps]);
    await serves(other);
  });
}

it("a directory that cannot be written costs one warning; nothing else keeps circusd from running", async () => {
  await using dir = await tempDir("adoption-");
  const blocked = await dir.write("blocked", "");
  const port = await freePort();
  const pub = await freePort();
  const circus = { endpoint: `tcp://127.0.0.1:${port}`, pubsub_endpoint: `tcp://127.0.0.1:${pub}`, statsd: false };
  const ini = await dir.write("c.ini", iniText({ circus, "watcher:w": { cmd: "sleep 1000" } }));
  const checked = await run("circusd", ["--check", ini], { env: { XDG_STATE_HOME: dir.file("none") } });
  expect(checked).toMatchObject({ code: 0 });
  expect(() => statSync(dir.file("none"))).toThrow("ENOENT");
  await using agent = await startAgent({
    sections: { circus: { state_dir: "" }, "watcher:w": { cmd: "sleep 1000" } },
    env: { XDG_STATE_HOME: blocked },
  });
  await running(agent, "w", 1);
  expect(agent.program.stderr).toMatch(/workers will not outlive circusd.*ENOTDIR/);
  expect(await agent.call("quit", { keep_workers: true, waiting: true })).toMatchObject({ status: "error" });
});
