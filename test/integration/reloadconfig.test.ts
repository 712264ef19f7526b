/** `reloadconfig` with real processes and clients: nobody is refused, and nothing is half done. */
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { afterAll, expect, it } from "vitest";
import { type Agent, iniText, type Section, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePorts } from "../support/ports.ts";
import { python } from "../support/python.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

/** Answers each connection with its second argument; when told to end it serves who is in the queue first. */
const SERVER = `
import select, signal, socket, sys, time
server = socket.socket(fileno=int(sys.argv[1]))
server.setblocking(False)
ending = []
signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
while True:
    ready, _, _ = select.select([server], [], [], 0.02)
    if not ready and ending:
        break
    try:
        client, _ = server.accept()
    except BlockingIOError:
        continue
    client.sendall(sys.argv[2].encode())
    client.close()
`;

/** What one connection gets; an error's code where there was one. */
function ask(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    connect({ host: "127.0.0.1", port })
      .on("data", (data) => void (text += data.toString()))
      .once("error", (error) => resolve((error as NodeJS.ErrnoException).code ?? "error"))
      .once("close", () => resolve(text === "" ? "closed" : text));
  });
}

/** Connections one after another, until told to end. */
function client(port: number): { readonly end: () => Promise<readonly string[]> } {
  const answers: string[] = [];
  const over = new AbortController();
  const done = (async () => {
    while (!over.signal.aborted) answers.push(await ask(port));
  })();
  return {
    end: async () => {
      over.abort();
      await done;
      return answers;
    },
  };
}

interface Host extends AsyncDisposable {
  readonly agent: Agent;
  /** A watcher's section: the server on the socket `http`, with this answer. */
  web(answer: string, more?: Section): Section;
  /** Writes its file anew, with the same `[circus]`, and has it read. */
  reload(sections: Readonly<Record<string, Section>>): Promise<unknown>;
  pids(name: string): Promise<unknown>;
}

