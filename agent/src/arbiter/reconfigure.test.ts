/** What `reloadconfig` does to an arbiter whose processes are made up; see the laws beside it for all the rest. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { configOf, MadeUpArbiter, type Sections } from "./arbiter.fixture.ts";
import { reloadProblem } from "./reload-problem.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "circus-reload-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

type Keys = Sections[string];

const run = (more: Keys = {}): Keys => ({ cmd: "run", "ready.min_uptime": 0, ...more });
const onUnix = (more: Keys = {}): Sections => ({ "socket:u": { path: `${dir}/u.sock`, ...more } });
const serve = (more: Keys = {}): Keys => run({ cmd: "run $(circus.sockets.u)", use_sockets: "True", ...more });
const mode = (): string => (statSync(`${dir}/u.sock`).mode & 0o777).toString(8);

describe("processes", () => {
  it("stops those that others depend on last, both at a removal and at the end", async () => {
    const sections = {
      "watcher:db": run(),
      "watcher:api": run({ depends_on: "db" }),
      "watcher:web": run({ depends_on: "api" }),
      "watcher:rest": run(),
    };
    await using arbiter = await MadeUpArbiter.started(sections);
    arbiter.told.splice(0);
    expect(await arbiter.reload({ "watcher:rest": run() })).toEqual([]);
    const order = ["signal web", "exit web", "signal api", "exit api", "signal db", "exit db"];
    expect(arbiter.told).toEqual(order);
    expect(await arbiter.reload(sections)).toEqual([]);
    // … and starts them in the order of their dependencies.
    expect(arbiter.told.splice(0).slice(-3)).toEqual(["spawn db", "spawn api", "spawn web"]);
    await arbiter[Symbol.asyncDispose]();
    expect(arbiter.told.filter((line) => !line.endsWith(" rest"))).toEqual(order);
  });

  it("goes on waiting no longer for what a watcher does not depend on any more", async () => {
    await using arbiter = await MadeUpArbiter.started({
      "watcher:db": run({ autostart: "False" }),
      "watcher:web": run({ depends_on: "db" }),
    });
    expect(arbiter.find("web").status).toBe("starting");
    // What changes meanwhile holds at once; nobody waits for the start.
    const still = { "watcher:db": run({ autostart: "False" }), "watcher:web": run({ depends_on: "db", priority: 3 }) };
    expect(await arbiter.reload(still)).toEqual([]);
    expect([arbiter.find("web").status, arbiter.find("web").config.priority]).toEqual(["starting", 3]);
    expect(await arbiter.reload({ "watcher:web": run({ args: "x", numprocesses: 2 }) })).toEqual([]);
    expect(arbiter.find("web").status).toBe("active");
    expect(arbiter.told).toEqual(["spawn web", "spawn web"]);
  });

  it("starts one that had no processes when it is to have some", async () => {
    await using arbiter = await MadeUpArbiter.started({ "watcher:web": run({ numprocesses: 0 }) });
    expect(arbiter.pids("web")).toEqual([]);
    expect(await arbiter.reload({ "watcher:web": run({ numprocesses: 2 }) })).toEqual([]);
    expect(arbiter.pids("web")).toHaveLength(2);
  });

  it("adds, changes and removes plugins, and leaves the others their processes", async () => {
    const flapping = (window: number): Keys => ({ use: "circus.plugins.flapping.Flapping", window });
    const own = { use: "my.own.Plugin", key: "value" };
    await using arbiter = await MadeUpArbiter.started({ "plugin:f": flapping(2), "plugin:gone": own, "plugin:o": own });
    const [changed, kept] = [arbiter.pids("plugin:f"), arbiter.pids("plugin:o")];
    expect(kept).toHaveLength(1);
    expect(await arbiter.reload({ "plugin:f": flapping(3), "plugin:o": own, "plugin:new": own })).toEqual([]);
    const names = arbiter.watchers.all().map(({ config }) => config.name);
    expect(names).toEqual(["plugin:f", "plugin:new", "plugin:o"]);
    expect(arbiter.pids("plugin:o")).toEqual(kept);
    expect(arbiter.pids("plugin:f")).toEqual([expect.any(Number)]);
    expect(arbiter.pids("plugin:f")).not.toEqual(changed);
    const argv = arbiter.alive.get(arbiter.pids("plugin:f")[0] ?? 0)?.spec.argv.join(" ");
    expect(argv).toContain("window:3");
  });

  it("names no restart of a plugin for an endpoint that is not in effect", async () => {
    const plugin = { "plugin:o": { use: "my.own.Plugin" } };
    await using arbiter = await MadeUpArbiter.started(plugin);
    const kept = arbiter.pids("plugin:o");
    expect(await arbiter.reload({ ...plugin, circus: { endpoint: "tcp://127.0.0.1:9" } })).toEqual(["endpoint"]);
    expect(arbiter.pids("plugin:o")).toEqual(kept);
  });
});

describe("a graceful reload that fails", () => {
  it("leaves the old processes and their socket, and is tried again by the next reloadconfig", async () => {
    await using arbiter = await MadeUpArbiter.started({ "watcher:web": serve(), ...onUnix({ umask: "010" }) });
    const [pids, inode] = [arbiter.pids("web"), arbiter.inode("u")];
    const file = statSync(`${dir}/u.sock`).ino;
    const next = { "watcher:web": serve({ args: "broken", max_retry: 0 }), ...onUnix({ type: "SOCK_SEQPACKET" }) };
    arbiter.broken.add("broken");
    expect(await arbiter.reload(next)).toContain("web: ");
    expect([arbiter.pids("web"), arbiter.inode("u")]).toEqual([pids, inode]);
    expect([statSync(`${dir}/u.sock`).ino, readdirSync(dir)]).toEqual([file, ["u.sock"]]);
    expect(arbiter.sockets.get("u")?.config.type).toBe("SOCK_STREAM");
    // The successor of an old one is as it was.
    expect(arbiter.find("web").config.args).toBe("");

    arbiter.broken.clear();
    expect(await arbiter.reload(next)).toEqual([]);
    expect(arbiter.pids("web")).not.toEqual(pids);
    expect(arbiter.sockets.get("u")?.config.type).toBe("SOCK_SEQPACKET");
    expect(await arbiter.reload(next)).toEqual([]);
    expect(readdirSync(dir)).toEqual(["u.sock"]);
  });

  it("closes the old socket for all where others are on the new one", async () => {
    await using arbiter = await MadeUpArbiter.started({
      "watcher:fine": serve(),
      "watcher:web": serve(),
      ...onUnix(),
    });
    const [fine, web, inode] = [arbiter.pids("fine"), arbiter.pids("web"), arbiter.inode("u")];
    arbiter.broken.add("broken");
    const socket = onUnix({ type: "SOCK_SEQPACKET" });
    const next = { "watcher:fine": serve(), "watcher:web": serve({ args: "broken", max_retry: 0 }), ...socket };
    expect(await arbiter.reload(next)).toContain("web: ");
    expect(arbiter.pids("web")).toEqual(web);
    expect(arbiter.pids("fine")).not.toEqual(fine);
    expect(arbiter.inode("u")).not.toBe(inode);
    expect(readdirSync(dir)).toEqual(["u.sock"]);
  });
});

describe("sockets", () => {
  it("gives the file of a Unix socket to another owner and group, as a new socket", async () => {
    await using arbiter = await MadeUpArbiter.started({ "watcher:web": serve(), ...onUnix() });
    const before = arbiter.inode("u");
    expect(await arbiter.reload({ "watcher:web": serve(), ...onUnix({ owner: "65534", group: "65534" }) })).toEqual([]);
    const { uid, gid } = statSync(`${dir}/u.sock`);
    expect([uid, gid]).toEqual([65534, 65534]);
    expect(arbiter.inode("u")).not.toBe(before);
  });

  it("changes a Unix socket's mode in place; undoes everything where that cannot be", async () => {
    await using arbiter = await MadeUpArbiter.started({ "watcher:web": serve(), ...onUnix() });
    const before = arbiter.inode("u");
    expect(await arbiter.reload({ "watcher:web": serve(), ...onUnix({ umask: "077" }) })).toEqual([]);
    expect([mode(), arbiter.inode("u")]).toEqual(["700", before]);
    rmSync(`${dir}/u.sock`);
    const more = { "socket:v": { path: `${dir}/v.sock` } };
    const failure = await arbiter.reload({ "watcher:web": serve(), ...more, ...onUnix({ umask: "010" }) });
    expect(failure).toMatch(/^socket 'u': cannot be changed: ENOENT/);
    expect(readdirSync(dir)).toEqual([]);
    expect(arbiter.sockets.get("v")).toBeUndefined();
  });

  it("renews who is on all sockets when there is one more or less, and nobody else", async () => {
    const watchers = { "watcher:all": run({ use_sockets: "True" }), "watcher:one": serve(), "watcher:no": run() };
    await using arbiter = await MadeUpArbiter.started({ ...watchers, ...onUnix() });
    const pids = (): readonly (readonly number[])[] => ["all", "one", "no"].map((name) => arbiter.pids(name));
    const before = pids();
    expect(await arbiter.reload({ ...watchers, ...onUnix(), "socket:v": { path: `${dir}/v.sock` } })).toEqual([]);
    const after = pids();
    expect(after.slice(1)).toEqual(before.slice(1));
    expect(after[0]).not.toEqual(before[0]);
    expect(await arbiter.reload({ ...watchers, ...onUnix() })).toEqual([]);
    expect(pids().slice(1)).toEqual(before.slice(1));
    expect(pids()[0]).not.toEqual(after[0]);
  });
});

describe("reloadProblem", () => {
  const none = { descriptors: { limit: 100_000, base: 20 }, outputs: { problemOf: () => null } };

  it("finds that there are too few descriptors, or a file that cannot be written, and looks at no other stream", async () => {
    const stream = (file: string): Keys => run({ "stdout_stream.class": "FileStream", "stdout_stream.filename": file });
    const before = { "watcher:same": stream("/nonexistent/same") };
    const after = { ...before, "watcher:new": stream("/nonexistent/new") };
    await using arbiter = await MadeUpArbiter.started(before);
    const [next, plan] = [configOf(after), arbiter.plan(after)];
    expect(reloadProblem(next, plan, none.descriptors, none.outputs)).toBeNull();
    expect(reloadProblem(next, plan, { limit: 85, base: 20 }, none.outputs)).toContain("need 2 descriptors");
    const outputs = { problemOf: ({ name }: { readonly name: string }) => `no ${name}` };
    expect(reloadProblem(next, plan, none.descriptors, outputs)).toBe("new: no new");
  });
});
