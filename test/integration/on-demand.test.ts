/** Watchers that the first connection on one of their own sockets starts. */
import { connect } from "node:net";
import { afterAll, expect, it } from "vitest";
import { type Agent, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePorts } from "../support/ports.ts";
import { run } from "../support/process.ts";
import { python } from "../support/python.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

/** Answers with its pid; a request `end` ends it, `die` does so without an answer. */
const SERVER = `
import os, socket, sys
server = socket.socket(fileno=int(sys.argv[1]))
server.setblocking(True)
while True:
    client, _ = server.accept()
    request = client.recv(10)
    if request == b"die":
        os._exit(3)
    client.sendall(str(os.getpid()).encode())
    client.close()
    if request == b"end":
        sys.exit(0)
`;

async function ask(port: number, request: string): Promise<string> {
  return await new Promise((resolve) => {
    let answer = "";
    connect(port, "127.0.0.1", function connected(this: ReturnType<typeof connect>) {
      this.write(request);
    })
      .on("data", (data) => (answer += data.toString()))
      .on("error", () => undefined)
      .on("close", () => resolve(answer));
  });
}

const statuses = async (agent: Agent) => (await agent.call("status"))["statuses"];
const becomes = (agent: Agent, name: string, status: string) =>
  waitFor(async () => (await agent.call("status", { name }))["status"] === status, { what: `${name} to be ${status}` });

it("starts each at the first connection on its own socket, again after it ended, and not after a stop by hand", async () => {
  await using dir = await tempDir("circus-demand-");
  const program = await dir.write("server.py", SERVER);
  const [portA = 0, portB = 0] = await freePorts(2);
  const watcher = (socket: string) => ({
    cmd: `${python()} ${program} $(circus.sockets.${socket})`,
    ...{ use_sockets: true, on_demand: true, copy_env: true, numprocesses: 2 },
  });
  await using agent = await startAgent({
    sections: {
      circus: { check_delay: 0.1 },
      "watcher:first": { cmd: "sleep 1000" },
      "watcher:web-a": watcher("a"),
      "watcher:web-b": watcher("b"),
      "socket:a": { host: "127.0.0.1", port: portA },
      "socket:b": { host: "127.0.0.1", port: portB },
    },
  });
  await becomes(agent, "first", "active");
  const waiting = { first: "active", "web-a": "stopped", "web-b": "stopped" };
  expect(await statuses(agent)).toEqual(waiting);

  // The connection that wakes it is answered, and only the watcher of that socket wakes.
  const pid = Number(await ask(portB, "who"));
  await becomes(agent, "web-b", "active");
  expect((await agent.call("list", { name: "web-b" }))["pids"]).toContain(pid);
  expect(await statuses(agent)).toEqual({ ...waiting, "web-b": "active" });
  expect(await ask(portA, "who")).toMatch(/^\d+$/);
  await becomes(agent, "web-a", "active");

  // One that ends is not replaced; with the last the watcher rests, until somebody comes.
  await ask(portB, "end");
  await waitFor(async () => ((await agent.call("list", { name: "web-b" }))["pids"] as number[]).length === 1, {
    what: "one of two processes",
  });
  await ask(portB, "end");
  await becomes(agent, "web-b", "stopped");
  expect(await ask(portB, "who")).toMatch(/^\d+$/);

  // Stopped by hand it rests, whoever comes, until it is started by hand.
  expect((await run("circusctl", ["--endpoint", agent.endpoint, "stop", "web-b"])).code).toBe(0);
  await becomes(agent, "web-b", "stopped");
  const patient = ask(portB, "who");
  // The other one is woken meanwhile: whoever was to hear the connection on b has had the time.
  await ask(portA, "end");
  await ask(portA, "end");
  await becomes(agent, "web-a", "stopped");
  expect(await ask(portA, "who")).toMatch(/^\d+$/);
  expect((await agent.call("status", { name: "web-b" }))["status"]).toBe("stopped");
  expect((await run("circusctl", ["--endpoint", agent.endpoint, "start", "web-b"])).code).toBe(0);
  expect(await patient).toMatch(/^\d+$/);
});

it("goes on waking one whose processes die over each connection", async () => {
  await using dir = await tempDir("circus-demand-");
  const program = await dir.write("server.py", SERVER);
  const [port = 0] = await freePorts(1);
  await using agent = await startAgent({
    sections: {
      circus: { check_delay: 0.05 },
      "watcher:web": {
        cmd: `${python()} ${program} 0`,
        ...{ stdin_socket: "a", on_demand: true, copy_env: true },
      },
      "socket:a": { host: "127.0.0.1", port },
    },
  });
  for (let i = 0; i < 3; i++) expect(await ask(port, "die")).toBe("");
  expect(await ask(port, "who")).toMatch(/^\d+$/);
  await becomes(agent, "web", "active");
});
