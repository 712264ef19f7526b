/** Output of workers of a real circusd: nothing lost, whatever becomes of workers, files and readers. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Agent, iniText, startAgent } from "../support/agent.ts";
import { assertNoLeaks, processInfo } from "../support/leaks.ts";
import { numberedLines, readLogs } from "../support/numbered-lines.ts";
import { freePorts } from "../support/ports.ts";
import { cleanEnv, projectRoot } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

const shell = (script: string) => ({ cmd: script, shell: true, copy_env: true });
const status = async (agent: Agent, name: string) => (await agent.call("status", { name }))["status"];
const ok = { status: "ok" };

describe("streams", () => {
  it("keep 50 MB of numbered lines of four workers in rotated files, each once and in order", async () => {
    await using dir = await tempDir();
    const workers = await numberedLines(dir.path, 4, 50);
    await using agent = await startAgent({
      cwd: dir.path,
      sections: {
        "watcher:w": {
          ...{ cmd: "cat data.$(circus.wid)", numprocesses: 4, respawn: false, copy_env: true },
          ...{
            "stdout_stream.filename": "out.log",
            "stdout_stream.max_bytes": 1_000_000,
            "stdout_stream.backup_count": 999,
          },
        },
      },
    });
    await waitFor(async () => (await status(agent, "w")) === "stopped", { what: "all to be done", deadlineMs: 90_000 });
    // A stop that had nothing to stop waits for the files too.
    expect(await agent.call("stop", { name: "w", waiting: true })).toMatchObject(ok);
    expect(readLogs(join(dir.path, "out.log"))).toEqual(workers);
    for (const name of readdirSync(dir.path).filter((file) => file.startsWith("out.log"))) {
      expect(statSync(join(dir.path, name)).size).toBeLessThanOrEqual(1_000_000);
    }
  });

  it("have the last words of a process that is stopped, and of one that is killed", async () => {
    await using dir = await tempDir();
    const trap = "trap 'seq 1 5000; printf bye; exit' TERM; echo ready; while :; do sleep 0.05; done";
    await using agent = await startAgent({
      cwd: dir.path,
      sections: {
        "watcher:w": { ...shell(trap), "stdout_stream.filename": "w.log" },
        "watcher:k": {
          ...shell("seq 1 5000; kill -9 $$"),
          respawn: false,
          "stderr_stream.class": "FileStream",
          "stderr_stream.filename": "k.err",
          "stdout_stream.filename": "k.log",
        },
      },
    });
    const read = (name: string) => readFileSync(join(dir.path, name), "utf8");
    const numbers = Array.from({ length: 5000 }, (_, i) => `${i + 1}\n`).join("");
    await waitFor(() => read("w.log") === "ready\n", { what: "the worker to be ready" });
    expect(await agent.call("stop", { name: "w", waiting: true })).toMatchObject(ok);
    expect(read("w.log")).toBe(`ready\n${numbers}bye`);
    await waitFor(() => read("k.log") === numbers, { what: "the output of the killed one" });
    expect(read("k.err")).toBe("");
  });

  it("can be changed while workers run, and show themselves with their class", async () => {
    await using dir = await tempDir();
    await using agent = await startAgent({
      cwd: dir.path,
      sections: {
        "watcher:w": {
          ...shell("i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done"),
          ...{ "stdout_stream.class": "WatchedFileStream", "stdout_stream.filename": "one.log" },
        },
      },
    });
    const size = (name: string) => statSync(join(dir.path, name)).size;
    await waitFor(() => size("one.log") > 20, { what: "output" });
    const pids = (await agent.call("list", { name: "w" }))["pids"];
    const set = (options: object) => agent.call("set", { name: "w", options, waiting: true });
    expect(await set({ "stdout_stream.filename": "/no/such/dir/x" })).toMatchObject({
      status: "error",
      reason: expect.stringContaining(
        "stdout_stream: cannot open '/no/such/dir/x': its directory does not exist",
      ) as string,
    });
    expect(await set({ "stdout_stream.filename": "two.log" })).toMatchObject(ok);
    await waitFor(() => size("two.log") > 20, { what: "output in the new file" });
    expect(await agent.call("get", { name: "w", keys: ["stdout_stream_conf"] })).toMatchObject({
      options: { stdout_stream_conf: { class: "WatchedFileStream", filename: "two.log" } },
    });
    // Moved away by logrotate: the next writes make it anew, also without the signal.
    renameSync(join(dir.path, "two.log"), join(dir.path, "two.log-1"));
    await waitFor(() => size("two.log") > 20, { what: "the file that was moved away" });
    expect(await set({ stdout_stream: { class: "FileStream", filename: "three.log" } })).toMatchObject(ok);
    renameSync(join(dir.path, "three.log"), join(dir.path, "three.log-1"));
    process.kill(agent.pid, "SIGUSR1");
    await waitFor(() => size("three.log") > 20, { what: "the file after SIGUSR1" });
    expect((await agent.call("list", { name: "w" }))["pids"]).toEqual(pids);
    expect(await agent.call("stop", { name: "w", waiting: true })).toMatchObject(ok);
    const all = ["one.log", "two.log-1", "two.log", "three.log-1", "three.log"]
      .map((name) => readFileSync(join(dir.path, name), "utf8"))
      .join("");
    const lines = all.trimEnd().split("\n").map(Number);
    expect(lines).toEqual(lines.map((_, i) => i + 1));
  });

  it("fail the start of a watcher whose file cannot be opened, and hold up nobody", async () => {
    await using agent = await startAgent({
      sections: {
        "watcher:bad": { cmd: "sleep 1000", "stdout_stream.filename": "/no/such/dir/x", max_retry: 1, priority: 1 },
        "watcher:good": { cmd: "sleep 1000" },
      },
    });
    await waitFor(async () => (await status(agent, "good")) === "active", { what: "the other watcher" });
    const reply = (await agent.call("snapshot")) as unknown as {
      snapshot: { watchers: { name: string; reason: string }[] };
    };
    const reason = "stdout_stream: cannot open '/no/such/dir/x': its directory does not exist";
    expect(reply.snapshot.watchers.find(({ name }) => name === "bad")?.reason).toContain(reason);
  });

  it("have each line once that a worker wrote while circusd was killed, also the one it was killed in", async () => {
    await using dir = await tempDir();
    const script =
      'echo $$ begin; printf "$$ ha"; until test -e go; do sleep 0.02; done; echo lf; seq -f "$$ %g" 1 5000; exec sleep 1000';
    await using agent = await startAgent({
      cwd: dir.path,
      sections: { "watcher:w": { ...shell(script), "stdout_stream.filename": "w.log" } },
    });
    const lines = (): string[] => readFileSync(dir.file("w.log"), "utf8").split("\n");
    const left = (): string[] => readdirSync(join(agent.stateDir, "output"));
    await waitFor(() => lines()[0] !== "", { what: "the first line" });
    const pid = Number(lines()[0]?.split(" ")[0]);
    await agent.kill9();
    await dir.write("go", "");
    await waitFor(() => processInfo(pid)?.command === "sleep 1000", { what: "the worker to have written all" });
    expect(lines()).toEqual([`${pid} begin`, ""]);
    await agent.restart();
    const own = (): string[] => lines().filter((line) => line.startsWith(`${pid} `));
    await waitFor(() => own().at(-1) === `${pid} 5000`, { what: "all lines", deadlineMs: 20_000 });
    const numbers = Array.from({ length: 5000 }, (_, i) => `${pid} ${i + 1}`);
    expect(own()).toEqual([`${pid} begin`, `${pid} half`, ...numbers]);
    await agent.stop();
    expect(left()).toEqual([]);
  });

  it("go to circusd's stdout without ever stopping it, although nobody reads that", async () => {
    await using dir = await tempDir();
    const [endpoint, pubsub, stats] = (await freePorts(3)).map((port) => `tcp://127.0.0.1:${port}`);
    const ini = await dir.write(
      "circus.ini",
      iniText({
        circus: {
          endpoint: endpoint!,
          pubsub_endpoint: pubsub!,
          stats_endpoint: stats!,
          logoutput: dir.file("agent.log"),
        },
        "watcher:loud": { cmd: "seq 1 400000", respawn: false, copy_env: true, "stdout_stream.class": "StdoutStream" },
        "watcher:fancy": {
          cmd: "echo hello",
          respawn: false,
          copy_env: true,
          "stdout_stream.class": "FancyStdoutStream",
          "stdout_stream.color": "green",
          "stdout_stream.time_format": "now",
        },
      }),
    );
    const circusd = spawn(join(projectRoot, "node_modules/.bin/circusd"), [ini], {
      env: cleanEnv(),
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(circusd, "exit");
    try {
      const { zmqCall } = await import("../support/zmq-call.ts");
      // Nobody has read a byte; far more than the pipe holds waits, and the agent answers.
      await waitFor(async () => (await zmqCall(endpoint!, { command: "status" }, 500))["status"] === "ok", {
        what: "circusd to answer",
        deadlineMs: 20_000,
      });
      for (let i = 0; i < 20; i++) expect(await zmqCall(endpoint!, { command: "dstats" }, 5000)).toMatchObject(ok);
      let text = "";
      circusd.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
      const hello = /\u001b\[0;32;40mnow \[\d+\] \| hello\u001b\[0m\n/;
      await waitFor(() => text.includes("\n400000\n") && hello.test(text), { what: "all lines", deadlineMs: 60_000 });
      const numbers = text.replace(hello, "").trimEnd().split("\n").map(Number);
      expect(numbers).toEqual(Array.from({ length: 400_000 }, (_, i) => i + 1));
    } finally {
      circusd.kill();
      await exited;
    }
  });
});
