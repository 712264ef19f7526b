/** Statistics as Circus's clients hear them: a SUB socket of pyzmq, and the real circus-top (reference §8.2, §8.3). */
import { readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { type Agent, iniText, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePorts } from "../support/ports.ts";
import { run } from "../support/process.ts";
import { python, runPython } from "../support/python.ts";
import { tempDir } from "../support/temp.ts";
import { Terminal } from "../support/terminal.ts";
import { waitFor } from "../support/wait.ts";

type Payload = Readonly<Record<string, unknown>>;
type Message = readonly [topic: string, payload: Payload];

afterAll(() => assertNoLeaks());

const statsEndpoint = async (agent: Agent): Promise<string> =>
  String(((await agent.call("globaloptions")) as unknown as { options: Payload }).options["stats_endpoint"]);

async function hear(endpoint: string, prefix: string, seconds: number): Promise<Message[]> {
  const { stdout } = await runPython("stats_subscriber.py", [endpoint, prefix, String(seconds)]);
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Message);
}

const pidsOf = async (agent: Agent, name: string): Promise<number[]> =>
  ((await agent.call("list", { name })) as unknown as { pids: number[] }).pids;

describe("the statistics stream", () => {
  it("has the topics and keys of the reference, once a second, and no watcher of its own", async () => {
    const [port = 0] = await freePorts(1);
    await using agent = await startAgent({
      sections: {
        "watcher:My.App": { cmd: "sleep 1000", numprocesses: 2 },
        "watcher:idle": { cmd: "sleep 1000", autostart: "False" },
        "socket:web": { host: "127.0.0.1", port },
      },
    });
    const pids = await waitFor(async () => (await pidsOf(agent, "my.app")).length === 2 && pidsOf(agent, "my.app"), {
      what: "two workers",
    });
    const client = connect(port, "127.0.0.1");
    await new Promise((resolve) => client.once("connect", resolve));
    const messages = await hear(await statsEndpoint(agent), "stat.", 4.5);
    client.destroy();
    const last = (topic: string): Payload | undefined => messages.findLast(([name]) => name === topic)?.[1];
    const fd = Number(((await agent.call("listsockets")) as unknown as { sockets: { fd: number }[] }).sockets[0]?.fd);

    expect([...new Set(messages.map(([topic]) => topic))].sort()).toEqual(
      [
        ...["stat.circus", `stat.circus.${agent.pid}`, "stat.sockets", `stat.sockets.${fd}`, "stat.my-app"],
        ...pids.map((pid) => `stat.my-app.${pid}`),
      ].sort(),
    );
    for (const pid of pids) {
      const record = last(`stat.my-app.${pid}`);
      expect(record).toMatchObject({ pid, subtopic: pid, name: null, cmdline: "sleep", children: [], nice: 0 });
      expect(Object.keys(record ?? {}).sort()).toEqual(
        [
          ...["age", "children", "cmdline", "cpu", "create_time", "ctime", "mem", "mem_info1", "mem_info2", "name"],
          ...["nice", "pid", "subtopic", "username"],
        ].sort(),
      );
    }
    expect(Object.keys(last("stat.my-app") ?? {}).sort()).toEqual(["age", "cpu", "mem", "pid"]);
    expect(last("stat.my-app")?.["pid"]).toEqual(pids);
    expect(last(`stat.circus.${agent.pid}`)).toMatchObject({ name: "circusd", pid: agent.pid });
    expect(last(`stat.sockets.${fd}`)).toEqual({
      ...{ fd, subtopic: fd, reads: 1, waiting: 1, address: `127.0.0.1:${port}` },
    });
    expect(last("stat.sockets")).toEqual({ addresses: [`127.0.0.1:${port}`], reads: 1 });
    const rounds = messages.filter(([topic]) => topic === "stat.circus").length;
    expect(rounds).toBeGreaterThanOrEqual(2);
    expect(rounds).toBeLessThanOrEqual(5);
    expect(await agent.call("numwatchers")).toMatchObject({ numwatchers: 2 });
  });

  it("costs nothing while nobody listens", async () => {
    await using agent = await startAgent({
      sections: { "watcher:w": { cmd: "sleep 1000", numprocesses: 20 } },
    });
    await waitFor(async () => (await pidsOf(agent, "w")).length === 20, { what: "workers" });
    await hear(await statsEndpoint(agent), "stat.", 1.2); // somebody did, and left
    const ticks = (): number => {
      const fields = readFileSync(`/proc/${agent.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      return Number(fields[11]) + Number(fields[12]);
    };
    // A listener costs about six of these in two seconds, always; what the start still has to do comes to its end.
    await waitFor(
      async () => {
        const before = ticks();
        await new Promise((resolve) => setTimeout(resolve, 2000)); // what is measured is a stretch of time
        return ticks() - before <= 1;
      },
      { what: "two seconds without work", deadlineMs: 60_000 },
    );
  });

  it("an ipc endpoint is the owner's alone; one in use ends circusd with one line", async () => {
    await using dir = await tempDir();
    const endpoint = `ipc://${dir.file("stats")}`;
    await using agent = await startAgent({
      sections: { circus: { stats_endpoint: endpoint }, "watcher:w": { cmd: "sleep 1000" } },
    });
    expect((await stat(dir.file("stats"))).mode & 0o777).toBe(0o600);
    const heard = await hear(endpoint, "stat.circus", 2);
    expect(heard.map(([topic]) => topic)).toContain("stat.circus");
    expect(heard.every(([topic]) => topic.startsWith("stat.circus"))).toBe(true);

    const [port = 0, pubsub = 0] = await freePorts(2);
    const second = (stats: string) => {
      const circus = { endpoint: `tcp://127.0.0.1:${port}`, pubsub_endpoint: `tcp://127.0.0.1:${pubsub}` };
      return dir.write("second.ini", iniText({ circus: { ...circus, stats_endpoint: stats } }));
    };
    const taken = await run("circusd", [await second(endpoint)]);
    expect(taken.code).toBe(1);
    expect(taken.stderr).toContain(`circusd: endpoint ${endpoint} is in use by another program\n`);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const busy = `tcp://127.0.0.1:${(server.address() as { port: number }).port}`;
    expect(await run("circusd", [await second(busy)])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`circusd: endpoint ${busy} is in use by another program\n`) as string,
    });
    server.close();
    expect(agent.program.isRunning).toBe(true);
  });

  it("is not there without `statsd` and `stats_endpoint`; `globaloptions` names its place all the same, as in Circus", async () => {
    await using dir = await tempDir();
    const [port = 0, pubsub = 0] = await freePorts(2);
    const circus = { endpoint: `tcp://127.0.0.1:${port}`, pubsub_endpoint: `tcp://127.0.0.1:${pubsub}` };
    const check = await run("circusd", [
      "--check",
      "--json",
      await dir.write("c.ini", iniText({ circus, "watcher:w": { cmd: "sleep 1" } })),
    ]);
    expect(JSON.parse(check.stdout)).toMatchObject({
      config: { circus: { statsd: false, statsEndpoint: "tcp://127.0.0.1:5557" } },
    });
  });
});

