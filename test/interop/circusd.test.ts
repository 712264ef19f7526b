/** circusd as a program: its start, its refusals, its signals and its end (reference §7, defects D1 and D15). */
import { execFileSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { iniText, type Section, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePorts } from "../support/ports.ts";
import { projectRoot, type Result, run, startProgram } from "../support/process.ts";
import { python } from "../support/python.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { type ZmqReply, zmqCall } from "../support/zmq-call.ts";

let dir: TempDir;
beforeEach(async () => {
  dir = await tempDir("circusd-");
});
afterEach(async () => {
  await dir[Symbol.asyncDispose]();
});
afterAll(() => assertNoLeaks());

const exists = async (path: string): Promise<boolean> => (await stat(path).catch(() => null)) !== null;

/** Two endpoints that are free. */
async function circus(more: Section = {}): Promise<Section> {
  const [endpoint = 0, pubsub = 0] = await freePorts(2);
  return { endpoint: `tcp://127.0.0.1:${endpoint}`, pubsub_endpoint: `tcp://127.0.0.1:${pubsub}`, ...more };
}

/** Runs circusd to its end on a file of these sections, its worker says that it ran by a file. */
async function refuse(sections: Readonly<Record<string, Section>>, args: readonly string[] = []): Promise<Result> {
  const cmd = `sh -c 'touch ${dir.file("started")} && exec sleep 1000'`;
  const file = await dir.write("circus.ini", iniText({ "watcher:w": { cmd, copy_env: "True" }, ...sections }));
  const result = await run("circusd", [...args, file], { cwd: dir.path });
  expect(await exists(dir.file("started"))).toBe(false);
  return result;
}

async function listen(): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as { port: number }).port };
}

describe("the command line", () => {
  it("`--version` is the one of Circus, a bad option exits 2, no file prints the usage", async () => {
    expect(await run("circusd", ["--version"])).toMatchObject({ code: 0, stdout: "0.19.0\n" });
    expect(await run("circusd", [])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^usage: circusd/) as string,
    });
    const bad = await run("circusd", ["--frob"]);
    expect(bad.code).toBe(2);
    expect(bad.stderr.split("\n").at(-2)).toBe("circusd: error: unrecognized arguments: --frob");
  });

  it("`--check` says whether a file is usable and starts nothing", async () => {
    const good = await dir.write("good.ini", iniText({ circus: await circus(), "watcher:w": { cmd: "sleep 1" } }));
    const bad = await dir.write("bad.ini", iniText({ "watcher:w": { cmd: "sleep 1", numprocesses: "two" } }));
    expect(await run("circusd", ["--check", good])).toMatchObject({ code: 0, stdout: "", stderr: "" });
    const result = await run("circusd", ["--check", bad], { cwd: dir.path });
    expect(result).toMatchObject({ code: 1, stderr: "bad.ini:3: numprocesses: 'two' is not a whole number\n" });
    const json = await run("circusd", ["--check", "--json", good]);
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: true, config: { watchers: [{ name: "w" }] } });
  });
});

