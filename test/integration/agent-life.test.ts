/** How processes live, with a real circusd: health checks, order, failure, and the wish of who stopped a watcher. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { type Agent, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

interface Picture {
  readonly name: string;
  readonly state: string;
  readonly reason: string | null;
  readonly processes: readonly { readonly pid: number; readonly health: string }[];
}

async function look(agent: Agent, name: string): Promise<Picture> {
  const reply = (await agent.call("snapshot")) as unknown as { snapshot: { watchers: Picture[] } };
  return reply.snapshot.watchers.find((watcher) => watcher.name === name)!;
}

const until = <T>(what: string, agent: Agent, name: string, test: (picture: Picture) => T) =>
  waitFor(async () => test(await look(agent, name)), { what, deadlineMs: 20_000 });
const allHealthy = (picture: Picture) =>
  picture.processes.length > 0 && picture.processes.every(({ health }) => health === "healthy") && picture;

const QUICK = { "healthcheck.interval": "100ms", "healthcheck.timeout": "1s", "healthcheck.start_period": "5s" };

/** Ends, and what depends on it starts when it has ended well. */
const JOB = { respawn: false, autostart: false, "ready.when": "exited" };
/** Says READY=1 when told by a file, and WATCHDOG=1 while that is there. */
const NOTIFY = `
import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
say = lambda text: s.sendto(text, os.environ["NOTIFY_SOCKET"])
say(b"STATUS=loading")
while not os.path.exists("ready"): time.sleep(0.01)
say(b"READY=1")
while True:
    if os.path.exists("ready"): say(b"WATCHDOG=1")
    time.sleep(0.02)
`;

