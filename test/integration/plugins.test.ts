/** The built-in plugins, as circusd runs them, against real servers. */
import { chmod, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { type Agent, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePort } from "../support/ports.ts";
import { cleanEnv, projectRoot, run, startProgram } from "../support/process.ts";
import { python } from "../support/python.ts";
import { tempDir } from "../support/temp.ts";
import { udpReceiver } from "../support/udp.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

const deadlineMs = 60_000;
const PROGRAM = join(projectRoot, "agent/bin/circus-plugin.js");
/** No worker of a plugin's own is left to chance: nothing from outside slows or changes it. */
const env = cleanEnv();

const status = async (agent: Agent, name: string) => (await agent.call("status", { name }))["status"];
const becomes = (agent: Agent, name: string, word: string) =>
  waitFor(async () => (await status(agent, name)) === word, { what: `${name} to be ${word}`, deadlineMs });
const pids = async (agent: Agent, name: string) => (await agent.call("list", { name }))["pids"] as number[];

it("Flapping stops what crashes, tries again, gives up, and leaves a restart alone", async () => {
  await using dir = await tempDir("circus-plugins-");
  const log = dir.file("circus.log");
  await using agent = await startAgent({
    sections: {
      circus: { logoutput: log },
      "watcher:good": { cmd: "sleep 1000", numprocesses: 4 },
      "watcher:My Bad": { cmd: "sh -c 'exit 3'", "flapping.attempts": 3 },
      "watcher:exempt": { cmd: "sh -c 'exit 3'", "flapping.active": "False" },
      "plugin:flap": { use: "circus.plugins.flapping.Flapping", retry_in: 0.3, max_retry: 2, window: 5 },
    },
  });
  expect((await agent.call("list"))["watchers"]).toEqual(["exempt", "good", "my bad", "plugin:flap"]);
  const said = async (pattern: RegExp) => {
    return [...(await readFile(log, "utf8")).matchAll(pattern)].length;
  };
  await waitFor(() => said(/plugin started/g), { what: "the plugin to start", deadlineMs });
  await waitFor(() => said(/stopped for good.*my_bad/g), { what: "it to give up", deadlineMs });
  await becomes(agent, "My Bad", "stopped");
  expect(await said(/stopped for a while .*watcher=my_bad/g)).toBe(2);
  expect(await said(/started again .*watcher=my_bad/g)).toBe(2);
  // Whoever looks later is told why.
  expect(await said(/watcher stopped watcher="My Bad" reason=.*flapping: 3 deaths/g)).toBe(1);

  for (let round = 0; round < 3; round++) await agent.call("restart", { name: "good", waiting: true });
  expect(await status(agent, "good")).toBe("active");
  expect(await said(/watcher=(?:good|exempt) .*flapping/g)).toBe(0);
  expect(await status(agent, "exempt")).toBe("active");

  // A person's start is a fresh chance.
  await agent.call("start", { name: "my bad" });
  await waitFor(async () => (await said(/stopped for a while .*watcher=my_bad/g)) > 2, { what: "a stop", deadlineMs });
});

it("what a person stops while it waits for its retry stays stopped", async () => {
  await using agent = await startAgent({
    sections: {
      "watcher:bad": { cmd: "sh -c 'exit 3'" },
      "plugin:flapping": { use: "circus.plugins.flapping.Flapping", retry_in: 1, max_retry: -1 },
      "plugin:off": { use: "circus.plugins.statsd.StatsdEmitter", active: "no" },
    },
  });
  expect(await status(agent, "plugin:off")).toBe("stopped");
  await becomes(agent, "plugin:flapping", "active");
  await becomes(agent, "bad", "stopped");
  await agent.call("stop", { name: "bad", waiting: true });
  // As long as three retries take; there is no event for what must not happen.
  const until = performance.now() + 3000;
  await waitFor(
    async () => {
      expect(await status(agent, "bad")).toBe("stopped");
      return performance.now() > until;
    },
    { what: "three retries' time", deadlineMs },
  );
});

it("events, use, redis and web pages reach a statsd receiver, and what fails is restarted", async () => {
  using statsd = await udpReceiver();
  let isWell = true;
  const web = createServer((_request, response) => {
    response.statusCode = isWell ? 200 : 503;
    response.end("hello");
  });
  const webPort = await freePort();
  await new Promise<void>((resolve) => web.listen(webPort, "127.0.0.1", resolve));
  const [redisPort, deadPort] = [await freePort(), await freePort()];
  const shared = { host: "127.0.0.1", port: statsd.port, loop_rate: 0.3 };
  try {
    await using agent = await startAgent({
      sections: {
        "watcher:redis": { cmd: `redis-server --port ${redisPort} --bind 127.0.0.1 --save ""`, copy_env: true },
        "watcher:web": { cmd: "sleep 1000", numprocesses: 2 },
        "watcher:db": { cmd: "sleep 1000" },
        "plugin:emitter": { use: "circus.plugins.statsd.StatsdEmitter", ...shared, application_name: "my app" },
        "plugin:full": { use: "circus.plugins.statsd.FullStats", ...shared },
        "plugin:redis": {
          ...{ use: "circus.plugins.redis_observer.RedisObserver", ...shared },
          redis_url: `redis://127.0.0.1:${redisPort}/0`,
        },
        "plugin:dead": {
          ...{ use: "circus.plugins.redis_observer.RedisObserver", ...shared, application_name: "dead" },
          ...{ redis_url: `redis://127.0.0.1:${deadPort}`, restart_on_timeout: "db" },
        },
        "plugin:http": {
          ...{ use: "circus.plugins.http_observer.HttpObserver", ...shared },
          ...{ check_url: `http://127.0.0.1:${webPort}/`, restart_on_error: "web" },
        },
      },
    });
    await becomes(agent, "web", "active");
    await statsd.waitFor(/^circus\.app\.watcher\._stats\.web\.watchers_num:2\|g$/);
    await statsd.waitFor(/^circus\.app\.watcher\._stats\.web\.mem_sum:[1-9]\d*\|g$/);
    await statsd.waitFor(/^circus\.redis_observer\.watcher\.redis_stats\.used_memory:[1-9]\d*\|g$/);
    await statsd.waitFor(/^circus\.http_observer\.watcher\.http_stats\.request_time:\d+\|ms$/);
    await statsd.waitFor(/^circus\.dead\.watcher\.redis_stats\.error:1\|c$/);
    await statsd.waitFor(/^circus\.dead\.watcher\.redis_stats\.restart_on_error:1\|c$/);
    await statsd.waitFor(/^circus\.my_app\.watcher\.db\.spawn:1\|c$/);

    const before = await pids(agent, "web");
    isWell = false;
    await statsd.waitFor(/^circus\.http_observer\.watcher\.http_stats\.error\.503:1\|c$/);
    await waitFor(async () => (await pids(agent, "web")).every((pid) => !before.includes(pid)), {
      what: "web to be restarted",
      deadlineMs,
    });
    // What somebody stopped is not brought back by a check that fails.
    await agent.call("stop", { name: "web", waiting: true });
    const seen = statsd.datagrams.length;
    await waitFor(() => statsd.datagrams.slice(seen).filter((text) => text.includes("error.503")).length > 2, {
      what: "three more failures",
      deadlineMs,
    });
    expect(await status(agent, "web")).toBe("stopped");
    expect(statsd.datagrams.filter((text) => text.includes("_stats.plugin"))).toEqual([]);
  } finally {
    web.close();
  }
});

const HEART = `
import os, socket, sys, time
beat = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    beat.sendto(b"nonsense", ("127.0.0.1", int(sys.argv[1])))
    beat.sendto(b"%d;%f" % (os.getpid(), time.time()), ("127.0.0.1", int(sys.argv[1])))
    time.sleep(0.1)
`;

it("WatchDog kills what is silent, ResourceWatcher what is too large, CommandReloader restarts what changed", async () => {
  await using dir = await tempDir("circus-plugins-");
  using statsd = await udpReceiver();
  const port = await freePort();
  const heart = await dir.write("heart.py", HEART);
  const program = await dir.write("my program", "#!/bin/sh\nexec sleep 1000\n", 0o755);
  await using agent = await startAgent({
    sections: {
      "watcher:alive": { cmd: `${python()} -u ${heart} ${port}`, copy_env: true },
      "watcher:silent": { cmd: "sleep 1000", numprocesses: 2 },
      "watcher:large": { cmd: "sleep 1000" },
      "watcher:code": { cmd: `'${program}' --with arguments` },
      "plugin:watchdog": {
        ...{ use: "circus.plugins.watchdog.WatchDog", port, loop_rate: 0.5, max_count: 20 },
        ...{ watchers_regex: "alive|silent", watchers_stop_signal: "KILL" },
      },
      "plugin:resources": {
        ...{ use: "circus.plugins.resource_watcher.ResourceWatcher", watcher: "large", loop_rate: 0.2 },
        ...{ max_mem: "1K", host: "127.0.0.1", port: statsd.port },
      },
      "plugin:reloader": { use: "circus.plugins.command_reloader.CommandReloader", loop_rate: 0.2 },
    },
  });
  await becomes(agent, "code", "active");
  const before = {
    alive: await pids(agent, "alive"),
    silent: await pids(agent, "silent"),
    large: await pids(agent, "large"),
    code: await pids(agent, "code"),
  };
  // Both at once, by one loop.
  await waitFor(async () => (await pids(agent, "silent")).filter((pid) => !before.silent.includes(pid)).length === 2, {
    what: "both silent ones to be replaced",
    deadlineMs,
  });
  expect(await pids(agent, "alive")).toEqual(before.alive);
  await statsd.waitFor(/^circus\.app\.watcher\._resource_watcher\.large\.restarting:1\|c$/);
  await waitFor(async () => !(await pids(agent, "large")).includes(before.large[0] ?? 0), {
    what: "large to be restarted",
    deadlineMs,
  });
  expect(await pids(agent, "code")).toEqual(before.code);
  await writeFile(program, "#!/bin/sh\nexec sleep 2000\n");
  await chmod(program, 0o755);
  await waitFor(async () => !(await pids(agent, "code")).includes(before.code[0] ?? 0), {
    what: "code to be restarted",
    deadlineMs,
  });
});

it("a plugin does not outlive an agent that is killed", async () => {
  await using agent = await startAgent({
    sections: {
      "watcher:web": { cmd: "sleep 1000" },
      "plugin:flapping": { use: "circus.plugins.flapping.Flapping" },
    },
  });
  await becomes(agent, "plugin:flapping", "active");
  const [pid = 0] = await pids(agent, "plugin:flapping");
  const gone = () => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  };
  await agent.kill9();
  await waitFor(gone, { what: "the orphan to end", deadlineMs });
});