describe("what is in the way ends circusd with one clear line and exit 1, before any worker (D15)", () => {
  it("every error of the configuration", async () => {
    const result = await refuse({
      circus: await circus(),
      "watcher:x": { numprocesses: 1 },
      "watcher:y": { cmd: "a", max_age: "b" },
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /^circus\.ini:\d+: \[watcher:x\] has no 'cmd'\ncircus\.ini:\d+: max_age: 'b' is not .*\n$/,
    );
  });

  it("an endpoint in use", async () => {
    const { server, port } = await listen();
    for (const key of ["endpoint", "pubsub_endpoint"]) {
      const result = await refuse({ circus: await circus({ [key]: `tcp://127.0.0.1:${port}` }) });
      const stderr = `circusd: endpoint tcp://127.0.0.1:${port} is in use by another program\n`;
      expect(result).toMatchObject({ code: 1, stdout: "", stderr });
    }
    server.close();
  });

  it("a socket in use", async () => {
    const { server, port } = await listen();
    const result = await refuse({ circus: await circus(), "socket:web": { host: "127.0.0.1", port } });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(`circusd: socket 'web': cannot bind 127.0.0.1:${port}: address already in use`);
    server.close();
  });

  it("an endpoint that others could reach", async () => {
    const result = await refuse({ circus: await circus({ endpoint: "tcp://0.0.0.0:5555" }) });
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^circus\.ini:\d+: endpoint: tcp:\/\/0\.0\.0\.0:5555 is not a loopback address/);
  });

  it("a pid file of a living process, and one that cannot be written", async () => {
    await writeFile(dir.file("pid"), `${process.pid}\n`);
    const taken = await refuse({ circus: await circus() }, ["--pidfile", dir.file("pid")]);
    const stderr = `circusd: pid file '${dir.file("pid")}' belongs to pid ${process.pid}, which is running\n`;
    expect(taken).toMatchObject({ code: 1, stderr });
    const missing = await refuse({ circus: await circus({ pidfile: dir.file("no/pid") }) });
    expect(missing).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^circusd: cannot write pid file/) as string,
    });
  });

  it("more processes than circusd has descriptors for, and `incr` and `set` say so too", async () => {
    const watcher = { "healthcheck.type": "notify", cmd: "sleep 1000", numprocesses: 300 };
    const file = await dir.write("many.ini", iniText({ circus: await circus(), "watcher:w": watcher }));
    const limited = `ulimit -n 300; exec ${projectRoot}/node_modules/.bin/circusd`;
    const result = await run("/bin/sh", ["-c", `${limited} ${file}`]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /^circusd: 300 processes need 300 descriptors of circusd, which has \d+ left of its limit 300; raise the limit .*\n$/,
    );
    const sections = await circus();
    const few = await dir.write("few.ini", iniText({ circus: sections, "watcher:w": { ...watcher, numprocesses: 1 } }));
    await using agent = await startProgram("/bin/sh", ["-c", `${limited} ${few}`]);
    await agent.waitForLine(/watcher started/);
    const ask = (command: string, properties: object): Promise<ZmqReply> =>
      zmqCall(String(sections["endpoint"]), { command, properties: { name: "w", ...properties } }, 10_000);
    const refused = { status: "error", errno: 5, reason: expect.stringContaining("lower numprocesses") as string };
    expect(await ask("incr", { nb: 299 })).toMatchObject(refused);
    expect(await ask("set", { options: { numprocesses: 300 } })).toMatchObject(refused);
    expect(await ask("numprocesses", {})).toMatchObject({ numprocesses: 1 });
    expect(await ask("incr", { nb: 1, waiting: true })).toMatchObject({ numprocesses: 2 });
  });

  it("another circusd with the same state directory, or on the same ipc endpoint", async () => {
    const ipc = `ipc://${dir.file("endpoint")}`;
    await using first = await startAgent({
      sections: { circus: { endpoint: ipc }, "watcher:w": { cmd: "sleep 1000" } },
    });
    const sameState = await refuse({ circus: await circus({ state_dir: first.stateDir }) });
    const stderr = `circusd: state directory ${first.stateDir} is in use by another circusd\n`;
    expect(sameState).toMatchObject({ code: 1, stderr });
    const sameEndpoint = await refuse({ circus: await circus({ endpoint: ipc }) });
    expect(sameEndpoint).toMatchObject({ code: 1, stderr: `circusd: endpoint ${ipc} is in use by another program\n` });
    expect((await stat(dir.file("endpoint"))).mode & 0o777).toBe(0o600);
    expect(await first.call("numwatchers")).toMatchObject({ numwatchers: 1 });
  });
});

