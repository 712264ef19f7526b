/** Every command of the channel as a Python client sees it: shapes, texts and types of reference §5 and §6. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePorts } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";
import { PythonClient, type Reply } from "./client.ts";

let agent: Agent;
let client: PythonClient;
let port: number;

beforeAll(async () => {
  [port = 0] = await freePorts(1);
  agent = await startAgent({
    sections: {
      circus: { check_delay: 1 },
      "watcher:Dummy": { cmd: "sleep", args: 1000, numprocesses: 2, "flapping.active": "False" },
      "watcher:single": { cmd: "sleep 1001", singleton: "True" },
      "watcher:idle": { cmd: "sleep 1002", autostart: "False" },
      "watcher:bad": { cmd: "/no/such/program", autostart: "False" },
      "watcher:parent": { cmd: "sh -c 'sleep 1003 & wait'", stop_children: "True" },
      "socket:web": { host: "127.0.0.1", port },
      "socket:ux": { path: "ux.sock", replace: "True" },
    },
  });
  client = new PythonClient(agent);
  await waitFor(async () => (await client.call("status", { name: "single" }))["status"] === "active", {
    what: "all watchers to be started",
  });
});

afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
  await assertNoLeaks();
});

const ok = (fields: object = {}) => ({ status: "ok", ...fields });
const error = (reason: string, errno: number) => ({ status: "error", reason, tb: null, errno });
const pids = async (name: string): Promise<number[]> => (await client.call("list", { name }))["pids"] as number[];

describe("queries", () => {
  it("`list`, `status`, `numprocesses`, `numwatchers`", async () => {
    expect(await client.call("list")).toEqual(ok({ watchers: ["bad", "dummy", "idle", "parent", "single"] }));
    expect(await pids("DUMMY")).toEqual([expect.any(Number), expect.any(Number)]);
    const statuses = { Dummy: "active", bad: "stopped", idle: "stopped", parent: "active", single: "active" };
    expect(await client.call("status")).toEqual(ok({ statuses }));
    expect(await client.call("STATUS", { name: "dummy" })).toEqual({ status: "active" });
    expect(await client.call("numprocesses")).toEqual(ok({ numprocesses: 4 }));
    expect(await client.call("numprocesses", { name: "DUMMY" })).toEqual(
      ok({ numprocesses: 2, watcher_name: "DUMMY" }),
    );
    expect(await client.call("numwatchers")).toEqual(ok({ numwatchers: 5 }));
  });

  it("`options`, `get`, `globaloptions`: names in order, floats as Python prints them", async () => {
    const { options } = (await client.call("options", { name: "dummy" })) as { options: Reply };
    expect(Object.keys(options)).toEqual([...Object.keys(options)].sort());
    expect(Object.keys(options)).toHaveLength(30);
    expect(options).toMatchObject({ cmd: "sleep", args: "1000", "flapping.active": "False", env: {}, uid: null });
    expect(await client.text("get", { name: "dummy", keys: ["graceful_timeout", "max_age"] })).toContain(
      '"options":{"graceful_timeout":30.0,"max_age":0}',
    );
    expect(await client.call("get", { name: "dummy", keys: ["x"] })).toEqual(error("'x' option not found", 3));
    expect(await client.text("globaloptions", { option: "check_delay" })).toContain('{"check_delay":1.0}');
    expect(await client.call("globaloptions", { option: "x" })).toEqual(error("'x' not an existing option", 3));
  });

  it("`stats` and `dstats`: the record of §8.1", async () => {
    const [pid] = await pids("dummy");
    const text = await client.text("stats", { name: "dummy", process: pid });
    expect(text).toMatch(/"cpu":\d+\.\d+,"mem":\d+\.\d+,"ctime":"\d+:\d\d\.\d+"/);
    const { info } = JSON.parse(text) as { info: Reply };
    expect(info).toMatchObject({ pid, cmdline: "sleep", nice: 0, wid: 1, children: [] });
    expect(info["mem_info1"]).toMatch(/^\d+\.\d\d[KMG]$/);
    const { infos } = (await client.call("stats")) as { infos: Record<string, Record<string, Reply>> };
    expect(Object.keys(infos)).toEqual(["Dummy", "bad", "idle", "parent", "single"]);
    expect(Object.values(infos["parent"] ?? {})[0]?.["children"]).toMatchObject([{ cmdline: "sleep", children: [] }]);
    const { info: own } = (await client.call("dstats")) as { info: Reply };
    expect(own).toMatchObject({ pid: agent.pid, children: [] });
    expect(own).not.toHaveProperty("started");
  });

  it("`listsockets`: sorted by descriptor, by address or path", async () => {
    const { sockets } = (await client.call("listsockets")) as { sockets: Reply[] };
    expect(sockets.map(({ fd: _fd, ...rest }) => rest)).toEqual(
      expect.arrayContaining([
        { name: "ux", backlog: 2048, path: expect.stringMatching(/ux\.sock$/) as string },
        { name: "web", backlog: 2048, host: "127.0.0.1", port },
      ]),
    );
    const fds = sockets.map(({ fd }) => Number(fd));
    expect(fds).toEqual([...fds].sort((a, b) => a - b));
  });

  it("what is unknown or missing has the reference's texts", async () => {
    expect(await client.call("frob")).toEqual(error("unknown command: 'frob'", 2));
    expect(await client.call("status", { name: "x" })).toEqual(error("program x not found", 3));
    expect(await client.call("options")).toEqual(error("message invalid 'name' is missing", 3));
    expect(await client.call("stats", { name: "dummy", process: 1 })).toEqual(
      error("process 1 not found in 'dummy'", 3),
    );
  });
});

describe("changes", () => {
  it("`start`, `stop`, `restart`, `reload` with waiting say which pids went and came", async () => {
    const before = await pids("dummy");
    expect(await client.call("start", { name: "dummy", waiting: true })).toEqual(
      ok({ info: { started: [], kept: before } }),
    );
    const restarted = (await client.call("restart", { name: "dummy", waiting: true })) as { info: Reply };
    expect(restarted).toEqual(ok({ info: { stopped: before, started: await pids("dummy"), kept: [] } }));
    const reloaded = await client.call("reload", { name: "dummy", graceful: true, sequential: false, waiting: true });
    expect(reloaded).toMatchObject({ status: "ok", info: { stopped: restarted.info["started"], kept: [] } });
    expect(await client.call("stop", { name: "dummy", waiting: true })).toEqual(ok({ info: null }));
    expect(await pids("dummy")).toEqual([]);
    expect(await client.call("start", { name: "dummy", waiting: true })).toEqual(
      ok({ info: { started: await pids("dummy"), kept: [] } }),
    );
  });

  it("without waiting they answer `ok` and nothing else, at once", async () => {
    const before = await pids("dummy");
    expect(await client.call("restart", { name: "dummy" })).toEqual(ok());
    await waitFor(async () => (await pids("dummy")).filter((pid) => !before.includes(pid)).length === 2, {
      what: "two new processes",
    });
  });

  it("`incr` and `decr`, also of a singleton", async () => {
    expect(await client.call("incr", { name: "dummy", nb: 2, waiting: true })).toEqual(ok({ numprocesses: 4 }));
    expect(await client.call("decr", { name: "dummy", nb: "2", waiting: true })).toEqual(ok({ numprocesses: 2 }));
    expect(await client.call("incr", { name: "single" })).toEqual(ok({ numprocesses: 1, singleton: true }));
    expect(await client.call("incr", { name: "dummy", nb: "x" })).toEqual(error("'nb' isn't an integer", 3));
  });

  it("`set` changes live, reloads where it must, refuses what is wrong", async () => {
    const set = (options: unknown) => client.call("set", { name: "dummy", options, waiting: true });
    expect(await set({ numprocesses: 3 })).toEqual(ok());
    expect(await pids("dummy")).toHaveLength(3);
    expect(await set({ numprocesses: 2, graceful_timeout: 5 })).toEqual(ok());
    expect(await client.text("get", { name: "dummy", keys: ["graceful_timeout"] })).toContain("5.0");
    const before = await pids("dummy");
    expect(await set({ args: "1004" })).toEqual(ok());
    expect((await pids("dummy")).filter((pid) => before.includes(pid))).toEqual([]);
    expect(await set({ max_age: "1" })).toEqual(error("'max_age' isn't an integer", 3));
    expect(await set({ nope: 1 })).toEqual(error("unknown key 'nope'", 3));
    expect(await set(3)).toEqual(error("'options' property should be an object", 3));
    expect(await client.call("set", { name: "single", options: { numprocesses: 2 } })).toMatchObject({
      errno: 5,
      reason: expect.stringMatching(/Singleton watcher has a single process$/) as string,
    });
  });

  it("`signal` and `kill` with strings, as circusctl sends them; the killed are replaced", async () => {
    const [pid = 0] = await pids("dummy");
    expect(await client.call("signal", { name: "dummy", pid, signum: "CONT", children: false })).toEqual(ok());
    expect(await client.call("signal", { name: "dummy", signum: "!" })).toEqual(error("signal invalid", 3));
    expect(await client.call("signal", { name: "dummy", signum: "nosuch" })).toMatchObject({ errno: 5 });
    const properties = { name: "dummy", pid: String(pid), signum: "KILL", graceful_timeout: "3", waiting: true };
    expect(await client.call("kill", properties)).toEqual(ok());
    await waitFor(async () => (await pids("dummy")).length === 2, { what: "a successor" });
    expect(await pids("dummy")).not.toContain(pid);
    expect(await client.call("kill", { name: "nope" })).toEqual(ok());
    expect(await client.call("kill", { name: "nope", waiting: true })).toMatchObject({ errno: 6 });
  });

  it("names as patterns: two matches answer plainly and leave those without autostart alone", async () => {
    expect(await client.call("stop", { name: "x*" })).toEqual(error("program x* not found", 3));
    expect(await client.call("stop", { name: "x", match: "frob" })).toEqual(error("unknown match method frob", 3));
    expect(await client.call("start", { name: "[di]*", waiting: true })).toEqual(ok());
    expect(await client.call("status", { name: "idle" })).toEqual({ status: "stopped" });
    expect(await client.call("start", { name: "id*", waiting: true })).toHaveProperty("info.kept", []);
    expect(await client.call("stop", { name: "^id", match: "regex", waiting: true })).toEqual(ok({ info: null }));
  });

  it("a waited change that fails says why (D13)", async () => {
    const reply = await client.call("start", { name: "bad", waiting: true });
    expect(reply).toEqual(error("cannot run '/no/such/program': no such file", 6));
    expect(await client.call("status", { name: "bad" })).toEqual({ status: "stopped" });
    expect(await client.call("start", { name: "bad" })).toEqual(ok());
  });
});

describe("frames", () => {
  it("a cast is never answered, the next call gets its own reply", async () => {
    const cast = (command: string) => JSON.stringify({ command, msg_type: "cast", id: "c" });
    for (const command of ["list", "frob"]) {
      expect(await client.step({ raw: [cast(command)], wait_ms: 100 })).toBeNull();
    }
    expect(await client.call("numwatchers")).toEqual(ok({ numwatchers: 5 }));
  });

  it("the id is echoed untouched, whatever it is", async () => {
    for (const raw of ["null", "1.0", "12345678901234567890", '{"a":[1]}', '"é"']) {
      const frames = (await client.step({ raw: [` {"command":"list","id":${raw}}\n`] })) as string[];
      expect(String(frames)).toMatch(/^\{"status":"ok".*\}$/);
      expect(String(frames)).toContain(`"id":${raw}}`);
    }
    expect(await client.text("list")).toMatch(/"id":null\}$/);
  });

  it("a REQ client gets its reply", async () => {
    const frames = (await client.step({ req: { command: "numwatchers", id: 5 } })) as string[];
    expect(frames).toHaveLength(1);
    expect(JSON.parse(frames[0] ?? "")).toMatchObject({ status: "ok", numwatchers: 5, id: 5 });
  });

  it("what is no request is answered with an error, or not at all", async () => {
    const answer = async (raw: string[]): Promise<unknown> => {
      const frames = (await client.step({ raw, wait_ms: 200 })) as string[] | null;
      return frames === null ? null : (JSON.parse(frames.join("|")) as unknown);
    };
    expect(await answer(["{"])).toMatchObject({ errno: 1, reason: "json invalid", id: null, tb: null });
    expect(await answer([" "])).toMatchObject({ errno: 1 });
    expect(await answer(["[]"])).toMatchObject({ errno: 3 });
    expect(await answer(['{"id":"z"}'])).toMatchObject({ errno: 3, id: "z" });
    expect(await answer(['{"command":"list"}', "x"])).toBeNull();
    expect(await answer(["x".repeat(100_000)])).toMatchObject({ errno: 1 });
    expect(await client.call("numwatchers")).toEqual(ok({ numwatchers: 5 }));
  });
});

describe("events (§6)", () => {
  it("come in the reference's order, with pid and time", async () => {
    await client.step({ subscribe: "watcher.dummy." });
    await client.step({ events: 1, wait_ms: 300 }); // the subscription is under way
    const old = await pids("dummy");
    await client.call("restart", { name: "dummy", waiting: true });
    const events = await client.events(8);
    expect(events.map(([topic]) => topic.split(".")[2])).toEqual([
      "kill",
      "kill",
      "reap",
      "reap",
      "stop",
      "spawn",
      "spawn",
      "start",
    ]);
    const killed = events.filter(([topic]) => topic.endsWith(".kill")).map(([, { process_pid: pid }]) => pid);
    expect(killed.sort()).toEqual([...old].sort());
    for (const [, payload] of events) expect(payload["time"]).toBeCloseTo(Date.now() / 1000, -2);
    const reaped = events.find(([topic]) => topic.endsWith(".reap"))?.[1];
    expect(reaped).toMatchObject({ process_pid: expect.any(Number) as number, exit_code: -15 });
  });
});

describe("the end", () => {
  it("`quit` with waiting is answered when all workers are gone, and circusd exits 0", async () => {
    const workers = agent.descendants();
    expect(workers.length).toBeGreaterThan(3);
    expect(await client.call("quit", { waiting: true })).toEqual(ok());
    expect(await agent.program.exited).toEqual({ code: 0, signal: null });
    expect(agent.program.stderr).toMatch(/\[INFO\] circusd stopped\n$/);
  });
});
