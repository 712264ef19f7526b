/** `add`, `rm`, `reloadconfig` as a Python client on pyzmq sees them (reference §5.6, §7.1; defects D2, D14, D16). */
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Agent, iniText, type Section, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePorts } from "../support/ports.ts";
import { python } from "../support/python.ts";
import { waitFor } from "../support/wait.ts";
import { PythonClient } from "./client.ts";

const ok = { status: "ok" };
const error = (reason: unknown, errno: number) => ({ status: "error", reason, tb: null, errno });
/** Answers each connection with its last argument. */
const SERVE = `${python()} -c "import socket,sys; s=socket.socket(fileno=int(sys.argv[1])); s.setblocking(True); [(c.sendall(sys.argv[2].encode()), c.close()) for c, _ in iter(s.accept, 0)]"`;

let agent: Agent;
let client: PythonClient;
let ports: readonly number[];
let circus: Section;

const web = (text: string): Section => ({
  cmd: `${SERVE} $(circus.sockets.http) ${text}`,
  ...{ use_sockets: "True", copy_env: "True", "ready.min_uptime": "100ms" },
});
const sleeper = (more: Section = {}): Section => ({ cmd: "sleep 1000", copy_env: "True", ...more });
const http = (port: number, more: Section = {}): Section => ({ host: "127.0.0.1", port, ...more });

async function rewrite(sections: Readonly<Record<string, Section>>): Promise<void> {
  await writeFile(agent.iniFile, iniText({ circus, ...sections }));
}
const call = (command: string, properties: object = {}) => client.call(command, { ...properties, waiting: true });
const pids = async (name: string) => (await client.call("list", { name }))["pids"];
const fd = async () => (await client.call("listsockets"))["sockets"];

/** What a connection gets; null: it is refused. */
function fetchText(port: number): Promise<string | null> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("data", (data) => void (text += data.toString()));
    socket.once("error", () => resolve(null));
    socket.once("close", () => resolve(text === "" ? null : text));
  });
}