const source = process.env["CIRCUS_SRC"];
if (source !== undefined) {
  describe("the real circus-top", () => {
    it("shows watchers, processes, the agent and sockets", async () => {
      const [port = 0] = await freePorts(1);
      await using agent = await startAgent({
        sections: {
          "watcher:web": { cmd: "sleep 1000", numprocesses: 2 },
          "socket:front": { host: "127.0.0.1", port },
        },
      });
      const pids = await waitFor(async () => (await pidsOf(agent, "web")).length === 2 && pidsOf(agent, "web"), {
        what: "two workers",
      });
      const code = "import sys; from circus.stats.client import main; sys.argv[0] = 'circus-top'; main()";
      const argv = [python(), "-c", code, "--endpoint", await statsEndpoint(agent)];
      await using top = new Terminal(argv, { rows: 40, columns: 100, env: { PYTHONPATH: source } });
      await waitFor(() => /web[\s\S]*\(sum\)/.test(top.text()), { what: "circus-top to paint", deadlineMs: 30_000 });
      await waitFor(() => pids.every((pid) => top.text().includes(String(pid))), { what: "the pids" });
      for (const text of ["Circus Top", `${agent.pid} (circusd)`, `127.0.0.1:${port}`, "(avg)", "(older)"]) {
        expect(top.text()).toContain(text);
      }
      top.type("\x03");
      expect(await top.ended()).toEqual({ status: 0, restored: true });
    });
  });
}
