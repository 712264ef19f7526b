/**
 * A part that hangs costs itself: what its neighbours do goes on meanwhile, and whoever asks it is told. Everything is
 * hung at once, so that one start of the programs shows it all.
 */
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { connect, type Socket } from "node:net";
import type { FleetAnswers, HostSnapshot } from "@circus-cluster/proto";
import { afterAll, describe, expect, it } from "vitest";
import { iniText } from "../support/agent.ts";
import { RealFleet } from "../support/fleet.ts";
import { assertNoLeaks, descendants, processInfo } from "../support/leaks.ts";
import { freePorts } from "../support/ports.ts";
import { startProgram } from "../support/process.ts";
import { storedEvents } from "../support/stored-events.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { zmqCall } from "../support/zmq-call.ts";

afterAll(() => assertNoLeaks());

const ok = { status: "ok" };
const shell = (script: string) => ({ cmd: script, shell: true, copy_env: true });

/** A FIFO that is full and that nobody reads, as long as the descriptor is open. */
function fullFifo(path: string): number {
  execFileSync("mkfifo", [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  for (const piece of ["x".repeat(4096), "x"]) {
    try {
      for (;;) writeSync(fd, piece);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
  return fd;
}

describe("circusd", () => {
  it("serves its other watchers while all these hang, ends in time and leaves nothing behind", async () => {
    await using dir = await tempDir("circus-contained-");
    const [endpoint = 0, pubsub = 0, metrics = 0] = await freePorts(3);
    const pipes = ["log", "sink"].map((name) => fullFifo(dir.file(name)));
    const sleeper = { cmd: "sleep 1000", graceful_timeout: 2 };
    const ini = await dir.write(
      "circus.ini",
      iniText({
        circus: {
          ...{ endpoint: `tcp://127.0.0.1:${endpoint}`, pubsub_endpoint: `tcp://127.0.0.1:${pubsub}` },
          ...{ multicast_endpoint: "", state_dir: dir.file("state"), metrics: `127.0.0.1:${metrics}` },
        },
        // Inherits stderr: the fork makes that description blocking.
        "watcher:stubborn": {
          ...shell("trap '' TERM; sleep 1001 & echo $! > child; while :; do sleep 0.1; done"),
          graceful_timeout: 8,
        },
        "watcher:hook": { ...sleeper, "hooks.before_stop": "exec: sleep 1002", "hooks.timeout": "8s" },
        "watcher:sink": { ...shell("exec yes"), "stdout_stream.filename": dir.file("sink") },
        "watcher:good": { ...sleeper, "stdout_stream.filename": dir.file("good.log") },
      }),
    );
    await using program = await startProgram("sh", ["-c", `exec circusd --log-level debug '${ini}' 2> log`], {
      cwd: dir.path,
    });
    const call = async (command: string, properties: Readonly<Record<string, unknown>>, timeoutMs = 20_000) =>
      await zmqCall(`tcp://127.0.0.1:${endpoint}`, { command, properties }, timeoutMs);
    const statuses = async () => (await call("status", {}, 250))["statuses"];
    const all = { stubborn: "active", hook: "active", sink: "active", good: "active" };
    await expect.poll(statuses, { timeout: 15_000 }).toEqual(all);
    const child = await waitFor(() => Number(readFileSync(dir.file("child"), "utf8")), { what: "a child" });

    const readers: Socket[] = Array.from({ length: 8 }, () => connect(metrics, "127.0.0.1").pause());
    for (const reader of readers) {
      reader.on("error", () => undefined);
      reader.write("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(500));
    }
    const order: string[] = [];
    const stops = ["stubborn", "hook"].map(async (name) => {
      expect(await call("stop", { name, waiting: true })).toMatchObject(ok);
      order.push(name);
    });
    expect(await call("restart", { name: "good", waiting: true })).toMatchObject(ok);
    order.push("good");
    const page = await fetch(`http://127.0.0.1:${metrics}/metrics`);
    expect(await page.text()).toContain("circus_");
    order.push("page");
    await Promise.all(stops);
    expect(order.slice(0, 2)).toEqual(["good", "page"]);
    expect(processInfo(child)).toBeNull(); // killed with its group

    const left = descendants(program.pid);
    program.kill("SIGTERM");
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(left.filter(({ pid, start }) => processInfo(pid)?.start === start)).toEqual([]);
    for (const reader of readers) reader.destroy();
    for (const fd of pipes) closeSync(fd);
  });
});

/** Says READY=1 as soon as there is no file `hold`. */
const NOTIFY = `
import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
while os.path.exists("hold"): time.sleep(0.02)
s.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
time.sleep(1000)
`;

describe("a fleet", () => {
  it("misses an agent that is stopped, tells whoever asks it, rolls past it, and has it back", {
    timeout: 120_000,
  }, async () => {
    const sections = { "watcher:w": { cmd: "sleep 1000" } };
    await using fleet = await RealFleet.start(["web1", "web2"], { isOnLoopback: true, starting: 2, sections });
    const hosts = async () => (await fleet.json<FleetAnswers["hosts"]>("hosts")).hosts;
    const presence = async () => (await hosts()).find(({ host }) => host === "web2")?.presence;
    const isWhole = async () =>
      (await hosts()).filter(({ watchers, presence: is }) => watchers === 1 && is === "online").length === 2;
    await waitFor(isWhole, { what: "two hosts", deadlineMs: 30_000, everyMs: 200 });
    const { pid } = fleet.host("web2").agent;
    const [worker] = descendants(pid);
    process.kill(pid, "SIGSTOP");
    try {
      const rollout = fleet.ctl("--all restart w --batch 100% --soak 100ms --on-lost skip");
      const asked = await fleet.ctl("--timeout 1 --host web2 restart w --at-once");
      expect(asked.code).toBe(4);
      expect(asked.stdout).toMatch(/^web2: not delivered: no answer within 2s, asked twice; .*later\n$/);
      const { stdout, code } = await rollout;
      expect(code).toBe(0);
      expect(stdout).toMatch(/web1 {2}done\n/);
      expect(stdout).toMatch(/skipped: web2 \(.*does not answer\)\n$/);
      expect(worker).toMatchObject({ start: processInfo(worker?.pid ?? 0)?.start });
      await waitFor(async () => ["late", "lost"].includes((await presence()) ?? ""), {
        ...{ what: "web2 to be missed", deadlineMs: 60_000, everyMs: 200 },
      });
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await waitFor(async () => (await presence()) === "online", {
      ...{ what: "web2 to be back", deadlineMs: 30_000, everyMs: 200 },
    });
  });

  it("goes on with a rollout whose agent is killed in the middle of it, and commands its host once", {
    timeout: 120_000,
  }, async () => {
    await using dir = await tempDir("circus-contained-");
    const script = await dir.write("notify.py", NOTIFY);
    const sections = {
      "watcher:w": {
        ...{ cmd: `python3 ${script}`, copy_env: true, graceful_timeout: 2 },
        ...{ "healthcheck.type": "notify", "healthcheck.start_period": "60s" },
      },
    };
    await using fleet = await RealFleet.start(["web1", "web2"], { isOnLoopback: true, starting: 2, sections });
    const { agent } = fleet.host("web1");
    const look = async () => {
      const reply = (await agent.call("snapshot")) as unknown as { snapshot: HostSnapshot };
      return reply.snapshot.watchers[0]?.processes[0];
    };
    const isWhole = async () => {
      const { hosts } = await fleet.json<FleetAnswers["status"]>("--all status");
      return hosts.filter(({ watchers }) => watchers[0]?.healthy === 1).length === 2;
    };
    await waitFor(isWhole, { what: "two healthy hosts", deadlineMs: 30_000, everyMs: 200 });
    const old = await look();
    const hold = fleet.dir.file("web1", "hold");
    writeFileSync(hold, "");
    const rollout = fleet.ctl("--all restart w --batch 1 --soak 200ms --health-timeout 60s");
    const isNew = async () => {
      const now = await look();
      return now !== undefined && now.pid !== old?.pid && now;
    };
    const fresh = await waitFor(isNew, { what: "the new process of web1", deadlineMs: 30_000, everyMs: 50 });
    await agent.kill9();
    await agent.restart();
    expect(await look()).toMatchObject({ pid: fresh.pid, health: "starting" });
    rmSync(hold);
    const { code, stdout, stderr } = await rollout;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/web1 {2}done\n/);
    expect(await look()).toMatchObject({ pid: fresh.pid, health: "healthy" });
    const kinds = storedEvents(fleet.controllerState()).kinds("web1");
    expect(kinds.filter((kind) => kind === "process_spawned")).toHaveLength(2);
    expect(kinds.filter((kind) => kind === "command_accepted")).toHaveLength(1);
  });
});
