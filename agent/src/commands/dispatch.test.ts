import { CircusError } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import type { CommandRequest } from "./agent-view.ts";
import { createDispatch } from "./dispatch.ts";
import { type FakeAgent, FakeWatcher, fakeAgent, watcherConfig } from "./fake-agent.fixture.ts";

interface Bench extends FakeAgent {
  readonly dummy: FakeWatcher;
  readonly idle: FakeWatcher;
  readonly single: FakeWatcher;
  /** The reply without `time`, which is always 1.5. */
  readonly ask: (
    command: string,
    properties?: unknown,
    more?: Partial<CommandRequest>,
  ) => Promise<Record<string, unknown>>;
}

function bench(): Bench {
  const dummy = new FakeWatcher(
    watcherConfig("Dummy", { numprocesses: 2, extra: { "flapping.active": "False" } }),
    [5, 6],
  );
  const idle = new FakeWatcher(watcherConfig("dumber", { autostart: false }));
  idle.status = "stopped";
  const single = new FakeWatcher(watcherConfig("single", { singleton: true, env: { TOKEN: "x" } }), [7]);
  const agent = fakeAgent([dummy, idle, single]);
  const dispatch = createDispatch(agent.view, () => 1500);
  const ask: Bench["ask"] = async (command, properties, more) => {
    const request = { command, properties, actor: null, door: "zmq" as const, commandId: null, ...more };
    const { time, ...rest } = await dispatch(request);
    expect(time).toBe(1.5);
    return rest;
  };
  return { ...agent, dummy, idle, single, ask };
}

const ok = (fields: object = {}) => ({ status: "ok", ...fields });
const error = (reason: string, errno: number) => ({ status: "error", reason, tb: null, errno });

describe("queries answer as the reference's wire examples (§5.10)", () => {
  it.each([
    ["list", {}, ok({ watchers: ["dumber", "dummy", "single"] })],
    ["LIST", { name: "DUMMY" }, ok({ pids: [5, 6] })],
    ["status", {}, ok({ statuses: { Dummy: "active", dumber: "stopped", single: "active" } })],
    ["status", { name: "dummy" }, { status: "active" }],
    ["numprocesses", {}, ok({ numprocesses: 3 })],
    ["numprocesses", { name: "DUMMY" }, ok({ numprocesses: 2, watcher_name: "DUMMY" })],
    ["numwatchers", undefined, ok({ numwatchers: 3 })],
    ["get", { name: "dummy", keys: ["numprocesses", "env"] }, ok({ options: { numprocesses: 2, env: {} } })],
    ["get", { name: "dummy", keys: ["flapping.active"] }, ok({ options: { "flapping.active": "False" } })],
    ["get", { name: "dummy", keys: ["it's"] }, error(`"it's" option not found`, 3)],
    ["get", { name: "dummy", keys: ["__proto__"] }, error("'__proto__' option not found", 3)],
    ["globaloptions", { option: "check_delay" }, ok({ options: { check_delay: 5 } })],
    ["globaloptions", { option: "x" }, error("'x' not an existing option", 3)],
    ["listsockets", {}, ok({ sockets: [{ fd: 7, name: "web", backlog: 2048, host: "127.0.0.1", port: 8080 }] })],
    ["status", { name: "nope" }, error("program nope not found", 3)],
    ["options", {}, error("message invalid 'name' is missing", 3)],
    ["options", [], error("'properties' isn't a valid object", 3)],
    ["Frob'", {}, error(`unknown command: "Frob'"`, 2)],
  ])("%s %j", async (command, properties, reply) => {
    expect(await bench().ask(command, properties)).toEqual(reply);
  });

  it("`globaloptions` has the five names in their order", async () => {
    const { options } = await bench().ask("globaloptions");
    expect(Object.keys(options as object)).toEqual([
      "endpoint",
      "stats_endpoint",
      "pubsub_endpoint",
      "check_delay",
      "multicast_endpoint",
    ]);
  });

  it("`options` has every standard name, and the file's own keys, in key order", async () => {
    const { options } = (await bench().ask("options", { name: "dummy" })) as { options: Record<string, unknown> };
    const names =
      "args close_child_stderr close_child_stdin close_child_stdout cmd copy_env env executable flapping.active gid " +
      "graceful_timeout max_age max_age_variance max_retry numprocesses on_demand priority respawn send_hup shell " +
      "shell_args singleton stderr_stream_conf stdout_stream_conf stop_children stop_signal uid use_sockets " +
      "warmup_delay working_dir";
    expect(Object.keys(options)).toEqual(names.split(" "));
    expect(options).toMatchObject({ stop_signal: 15, graceful_timeout: 30, uid: null, on_demand: false });
  });

  it("`stats` of one process, one watcher, all", async () => {
    const { ask } = bench();
    const one = await ask("stats", { name: "Dummy", process: "6" });
    expect(one).toMatchObject({ process: 6, info: { pid: 6, wid: 2, started: 5 } });
    expect(await ask("stats", { name: "Dummy" })).toMatchObject({ name: "Dummy", info: { "5": { pid: 5 } } });
    const { infos } = (await ask("stats")) as { infos: Record<string, object> };
    expect(Object.keys(infos)).toEqual(["Dummy", "dumber", "single"]);
    expect(infos["dumber"]).toEqual({});
    expect(await ask("stats", { name: "web1", process: 1 })).toEqual(error("program web1 not found", 3));
    expect(await ask("stats", { name: "dummy", process: 1 })).toEqual(error("process 1 not found in 'dummy'", 3));
  });

  it("`dstats` has neither `started` nor `wid`, and no children", async () => {
    const { info } = (await bench().ask("dstats")) as { info: object };
    expect(info).toMatchObject({ pid: process.pid, children: [] });
    expect(info).not.toHaveProperty("wid");
  });

  it.each(["zmq", "nats"] as const)("`snapshot` is answered at the %s door", async (door) => {
    expect(await bench().ask("snapshot", {}, { door })).toMatchObject({ snapshot: { v: 1, epoch: 1, seq: 2 } });
  });
});