describe("health checks", () => {
  it("http: a process is replaced when the address answers with an error", async () => {
    let status = 200;
    const server = createServer((_request, response) => response.writeHead(status).end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      await using agent = await startAgent({
        sections: {
          "watcher:w": { cmd: "sleep 1000", ...QUICK, "healthcheck.type": "http", "healthcheck.url": url },
        },
      });
      const { processes } = await until("healthy", agent, "w", allHealthy);
      const pid = processes[0]!.pid;
      status = 503;
      await until(
        "another process",
        agent,
        "w",
        (now) => now.processes[0] !== undefined && now.processes[0].pid !== pid,
      );
      expect(agent.program.stderr + agent.program.stdout).toContain(`GET ${url} answered 503`);
      status = 200;
      await until("healthy again", agent, "w", allHealthy);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it("exec: with on_unhealthy = ignore the same process is ill and well again", async () => {
    await using dir = await tempDir();
    const flag = await dir.write("flag", "");
    await using agent = await startAgent({
      sections: {
        "watcher:w": {
          ...{ cmd: "sleep 1000", copy_env: true, ...QUICK, "healthcheck.type": "exec" },
          "healthcheck.cmd": `test -e ${flag} -a -d /proc/$CIRCUS_PID`,
          "healthcheck.on_unhealthy": "ignore",
        },
      },
    });
    const { processes } = await until("healthy", agent, "w", allHealthy);
    await dir[Symbol.asyncDispose]();
    const ill = await until("unhealthy", agent, "w", (now) => now.processes[0]?.health === "unhealthy" && now);
    expect(ill.processes[0]?.pid).toBe(processes[0]?.pid);
    expect(ill.reason).toMatch(/^process \d+ is unhealthy: 'test .*' exited with status 1$/);
    await dir.write("flag", "");
    await until("healthy again", agent, "w", allHealthy);
  });

  it("notify: healthy by READY=1, replaced without WATCHDOG=1, and what depends on it starts after it", async () => {
    await using dir = await tempDir();
    const script = await dir.write("notify.py", NOTIFY);
    await using agent = await startAgent({
      sections: {
        "watcher:db": {
          ...{ cmd: `python3 ${script}`, working_dir: dir.path, copy_env: true },
          ...{ "healthcheck.type": "notify", "healthcheck.interval": "200ms", graceful_timeout: 5 },
        },
        "watcher:app": { cmd: "sleep 1000", depends_on: "db", priority: 9 },
        "watcher:migrate": { cmd: "test -e done", working_dir: dir.path, ...JOB },
        "watcher:site": { cmd: "sleep 1000", depends_on: "migrate" },
        "watcher:other": { cmd: "sleep 1000", priority: -9 },
      },
    });
    await until("other", agent, "other", (now) => now.state === "active");
    expect(await look(agent, "app")).toMatchObject({ state: "starting", reason: "waits for 'db' to be healthy" });
    await agent.call("start", { name: "migrate", waiting: true });
    await until("a job that failed", agent, "migrate", (now) => /exited with status 1$/.test(now.reason ?? ""));
    expect(await look(agent, "site")).toMatchObject({ state: "starting", reason: "waits for 'migrate' to be healthy" });
    await dir.write("done", "");
    await agent.call("start", { name: "migrate", waiting: true });
    await until("what depends on the job", agent, "site", (now) => now.state === "active");
    expect(await look(agent, "migrate")).toMatchObject({ state: "stopped", processes: [] });
    const ready = await dir.write("ready", "");
    const before = await until("db healthy", agent, "db", allHealthy);
    await until("app", agent, "app", (now) => now.state === "active");
    const { rm } = await import("node:fs/promises");
    await rm(ready);
    await until("another db", agent, "db", (now) => now.processes.some(({ pid }) => pid !== before.processes[0]?.pid));
    expect(agent.program.stderr + agent.program.stdout).toContain("no WATCHDOG=1 within 200ms; it says: loading");
    await dir.write("ready", "");
    await until("db healthy again", agent, "db", allHealthy);
    expect((await look(agent, "app")).state).toBe("active");
  });

  it("tcp: a reload whose new process never gets healthy fails with the reason, and the old one stays", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    await using agent = await startAgent({
      sections: {
        "watcher:w": {
          ...{ cmd: "sleep 1000", ...QUICK, "healthcheck.type": "tcp", "healthcheck.on_unhealthy": "ignore" },
          ...{ "healthcheck.port": (server.address() as AddressInfo).port, "healthcheck.start_period": "200ms" },
        },
      },
    });
    const { processes } = await until("healthy", agent, "w", allHealthy);
    server.close();
    const reply = await agent.call("reload", { name: "w", waiting: true }, 20_000);
    expect(reply).toMatchObject({ status: "error", errno: 6 });
    expect(reply["reason"]).toMatch(/^new process \d+ is unhealthy: connect to 127\.0\.0\.1:\d+: ECONNREFUSED$/);
    expect((await look(agent, "w")).processes.map(({ pid }) => pid)).toEqual(processes.map(({ pid }) => pid));
  });
});

describe("intent", () => {
  it("stays stopped over a crash of the agent and over its end, and starts when somebody starts it", async () => {
    await using agent = await startAgent({
      sections: { "watcher:w": { cmd: "sleep 1000" }, "watcher:v": { cmd: "sleep 1000" } },
    });
    await until("w", agent, "w", (now) => now.state === "active");
    await agent.call("stop", { name: "w", waiting: true, reason: "too hot" });
    for (const end of ["crash", "stop"]) {
      if (end === "crash") await agent.kill9();
      await agent.restart();
      await until("v", agent, "v", (now) => now.state === "active");
      expect(await look(agent, "w")).toMatchObject({
        state: "stopped",
        reason: expect.stringMatching(/^stopped by local on 20\d\d-.*Z: too hot$/) as string,
      });
      await agent.program.waitForLine(/watcher stays stopped watcher=w reason="stopped by local .*: too hot"/);
    }
    await agent.call("start", { name: "w", waiting: true });
    await agent.restart();
    await until("w", agent, "w", (now) => now.state === "active");
  });
});

describe("on_failed = quit", () => {
  it("ends the agent with exit code 1 and the reason, and stops the others", async () => {
    await using agent = await startAgent({
      sections: {
        "watcher:job": {
          cmd: "sh -c 'read x; exit 3'",
          respawn: false,
          on_failed: "quit",
          copy_env: true,
          shell: false,
        },
        "watcher:other": { cmd: "sleep 1000" },
      },
    }).catch((error: unknown) => {
      // It may end before it was seen to answer.
      expect(String(error)).toContain("watcher 'job' failed and has on_failed = quit");
      return { program: null, [Symbol.asyncDispose]: () => Promise.resolve() };
    });
    if (agent.program === null) return;
    expect(await agent.program.exited).toMatchObject({ code: 1 });
    expect(agent.program.stderr).toMatch(
      /watcher 'job' failed and has on_failed = quit: process \d+ exited with status 3/,
    );
  });
});