it("circus-plugin says in one line what is wrong", async () => {
  const plugin = (...args: string[]) => run("node", [PROGRAM, ...args], { env });
  expect(await plugin("--version")).toMatchObject({ code: 0, stdout: "0.19.0\n" });
  expect((await plugin("--help")).stdout).toContain("circus.plugins.flapping.Flapping");
  expect(await plugin("--frob")).toMatchObject({ code: 2 });
  expect(await plugin("my.Plugin")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^circus-plugin: .my.Plugin. is not built in/) as string,
  });
  expect(await plugin("--config", "window:soon", "circus.plugins.flapping.Flapping")).toMatchObject({
    ...{ code: 1, stderr: "circus-plugin: window: 'soon' is not a number\n" },
  });
  expect(await plugin("--config", "active:no", "circus.plugins.flapping.Flapping")).toMatchObject({ code: 0 });
  const port = await freePort();
  const watchdog = ["--config", `port:${port}`, "circus.plugins.watchdog.WatchDog"];
  await using first = await startProgram("node", [PROGRAM, ...watchdog], { env });
  await first.waitForLine(/listening/, deadlineMs);
  expect(await plugin(...watchdog)).toMatchObject({
    code: 1,
    stderr: `circus-plugin: cannot listen on udp 127.0.0.1:${port}: bind EADDRINUSE 127.0.0.1:${port}\n`,
  });
  expect(await first.stop()).toMatchObject({ code: 0 });
});