describe("changes that are waited for", () => {
  const info = { stopped: [5, 6], started: [900, 901], kept: [] };
  it.each([
    ["start", { name: "dummy" }, ok({ info: { started: [900, 901], kept: [] } }), "start"],
    ["stop", { name: "dummy" }, ok({ info: null }), "stop"],
    ["restart", { name: "dummy" }, ok({ info }), "restart null"],
    ["restart", { name: "dummy", newer_than: 9 }, ok({ info }), "restart 9"],
    [
      "reload",
      { name: "dummy", sequential: true },
      ok({ info }),
      'reload {"graceful":true,"sequential":true,"newerThan":null}',
    ],
    ["incr", { name: "dummy" }, ok({ numprocesses: 3 }), "addProcesses 1"],
    ["decr", { name: "dummy", nb: "2" }, ok({ numprocesses: 0 }), "addProcesses -2"],
    ["set", { name: "dummy", options: { max_age: 3 } }, ok(), 'set {"max_age":3}'],
    ["kill", { name: "dummy", pid: "5", signum: "KILL", graceful_timeout: "3" }, ok(), "kill 5 9 3"],
  ])("%s %j", async (command, properties, reply, call) => {
    const { ask, dummy } = bench();
    expect(await ask(command, { ...properties, waiting: true })).toEqual(reply);
    expect(dummy.calls).toEqual([call]);
  });

  it("answer with errno 6 and the real reason when the work fails (D13)", async () => {
    const { ask, dummy, events } = bench();
    dummy.failure = new CircusError("failed", "cannot run 'x': no such file");
    expect(await ask("start", { name: "dummy", waiting: true })).toEqual(error("cannot run 'x': no such file", 6));
    expect(events.map(({ kind }) => kind)).toEqual(["command_accepted", "command_refused"]);
  });

  it("keep errno 5 where a later command overtook them", async () => {
    const { ask, dummy } = bench();
    dummy.failure = new CircusError("conflict", "overtaken by stop");
    expect(await ask("start", { name: "dummy", waiting: true })).toEqual(error("overtaken by stop", 5));
  });

  it("answer bugs with an id, and the log has the stack", async () => {
    const { ask, dummy, logged } = bench();
    dummy.failure = new TypeError("oops") as unknown as CircusError;
    const { reason } = await ask("stop", { name: "dummy", waiting: true });
    expect(reason).toMatch(/^internal error [0-9a-f]{8}: /);
    expect(reason).not.toContain("oops");
    expect(logged).toContain("error internal error");
  });
});