describe("a start", () => {
  it("goes on when one watcher cannot be started; its state says stopped", async () => {
    await using agent = await startAgent({
      sections: { "watcher:bad": { cmd: "/no/such/program", priority: 5 }, "watcher:good": { cmd: "sleep 1000" } },
    });
    await waitFor(async () => (await agent.call("status", { name: "good" }))["status"] === "active", { what: "good" });
    await agent.program.waitForLine(/\[ERROR\] watcher failed watcher=bad .*no such file.* attempts=5/);
    expect(await agent.call("status")).toMatchObject({ statuses: { bad: "stopped", good: "active" } });
    const ofBad = agent.program.stderr.split("\n").filter((line) => line.includes("watcher=bad"));
    expect(ofBad).toHaveLength(1);
    // The good one did not wait for the last attempt.
    const order = agent.program.stderr.match(/watcher started watcher=good|watcher failed watcher=bad/g);
    expect(order).toEqual(["watcher started watcher=good", "watcher failed watcher=bad"]);
  });

  it("keeps to priorities and to warmup_delay", async () => {
    const sections = {
      circus: { warmup_delay: 1 },
      "watcher:late": { cmd: "sleep 1000", priority: 1 },
      "watcher:first": { cmd: "sleep 1000", priority: 9 },
    };
    await using agent = await startAgent({ sections });
    expect(await agent.call("status")).toMatchObject({ statuses: { first: "active", late: "stopped" } });
    await waitFor(async () => (await agent.call("status", { name: "late" }))["status"] === "active", { what: "late" });
  });

  it("gives a worker descriptors 0 to 2 and its sockets, the umask and the descriptor limit, nothing else", async () => {
    const [port = 0] = await freePorts(1);
    const report = (name: string) =>
      `sh -c 'ls -l /proc/self/fd > ${dir.file(name)} && umask >> ${dir.file(name)} && ulimit -Sn >> ${dir.file(name)} && env >> ${dir.file(name)} && touch ${dir.file(name)}.done && exec sleep 1000'`;
    const file = await dir.write(
      "circus.ini",
      iniText({
        circus: await circus({ umask: "027" }),
        "watcher:with": { cmd: report("with"), use_sockets: "True" },
        "watcher:without": { cmd: report("without") },
        "socket:web": { host: "127.0.0.1", port },
      }),
    );
    // A shell that leaks a descriptor and has a limit of its own.
    const shell = `exec 9<${file}; ulimit -Sn 512; exec ${projectRoot}/node_modules/.bin/circusd ${file}`;
    const agent = await startProgram("/bin/sh", ["-c", shell]);
    await using _agent = agent;
    await waitFor(async () => (await exists(dir.file("with.done"))) && (await exists(dir.file("without.done"))), {
      what: "both workers to report",
    });
    const lines = async (name: string) => (await readFile(dir.file(name), "utf8")).split("\n");
    const fds = async (name: string) =>
      (await lines(name)).flatMap((line) => / (\d+) -> (.*)$/.exec(line)?.slice(1, 3).join(" ") ?? []);
    // `ls` itself has one more, on the directory that it lists.
    const foreign = (found: string[]) => found.filter((line) => !/^[012] |\/proc\/\d+\/fd$/.test(line));
    expect(foreign(await fds("without"))).toEqual([]);
    expect(foreign(await fds("with"))).toEqual([expect.stringMatching(/^\d+ socket:/)]);
    expect(await lines("without")).toEqual(expect.arrayContaining(["0027", "512"]));
    // By which the next circusd finds it where the pid could not be written any more.
    const own = (await lines("without")).filter((line) => /^(CIRCUS|PATH|HOME|NODE)/.test(line));
    expect(own).toEqual([expect.stringMatching(/^CIRCUS_SPAWN_ID=/)]);
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
  });

  it("lets workers write to circusd's own output where no stream is configured, unless that is closed", async () => {
    const closed = { close_child_stdin: "False", close_child_stdout: "True", close_child_stderr: "True" };
    await using agent = await startAgent({
      sections: {
        "watcher:w": { cmd: "sh -c 'echo out; echo err >&2; exec sleep 1000'" },
        "watcher:x": { cmd: "sleep 1000", ...closed },
      },
    });
    await agent.program.waitForLine(/^out$/);
    await agent.program.waitForLine(/^err$/);
    const ends = (pid: number) => [0, 1, 2].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    const first = async (name: string) =>
      await waitFor(async () => ((await agent.call("list", { name }))["pids"] as number[])[0], { what: "a worker" });
    const [stdin, stdout, stderr] = ends(agent.pid);
    expect(ends(await first("w"))).toEqual(["/dev/null", stdout, stderr]);
    expect(ends(await first("x"))).toEqual([stdin, "/dev/null", "/dev/null"]);
  });

  it("writes and removes the pid file, and logs to a file", async () => {
    const sections = {
      circus: { pidfile: dir.file("pid"), logoutput: dir.file("log") },
      "watcher:w": { cmd: "sleep 1000" },
    };
    const agent = await startAgent({ sections });
    await using _agent = agent;
    const { program } = agent;
    expect(await readFile(dir.file("pid"), "utf8")).toBe(`${program.pid}\n`);
    expect(await agent.stop()).toEqual({ code: 0, signal: null });
    expect(await exists(dir.file("pid"))).toBe(false);
    expect(await readFile(dir.file("log"), "utf8")).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d circus\[\d+\] \[INFO\] circusd started/,
    );
    expect(program.stderr).toBe("");
  });
});

/** A worker that takes this long to go after SIGTERM. */
function slowWorker(seconds: number): string {
  return `${python()} -c 'import signal, time, sys; signal.signal(signal.SIGTERM, lambda *a: (time.sleep(${seconds}), sys.exit(0))); print("ready", flush=True); [time.sleep(1) for _ in range(1000)]'`;
}