async function startHost(sections: (web: Host["web"]) => Readonly<Record<string, Section>>): Promise<Host> {
  const dir = await tempDir("circus-reload-");
  const program = await dir.write("server.py", SERVER);
  const web: Host["web"] = (answer, more = {}) => ({
    cmd: `${python()} ${program} $(circus.sockets.http) ${answer}`,
    ...{ use_sockets: true, copy_env: true, "ready.min_uptime": "1s", max_retry: 0, ...more },
  });
  const agent = await startAgent({ sections: sections(web) });
  const text = await readFile(agent.iniFile, "utf8");
  const circus = text.split(/\n(?=\[)/).find((part) => part.startsWith("[circus]")) ?? "";
  return {
    ...{ agent, web },
    async reload(next) {
      await writeFile(agent.iniFile, `${circus}\n${iniText(next)}`);
      return await agent.call("reloadconfig", { waiting: true }, 60_000);
    },
    pids: async (name) => (await agent.call("list", { name }))["pids"],
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

const becomes = (agent: Agent, name: string, status: string) =>
  waitFor(async () => (await agent.call("status", { name }))["status"] === status, { what: `${name} to be ${status}` });
const ok = expect.objectContaining({ status: "ok" }) as unknown;

it("binds a socket anew at the same address under the eyes of a client, who is never refused", async () => {
  const [port = 0] = await freePorts(1);
  await using host = await startHost((web) => ({
    "watcher:web": web("one", { numprocesses: 2 }),
    "watcher:idle": { cmd: "sleep 1000" },
    "socket:http": { host: "localhost", port },
  }));
  const { agent } = host;
  await becomes(agent, "web", "active");
  expect(await ask(port)).toBe("one");
  const idle = await host.pids("idle");
  const some = client(port);
  const next = (web: Section, host: string, more: Section = {}) => ({
    ...{ "watcher:web": web, "watcher:idle": { cmd: "sleep 1000" }, "socket:http": { host, port, ...more } },
  });
  expect(await host.reload(next(host.web("two", { numprocesses: 2 }), "127.0.0.1"))).toEqual(ok);
  expect(await ask(port)).toBe("two");
  expect(await host.reload(next(host.web("three"), "127.0.0.1", { so_reuseport: true }))).toEqual(ok);
  expect(await ask(port)).toBe("three");
  const answers = await some.end();
  expect(new Set(answers)).toEqual(new Set(["one", "two", "three"]));
  expect(await host.pids("idle")).toEqual(idle);
});

it("leaves the old processes their connections where the new ones do not come up", async () => {
  const [port = 0] = await freePorts(1);
  await using host = await startHost((web) => ({
    "watcher:web": web("one"),
    "socket:http": { host: "localhost", port },
  }));
  const { agent } = host;
  await becomes(agent, "web", "active");
  const before = [await host.pids("web"), await agent.call("listsockets")];
  const next = (more: Section) => ({
    "watcher:web": host.web("two", more),
    "socket:http": { host: "127.0.0.1", port },
  });
  expect(await host.reload(next({ executable: "/bin/false" }))).toMatchObject({
    ...{ status: "error", errno: 6, reason: expect.stringMatching(/^web: /) as unknown },
  });
  for (let i = 0; i < 20; i++) expect(await ask(port)).toBe("one");
  const [pids, sockets] = [await host.pids("web"), await agent.call("listsockets")];
  expect(pids).toEqual(before[0]);
  expect(sockets["sockets"]).toEqual((before[1] as typeof sockets)["sockets"]);
  // The file, put right, is taken up as if nothing had been.
  expect(await host.reload(next({}))).toEqual(ok);
  expect(await ask(port)).toBe("two");
});

it("refuses a file with a circle of dependencies, or a log that cannot be written, and changes nothing", async () => {
  const [port = 0] = await freePorts(1);
  const http = { "socket:http": { host: "127.0.0.1", port } };
  await using host = await startHost((web) => ({ "watcher:web": web("one"), ...http }));
  await becomes(host.agent, "web", "active");
  const before = [await host.pids("web"), (await host.agent.call("listsockets"))["sockets"]];
  const idle = { cmd: "sleep 1000" };
  const refusals: [string, Readonly<Record<string, Section>>][] = [
    ["depend", { "watcher:a": { ...idle, depends_on: "b" }, "watcher:b": { ...idle, depends_on: "a" } }],
    [
      "a: stdout_stream: cannot open '/nonexistent/log': its directory does not exist",
      { "watcher:a": { ...idle, "stdout_stream.class": "FileStream", "stdout_stream.filename": "/nonexistent/log" } },
    ],
    [
      "lower numprocesses",
      { "watcher:a": { ...idle, numprocesses: 10_000_000, "stdout_stream.class": "QueueStream" } },
    ],
  ];
  for (const [reason, watchers] of refusals) {
    expect(await host.reload({ "watcher:web": host.web("two"), ...http, ...watchers })).toMatchObject({
      ...{ status: "error", errno: 6, reason: expect.stringContaining(reason) as unknown },
    });
    expect(await ask(port)).toBe("one");
    expect([await host.pids("web"), (await host.agent.call("listsockets"))["sockets"]]).toEqual(before);
    expect((await host.agent.call("status"))["statuses"]).toEqual({ web: "active" });
  }
});

it("lets one on demand wait on its new socket, and starts another command for it", async () => {
  const [old = 0, port = 0] = await freePorts(2);
  await using host = await startHost((web) => ({
    "watcher:web": web("one", { on_demand: true }),
    "socket:http": { host: "127.0.0.1", port: old },
  }));
  const { agent } = host;
  const onDemand = { on_demand: true };
  await becomes(agent, "web", "stopped");
  const moved = (answer: string) => ({
    "watcher:web": host.web(answer, onDemand),
    "socket:http": { host: "127.0.0.1", port },
  });
  expect(await host.reload(moved("two"))).toEqual(ok);
  await becomes(agent, "web", "stopped");
  expect(await ask(old)).toBe("ECONNREFUSED");
  expect(await ask(port)).toBe("two");
  await becomes(agent, "web", "active");
  // While it runs it is renewed as any other.
  expect(await host.reload(moved("three"))).toEqual(ok);
  expect(await ask(port)).toBe("three");
});

it("adds, changes and removes real plugins; one that did not change keeps its process", async () => {
  const flapping = { use: "circus.plugins.flapping.Flapping", window: 5 };
  const watcher = { "watcher:idle": { cmd: "sleep 1000" } };
  await using host = await startHost(() => ({ ...watcher, "plugin:a": flapping, "plugin:b": flapping }));
  const { agent } = host;
  for (const name of ["plugin:a", "plugin:b"]) await becomes(agent, name, "active");
  const [a, b] = [await host.pids("plugin:a"), await host.pids("plugin:b")];
  const changed = { ...flapping, window: 6 };
  expect(await host.reload({ ...watcher, "plugin:a": flapping, "plugin:b": changed, "plugin:c": flapping })).toEqual(
    ok,
  );
  expect(await host.pids("plugin:a")).toEqual(a);
  const renewed = await host.pids("plugin:b");
  expect(renewed).toEqual([expect.any(Number)]);
  expect(renewed).not.toEqual(b);
  expect(await host.pids("plugin:c")).toEqual([expect.any(Number)]);
  expect(await host.reload({ ...watcher, "plugin:a": flapping })).toEqual(ok);
  expect((await agent.call("status"))["statuses"]).toEqual({ idle: "active", "plugin:a": "active" });
  expect(await host.pids("plugin:a")).toEqual(a);
});