describe("changes that are not waited for", () => {
  it("are answered before they are done, and a later failure is logged", async () => {
    const { ask, dummy, logged } = bench();
    dummy.failure = new CircusError("failed", "no");
    expect(await ask("restart", { name: "dummy" })).toEqual(ok());
    await Promise.resolve();
    expect(dummy.calls).toEqual(["restart null"]);
    await expect.poll(() => logged).toEqual(["warning command failed"]);
  });

  it("a singleton is told so at once", async () => {
    const { ask, single } = bench();
    expect(await ask("incr", { name: "single" })).toEqual(ok({ numprocesses: 1, singleton: true }));
    expect(single.calls).toEqual([]);
  });

  it.each([
    ["stop", { name: "x" }, error("program x not found", 3)],
    ["incr", { name: "dummy", nb: "many" }, error("'nb' isn't an integer", 3)],
    ["restart", { name: "dummy", match: "fuzzy" }, error("unknown match method fuzzy", 3)],
    ["set", { name: "dummy", options: { max_age: 1.5 } }, error("'max_age' isn't an integer", 3)],
    ["set", { name: "dummy", options: { nope: 1 } }, error("unknown key 'nope'", 3)],
    ["set", { name: "dummy", options: { constructor: 1 } }, error("unknown key 'constructor'", 3)],
    ["set", { name: "dummy", options: 3 }, error("'options' property should be an object", 3)],
    ["set", { name: "single", options: { numprocesses: 2 } }, error("Singleton watcher has a single process", 5)],
    ["kill", { name: "dummy", signum: "?" }, error("signal invalid", 3)],
    ["kill", { name: "dummy", graceful_timeout: -1 }, error("'graceful_timeout' must not be negative", 3)],
  ])("are checked at once: %s %j", async (command, properties, reply) => {
    const { ask, events } = bench();
    expect(await ask(command, properties)).toEqual(reply);
    expect(events).toMatchObject([{ kind: "command_refused", data: { command, reason: reply.reason } }]);
  });

  it("`kill` of an unknown name is an error only for who waits (§5.6)", async () => {
    const { ask } = bench();
    expect(await ask("kill", { name: "x" })).toEqual(ok());
    expect(await ask("kill", { name: "x", waiting: true })).toEqual(error("program x not found", 6));
  });
});

describe("names as patterns (§5.5)", () => {
  it.each([
    ["start", {}, ["startMany all"]],
    ["stop", {}, ["stopMany all"]],
    ["restart", {}, ["restartAgent"]],
    ["reload", {}, ['reloadAll {"graceful":true,"sequential":false}']],
    ["quit", {}, ["quit"]],
    ["start", { name: "dum*" }, ["startMany Dummy,dumber"]],
    ["stop", { name: "DUM*" }, ["stopMany Dummy,dumber"]],
    ["restart", { name: "dum", match: "regex" }, ["restartMany Dummy,dumber"]],
    ["start", { name: "dumm*" }, ["takeOver Dummy"]],
    ["start", { name: "DUMBER", match: "simple" }, ["takeOver dumber"]],
  ])("%s %j", async (command, properties, expected) => {
    const { ask, calls } = bench();
    expect(await ask(command, { ...properties, waiting: true })).toMatchObject({ status: "ok" });
    expect(calls).toEqual(expected);
  });

  it("one match behaves as the watcher alone, even without autostart (§2.2)", async () => {
    const { ask, idle } = bench();
    expect(await ask("start", { name: "dumb*", waiting: true })).toHaveProperty("info");
    expect(idle.calls).toEqual(["start"]);
  });

  it("a regular expression that explodes does not hold up the agent", async () => {
    const slow = new FakeWatcher(watcherConfig("a".repeat(60)));
    const dispatch = createDispatch(fakeAgent([slow]).view);
    const began = Date.now();
    const properties = { name: "(a+)+b", match: "regex" };
    const reply = await dispatch({ command: "stop", properties, actor: null, door: "zmq", commandId: null });
    expect(reply).toMatchObject({ errno: 3, reason: "pattern '(a+)+b' takes too long to match" });
    expect(Date.now() - began).toBeLessThan(2000);
  });

  it("a broken regular expression is named", async () => {
    const reply = await bench().ask("stop", { name: "(", match: "regex" });
    expect(reply).toEqual(error("pattern '(' is no regular expression", 3));
  });
});