describe("signals", () => {
  it.each(["SIGTERM", "SIGINT", "SIGQUIT"] as const)("%s stops all workers and exits 0", async (signal) => {
    await using agent = await startAgent({ sections: { "watcher:w": { cmd: "sleep 1000", numprocesses: 3 } } });
    await waitFor(() => agent.descendants().length === 3, { what: "three workers" });
    agent.program.kill(signal);
    expect(await agent.program.exited).toEqual({ code: 0, signal: null });
  });

  it("a second SIGTERM does not cut the workers' time short", async () => {
    await using agent = await startAgent({ sections: { "watcher:w": { cmd: slowWorker(1) } } });
    await agent.program.waitForLine(/^ready$/);
    const began = Date.now();
    agent.program.kill("SIGTERM");
    const { program } = agent;
    const again = setInterval(() => program.kill("SIGTERM"), 20); // to the very end
    const end = await program.exited.finally(() => clearInterval(again));
    expect(end).toEqual({ code: 0, signal: null });
    expect(Date.now() - began).toBeGreaterThan(900);
    expect(agent.program.stderr).toContain("already stopping");
  });

  it("SIGTERM is honoured while watchers are still being started, and while a change runs (D1)", async () => {
    const sections = {
      circus: { warmup_delay: 60 },
      "watcher:a": { cmd: slowWorker(2), priority: 1, copy_env: "True" },
      "watcher:b": { cmd: "sleep 1000" },
    };
    await using agent = await startAgent({ sections });
    await agent.program.waitForLine(/^ready$/);
    await agent.call("restart", { name: "a" });
    agent.program.kill("SIGTERM");
    expect(await agent.program.exited).toEqual({ code: 0, signal: null });
  });

  it("a worker that ignores its stop signal is killed after graceful_timeout", async () => {
    const cmd = "sh -c 'trap \"\" TERM; echo ready; while :; do sleep 1; done'";
    await using agent = await startAgent({ sections: { "watcher:w": { cmd, graceful_timeout: 0.5 } } });
    await agent.program.waitForLine(/^ready$/);
    const workers = agent.descendants();
    agent.program.kill("SIGTERM");
    expect(await agent.program.exited).toEqual({ code: 0, signal: null });
    expect(workers.length).toBeGreaterThan(0);
  });

  it("SIGHUP reloads everything gracefully: new processes before the old ones go", async () => {
    await using agent = await startAgent({ sections: { "watcher:w": { cmd: "sleep 1000", "ready.min_uptime": 0.2 } } });
    const before = await waitFor(() => agent.descendants()[0]?.pid, { what: "a worker" });
    agent.program.kill("SIGHUP");
    await waitFor(() => agent.descendants().every(({ pid }) => pid !== before) && agent.descendants().length === 1, {
      what: "the successor alone",
    });
  });
});

describe("`restart` without a name", () => {
  it("begins anew from the file, in the same process", async () => {
    await using agent = await startAgent({ sections: { "watcher:w": { cmd: "sleep 1000" } } });
    const { pid } = agent;
    const text = await readFile(agent.iniFile, "utf8");
    await writeFile(agent.iniFile, `${text}\n[watcher:new]\ncmd = sleep 1001\n`);
    expect(await agent.call("restart", { waiting: true })).toMatchObject({ status: "ok" });
    // In the order of their names: the second may have no process yet when the first is active.
    const statuses = async (): Promise<unknown> => (await agent.call("status", {}, 5000))["statuses"];
    await expect.poll(statuses, { timeout: 20_000 }).toEqual({ new: "active", w: "active" });
    expect(agent.pid).toBe(pid);
    expect(agent.descendants()).toHaveLength(2);
  });

  it("touches nothing where the file has become unusable", async () => {
    await using agent = await startAgent({ sections: { "watcher:w": { cmd: "sleep 1000" } } });
    const before = await waitFor(() => agent.descendants()[0]?.pid, { what: "a worker" });
    await writeFile(agent.iniFile, "[watcher:w]\nnumprocesses = many\n");
    const reply = await agent.call("restart", { waiting: true });
    expect(reply).toMatchObject({
      status: "error",
      errno: 6,
      reason: expect.stringContaining("has no 'cmd'") as string,
    });
    expect(agent.descendants().map(({ pid }) => pid)).toEqual([before]);
  });
});

it("the launcher works through links and blanks in its path", async () => {
  const there = dir.file("a b");
  execFileSync("/bin/sh", [
    "-c",
    `mkdir '${there}' && ln -s ${projectRoot}/node_modules/.bin/circusd '${there}/x' && ln -s x '${there}/y'`,
  ]);
  expect(await run(`${there}/y`, ["--version"])).toMatchObject({ code: 0, stdout: "0.19.0\n" });
});