beforeEach(async () => {
  ports = await freePorts(2);
  agent = await startAgent({
    sections: { "watcher:web": web("one"), "watcher:idle": sleeper(), "socket:http": http(ports[0] ?? 0) },
  });
  const text = await readFile(agent.iniFile, "utf8");
  circus = Object.fromEntries(
    [...(text.split("[circus]\n")[1] ?? "").split("\n[")[0]!.matchAll(/^(\w+) = (.*)$/gm)].map(([, key, value]) => [
      key!,
      value!,
    ]),
  );
  client = new PythonClient(agent);
  await waitFor(async () => (await client.call("status", { name: "web" }))["status"] === "active", { what: "web" });
});
afterEach(async () => {
  await client[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
});
afterAll(() => assertNoLeaks());

describe("add and rm", () => {
  it("add one with numbers as rlimits and start it; events; rm stops it, with nostop leaves it running (D14, D16)", async () => {
    await client.step({ subscribe: "watcher.z" });
    const options = { rlimit_nofile: 77, env: { PATH: "/bin:/usr/bin" } };
    const added = await call("add", { name: "z", cmd: "sleep", args: ["900"], start: true, options });
    expect(added).toEqual({ ...ok, started: [expect.any(Number)], kept: [] });
    const [pid] = added["started"] as number[];
    expect(await readFile(`/proc/${pid ?? 0}/limits`, "utf8")).toMatch(/^Max open files +77 +77 /m);
    expect(await client.call("add", { name: "Z", cmd: "sleep 1" })).toEqual(
      error(expect.stringMatching(/'Z' already exist$/), 5),
    );
    expect(await client.call("rm", { name: "z", nostop: true })).toEqual(ok);
    expect(await client.call("list", { name: "z" })).toEqual(error("program z not found", 3));
    expect(() => process.kill(pid ?? 0, 0)).not.toThrow();
    process.kill(pid ?? 0, "SIGKILL");

    expect(await call("add", { name: "z", cmd: "sleep 900", options: { copy_env: true }, start: true })).toMatchObject(
      ok,
    );
    const again = (await pids("z")) as number[];
    expect(await call("rm", { name: "Z" })).toEqual(ok);
    expect(() => process.kill(again[0] ?? 0, 0)).toThrow();
    const events = (await client.events(9)).map(([topic]) => topic.split(".")[2]);
    expect(events).toEqual(["add", "spawn", "start", "remove", "add", "spawn", "start", "remove", "kill"]);
  });

  it.each([
    [{ cmd: "x" }, "message invalid 'name' is missing"],
    [{ name: "z" }, "message invalid 'cmd' is missing"],
    [{ name: "", cmd: "x" }, "a watcher needs a name"],
    [{ name: "z", cmd: "x", options: { priority: 1 } }, "unknown key 'priority'"],
    [{ name: "z", cmd: "x", options: { rlimit_foo: 1 } }, "'rlimit_foo' isn't a valid rlimit setting"],
    [{ name: "z", cmd: "x", options: { rlimit_core: "a" } }, "'a' rlimit value isn't a valid int"],
    [{ name: "z", cmd: "x", options: [] }, "'options' property should be an object"],
  ])("add %j is refused and adds nothing", async (properties, reason) => {
    expect(await client.call("add", properties)).toEqual(error(reason, 3));
    expect(await client.call("numwatchers")).toEqual({ ...ok, numwatchers: 2 });
  });

  it("answers `ipython` and `listen`", async () => {
    expect(await client.call("ipython")).toEqual({ ...ok, shell: false, msg: expect.any(String) as string });
    expect(await client.call("listen")).toEqual(error("invalid message. use a pub/sub socket", 3));
  });
});

describe("reloadconfig", () => {
  it("touches nothing where nothing changed, and keeps what set and incr made", async () => {
    await call("incr", { name: "idle" });
    const before = [await pids("web"), await pids("idle"), await fd()];
    expect(await call("reloadconfig")).toEqual(ok);
    expect([await pids("web"), await pids("idle"), await fd()]).toEqual(before);
  });

  it("changes in place what it can, and again when the file is changed back (D2d)", async () => {
    const before = (await pids("idle")) as number[];
    await rewrite({
      "watcher:web": web("one"),
      "watcher:idle": sleeper({ numprocesses: 3, graceful_timeout: 5 }),
      "socket:http": http(ports[0] ?? 0),
    });
    expect(await call("reloadconfig")).toEqual(ok);
    expect(await pids("idle")).toEqual([...before, expect.any(Number), expect.any(Number)]);
    expect(await client.call("get", { name: "idle", keys: ["graceful_timeout"] })).toEqual({
      ...ok,
      options: { graceful_timeout: 5 },
    });
    await rewrite({ "watcher:web": web("one"), "watcher:idle": sleeper(), "socket:http": http(ports[0] ?? 0) });
    expect(await call("reloadconfig")).toEqual(ok);
    expect(await pids("idle")).toHaveLength(1);
  });

  it("binds a socket's new port before the old one ends, and renews who is on it (D2b)", async () => {
    const idle = await pids("idle");
    const [old = 0, next = 0] = ports;
    expect(await fetchText(old)).toBe("one");
    await rewrite({ "watcher:web": web("two"), "watcher:idle": sleeper(), "socket:http": http(next) });
    expect(await call("reloadconfig")).toEqual(ok);
    expect([await fetchText(next), await fetchText(old)]).toEqual(["two", null]);
    expect(await pids("idle")).toEqual(idle);
  });

  it("refuses a file with an error, or a socket that cannot be had, and changes nothing", async () => {
    const before = [await pids("web"), await pids("idle"), await fd(), await client.call("status")];
    await rewrite({
      "watcher:web": web("two"),
      "watcher:new": { cmd: "sleep 1", numprocesses: "x" },
      "socket:http": http(ports[0] ?? 0),
    });
    expect(await call("reloadconfig")).toEqual(
      error(expect.stringMatching(/\.ini:\d+: numprocesses: 'x' is not a whole number$/), 6),
    );
    await rewrite({
      "watcher:new": sleeper(),
      "socket:http": http(ports[1] ?? 0),
      "socket:bad": { path: "/nonexistent/x" },
    });
    expect(await call("reloadconfig")).toEqual(error(expect.stringContaining("no such directory"), 6));
    await rewrite({
      "watcher:web": web("one"),
      "watcher:idle": sleeper({ numprocesses: 10_000_000, "stdout_stream.class": "StdoutStream" }),
      "socket:http": http(ports[1] ?? 0),
    });
    expect(await call("reloadconfig")).toEqual(
      error(expect.stringMatching(/^1000000\d processes need .* descriptors/), 6),
    );
    expect(await fetchText(ports[1] ?? 0)).toBeNull();
    expect([await pids("web"), await pids("idle"), await fd(), await client.call("status")]).toEqual(before);
  });

  it("adds and removes, also what `add` made; names what needs a restart; leaves who was stopped by hand", async () => {
    await call("stop", { name: "idle" });
    await call("add", { name: "z", cmd: "sleep 900", options: { copy_env: true }, start: true });
    await rewrite({
      circus: { ...circus, pidfile: `${agent.stateDir}/pid`, warmup_delay: 0 },
      "watcher:idle": sleeper({ env_x: "1", max_age: 900 }),
      "watcher:late": sleeper({ depends_on: "idle" }),
      "watcher:new": sleeper(),
    });
    expect(await client.call("reloadconfig")).toEqual(ok);
    await waitFor(async () => (await client.call("status", { name: "new" }))["status"] === "active", { what: "new" });
    expect(await client.call("status")).toEqual({
      ...ok,
      statuses: { idle: "stopped", late: "starting", new: "active" },
    });
    expect(await client.call("listsockets")).toEqual({ ...ok, sockets: [] });
    expect(await fetchText(ports[0] ?? 0)).toBeNull();
    // One that waits for what it depends on holds up no later reload.
    expect(await call("reloadconfig")).toEqual({ ...ok, needs_restart: ["pidfile"] });
  });
});