describe("`signal` (§5.6)", () => {
  it.each([
    [{ signum: "usr1" }, ["signal 5 10", "signal 6 10"]],
    [{ signum: "15", pid: 6 }, ["signal 6 15"]],
    [{ signum: 1, pid: 99 }, []],
    [{ signum: 1, pid: 5, children: true }, ["signal 50 1", "signal 51 1"]],
    [{ signum: 1, pid: 5, recursive: true }, ["signal 5 1", "signal 50 1", "signal 500 1"]],
    [{ signum: 1, pid: 5, childpid: 51 }, ["signal 51 1"]],
    [{ signum: 1, child_pid: 51 }, ["signal 51 1"]], // Circus's own ResourceWatcher (D17)
  ])("%j", async (properties, expected) => {
    const { ask, calls } = bench();
    expect(await ask("signal", { name: "dummy", ...properties })).toEqual(ok());
    expect(calls).toEqual(expected);
  });

  it.each([
    [{ signum: "!!" }, error("signal invalid", 3)],
    [{ signum: "nosuch" }, error("unknown signal nosuch", 5)],
    [{}, error("message invalid 'signum' is missing", 3)],
    [{ signum: 1, childpid: 5 }, error("cannot specify childpid without pid", 3)],
    [{ signum: 1, pid: 5, childpid: 1 }, error("process 1 is no child of 5", 5)],
    [{ signum: 1, pid: 99, children: true }, error("process 99 not found in 'Dummy'", 5)],
  ])("%j is refused", async (properties, reply) => {
    const { ask, calls } = bench();
    expect(await ask("signal", { name: "dummy", ...properties })).toEqual(reply);
    expect(calls).toEqual([]);
  });

  it("answers what the system says with errno 4", async () => {
    const { view } = bench();
    const send = () => {
      throw Object.assign(new Error("kill EPERM"), { syscall: "kill", code: "EPERM" });
    };
    const dispatch = createDispatch({ ...view, processes: { ...view.processes, send } });
    const properties = { name: "dummy", signum: 1 };
    const reply = await dispatch({ command: "signal", properties, actor: null, door: "zmq", commandId: null });
    expect(reply).toMatchObject({ status: "error", errno: 4, reason: "kill EPERM" });
  });
});

describe("the record of changes", () => {
  it("names who asked, by which command, for what; the watcher's cause is the same", async () => {
    const { ask, events, dummy } = bench();
    const properties = { name: "dummy", options: { env: { SECRET: "s3" } }, waiting: true };
    await ask("set", properties, { actor: "alice", commandId: "r1/web1/1", door: "nats" });
    const common = { watcher: "Dummy", actor: "alice", cause: "r1/web1/1" };
    expect(events).toEqual([
      {
        kind: "command_accepted",
        ...common,
        data: { command: "set", door: "nats", properties: { name: "dummy", options: { env: { SECRET: "***" } } } },
      },
      { kind: "command_done", ...common, data: { command: "set" } },
    ]);
    expect(dummy.cause).toEqual({ actor: "alice", command: "r1/web1/1" });
  });

  it("the local endpoint's asker is `local`, with an id of our own", async () => {
    const { ask, events } = bench();
    await ask("stop", { name: "single", waiting: true });
    expect(events[0]).toMatchObject({
      actor: "local",
      cause: expect.stringMatching(/^local\/[0-9a-f-]{36}$/) as string,
    });
  });

  it("queries are not recorded", async () => {
    const { ask, events } = bench();
    await ask("status");
    await ask("status", { name: "nope" });
    expect(events).toEqual([]);
  });
});
