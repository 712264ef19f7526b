/** Hooks of every kind, called by a real agent: Python by a real Python, modules in a thread, commands by a shell. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import * as zmq from "zeromq";
import { type Agent, type Section, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { projectRoot } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

const FIXTURES = join(projectRoot, "test/fixtures");
const PY = "circus_hooks_fixture";
const LONG_MS = 60_000;

/** Watchers by name; each sleeps unless it says something else, and starts when it is told to. */
async function agentWith(dir: TempDir, watchers: Readonly<Record<string, Section>>): Promise<Agent> {
  const sections = Object.entries(watchers).map(
    ([name, keys]) => [`watcher:${name}`, { cmd: "sleep 1000", autostart: false, ...keys }] as const,
  );
  return await startAgent({
    sections: { ...Object.fromEntries(sections), env: { PYTHONPATH: FIXTURES } },
    env: { HOOK_LOG: dir.file("log") },
    args: ["--log-level", "warning"],
  });
}

const notes = (dir: TempDir): string[] =>
  existsSync(dir.file("log")) ? readFileSync(dir.file("log"), "utf8").replace(/\n$/, "").split("\n") : [];
const start = (agent: Agent, name: string) => agent.call("start", { name, waiting: true }, LONG_MS);
const stop = (agent: Agent, name: string) => agent.call("stop", { name, waiting: true }, LONG_MS);
const pidsOf = async (agent: Agent, name: string) => (await agent.call("list", { name }))["pids"] as number[];
const environmentOf = (pid: number) => readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").filter(Boolean);

async function hearEvents(
  agent: Agent,
  name: string,
): Promise<{ heard: [string, Record<string, unknown>][]; close(): void }> {
  const socket = new zmq.Subscriber();
  socket.connect(agent.pubsubEndpoint);
  socket.subscribe(`watcher.${name}.`);
  const heard: [string, Record<string, unknown>][] = [];
  void (async () => {
    for await (const [topic, data] of socket) {
      heard.push([String(topic).split(".").at(-1) ?? "", JSON.parse(String(data)) as Record<string, unknown>]);
    }
  })();
  // A subscription is on its way: `updated` is said until it is heard.
  await waitFor(
    async () => {
      await agent.call("set", { name, options: { graceful_timeout: 5 } });
      return heard.length > 0;
    },
    { what: "events to be heard", everyMs: 50 },
  );
  return { heard, close: () => socket.close() };
}

describe("Python hooks", () => {
  it("calls all of a life in Circus's order, with Circus's arguments and what hooks look at", async () => {
    await using dir = await tempDir("circus-hooks-");
    const names = ["before_start", "after_start", "before_spawn", "before_stop", "after_stop", "before_signal"];
    const more = ["after_signal", "before_reap", "after_reap"];
    await using agent = await agentWith(dir, {
      Web: {
        ...Object.fromEntries([...names, ...more].map((name) => [`hooks.${name}`, `${PY}.yes`])),
        "hooks.after_spawn": `${PY}:looks`,
        colour: "red",
      },
    });
    expect(await start(agent, "web")).toMatchObject({ status: "ok" });
    expect(await stop(agent, "web")).toMatchObject({ status: "ok" });
    expect(notes(dir)).toEqual([
      "before_start Web 0 ",
      "before_spawn Web 0 ",
      "after_spawn 1 True 1 red None Web 1",
      "after_start Web 1 ",
      "before_stop Web 1 ",
      "before_signal Web 1 pid,signum",
      "after_signal Web 1 pid,signum",
      "before_reap Web 1 process_pid,time",
      "after_reap Web 0 exit_code,process_pid,process_status,time",
      "after_stop Web 0 ",
    ]);
  });

  it("gives processes the environment that before_spawn wrote, each its own, also one that replaces a dead one", async () => {
    await using dir = await tempDir("circus-hooks-");
    await using agent = await agentWith(dir, { web: { numprocesses: 2, "hooks.before_spawn": `${PY}.environment` } });
    await start(agent, "web");
    const pids = await pidsOf(agent, "web");
    expect(pids.map((pid) => environmentOf(pid).find((line) => line.startsWith("PORT")))).toEqual([
      "PORT=9000",
      "PORT=9001",
    ]);
    process.kill(pids[0] ?? 0, "SIGKILL");
    const fresh = await waitFor(async () => (await pidsOf(agent, "web")).find((pid) => !pids.includes(pid)), {
      what: "a successor",
    });
    await waitFor(() => environmentOf(fresh).includes("PORT=9001"), { what: "the environment of the successor" });
  });

  it("obeys a no, says when a hook fails, and carries on where that is to be ignored", async () => {
    await using dir = await tempDir("circus-hooks-");
    await using agent = await agentWith(dir, {
      vetoed: { "hooks.before_start": `${PY}.no` },
      broken: { "hooks.before_start": `${PY}.fails` },
      careless: { "hooks.before_start": `${PY}.fails, true`, "hooks.after_start": `${PY}.asks_too_much, yes` },
      limited: { numprocesses: 3, "hooks.before_spawn": `${PY}.first_only` },
      unseen: { "hooks.before_start": `${PY}.asks_too_much` },
    });
    expect(await start(agent, "vetoed")).toMatchObject({ status: "error", reason: "hook before_start said no" });
    expect(await start(agent, "broken")).toMatchObject({
      status: "error",
      reason: "hook before_start failed: no database",
    });
    expect(await start(agent, "unseen")).toMatchObject({
      reason: "hook before_start failed: a hook does not see watcher.stream_redirector",
    });
    const events = await hearEvents(agent, "careless");
    expect(await start(agent, "careless")).toMatchObject({ status: "ok" });
    await waitFor(() => events.heard.some(([event]) => event === "start"), { what: "the event start" });
    events.close();
    expect(
      events.heard.filter(([event]) => event !== "updated").map(([event, { name, error }]) => [event, name, error]),
    ).toEqual([
      ["hook_failure", "before_start", "no database"],
      ["spawn", undefined, undefined],
      ["hook_failure", "after_start", "a hook does not see watcher.stream_redirector"],
      ["start", undefined, undefined],
    ]);
    expect(await start(agent, "limited")).toMatchObject({ status: "error", reason: "hook before_spawn said no" });
    expect(await pidsOf(agent, "limited")).toEqual([]);
    expect((await agent.call("status"))["statuses"]).toEqual({
      ...{ vetoed: "stopped", broken: "stopped", careless: "active", limited: "stopped", unseen: "stopped" },
    });
  });

  it("refuses a watcher whose hooks cannot be imported, and only that one", async () => {
    await using dir = await tempDir("circus-hooks-");
    await using agent = await agentWith(dir, {
      missing: { "hooks.after_stop": "nosuch.module.hook" },
      attribute: { "hooks.after_stop": `${PY}.nosuch` },
      number: { "hooks.after_stop": `${PY}.not_callable` },
      good: { "hooks.before_start": `${PY}.yes` },
    });
    expect(await start(agent, "missing")).toMatchObject({
      reason: "hooks.after_stop: cannot import 'nosuch.module.hook': No module named 'nosuch'",
    });
    expect((await start(agent, "attribute"))["reason"]).toContain("has no attribute 'nosuch'");
    expect((await start(agent, "number"))["reason"]).toContain("is not callable");
    expect(await start(agent, "good")).toMatchObject({ status: "ok" });
  });

  it("lets a hook send signals of its own in place of the agent's", async () => {
    await using dir = await tempDir("circus-hooks-");
    await using agent = await agentWith(dir, {
      web: {
        cmd: `trap 'echo int >> "$OUT"; exit' INT; while :; do sleep 0.05; done`,
        ...{ shell: true, graceful_timeout: 20, "hooks.before_signal": `${PY}.hang_up_instead` },
      },
      told: { graceful_timeout: 1, "hooks.before_signal": `${PY}.no` },
    });
    await agent.call("set", { name: "web", options: { env: { PYTHONPATH: FIXTURES, OUT: dir.file("out") } } });
    await start(agent, "web");
    await stop(agent, "web");
    expect(readFileSync(dir.file("out"), "utf8")).toBe("int\n");
    await start(agent, "told");
    const [pid = 0] = await pidsOf(agent, "told");
    expect(await agent.call("signal", { name: "told", signum: 15 })).toMatchObject({ status: "ok" });
    await waitFor(() => notes(dir).includes("before_signal no"), { what: "the hook to be asked" });
    expect(await pidsOf(agent, "told")).toEqual([pid]);
    await agent.call("signal", { name: "told", signum: 9 });
    await waitFor(async () => !(await pidsOf(agent, "told")).includes(pid), { what: "SIGKILL to get through" });
  });

  it("completes extended statistics, and none that nobody asked to extend", async () => {
    await using dir = await tempDir("circus-hooks-");
    await using agent = await agentWith(dir, { web: { "hooks.extended_stats": `${PY}.stats` } });
    await start(agent, "web");
    const [pid = 0] = await pidsOf(agent, "web");
    const info = (reply: Record<string, unknown>) => (reply["info"] as Record<string, Record<string, unknown>>)[pid];
    expect(info(await agent.call("stats", { name: "web", extended: true }))).toMatchObject({
      requests: pid + 1,
      cmdline: "sleep",
    });
    expect(info(await agent.call("stats", { name: "web" }))).not.toHaveProperty("requests");
  });
});

describe("a hook that misbehaves", () => {
  it("is contained: others start, hooks of others answer, the agent answers and quits", async () => {
    await using dir = await tempDir("circus-hooks-");
    await using agent = await agentWith(dir, {
      hangs: { "hooks.timeout": "10s", "hooks.before_start": `${PY}.hangs` },
      crashes: { "hooks.before_start": `${PY}.crashes` },
      spins: { "hooks.timeout": "10s", "hooks.before_start": `js: ${FIXTURES}/hooks.mjs#spins` },
      sleeps: { "hooks.timeout": "10s", "hooks.before_start": "exec: sleep 1000" },
      stays: { "hooks.timeout": "500ms", "hooks.before_stop": `${PY}.hangs`, "hooks.after_stop": "exec: sleep 1000" },
      good: { "hooks.before_start": `${PY}.yes` },
    });
    const bad = ["hangs", "spins", "sleeps"].map((name) => start(agent, name));
    await waitFor(() => notes(dir).includes("before_start hangs"), { what: "the hook to hang", deadlineMs: LONG_MS });
    // In the same Python as the one that hangs.
    expect(await start(agent, "good")).toMatchObject({ status: "ok" });
    const reasons = (await Promise.all(bad)).map((reply) => reply["reason"]);
    expect(new Set(reasons)).toEqual(new Set(["hook before_start failed: no answer within 10 s"]));
    expect((await start(agent, "crashes"))["reason"]).toMatch(/the Python process of the hooks ended \(SIGKILL\)$/);
    // A new Python does what the crashed one cannot any more.
    await stop(agent, "good");
    expect(await start(agent, "good")).toMatchObject({ status: "ok" });
    await start(agent, "stays");
    const exit = await agent.stop(); // throws where it leaves a process behind
    expect(exit.code).toBe(0);
  });
});

describe("hooks that are modules or commands", () => {
  it("calls functions of a module, awaits them, and takes the environment they leave", async () => {
    await using dir = await tempDir("circus-hooks-");
    const module = `js: ${FIXTURES}/hooks.mjs`;
    await using agent = await agentWith(dir, {
      web: {
        ...{ "hooks.before_start": module, "hooks.before_spawn": `${module}#environment` },
        ...{ "hooks.after_spawn": `file://${FIXTURES}/hooks.mjs#tell`, "hooks.after_reap": `${module}#tell` },
      },
      broken: { "hooks.before_start": `${module}#fails` },
      missing: { "hooks.before_start": `${module}#nosuch` },
      nowhere: { "hooks.before_start": "js: no-such-package#x" },
    });
    expect(await start(agent, "web")).toMatchObject({ status: "ok" });
    const [pid = 0] = await pidsOf(agent, "web");
    await waitFor(() => environmentOf(pid).includes("FROM_JS=yes"), { what: "the environment" });
    await stop(agent, "web");
    expect(notes(dir)).toEqual(["js after_spawn web true 4", "js after_reap web false 4"]);
    expect((await start(agent, "broken"))["reason"]).toBe("hook before_start failed: out of order");
    expect((await start(agent, "missing"))["reason"]).toMatch(/hooks\.mjs#nosuch': it exports no function 'nosuch'$/);
    expect((await start(agent, "nowhere"))["reason"]).toMatch(
      /^hooks\.before_start: Cannot find module 'no-such-package'/,
    );
  });

  it("runs a command with JSON on its input: 0 is yes, another status no, one that cannot run a failure", async () => {
    await using dir = await tempDir("circus-hooks-");
    await using agent = await agentWith(dir, {
      web: {
        "hooks.after_spawn": `exec: cat > ${dir.file("input")}`,
        "hooks.before_spawn": `exec: echo '{"env": {"FROM_SHELL": "'$CIRCUS_HOOK'"}}'`,
      },
      no: { "hooks.before_start": "exec: exit 1" },
      missing: { "hooks.before_start": "exec: nosuchprogram --now" },
      killed: { "hooks.before_start": "exec: kill -9 $$" },
    });
    expect(await start(agent, "web")).toMatchObject({ status: "ok" });
    const [pid = 0] = await pidsOf(agent, "web");
    expect(JSON.parse(readFileSync(dir.file("input"), "utf8"))).toMatchObject({
      ...{ hook_name: "after_spawn", pid },
      watcher: { name: "web", options: { numprocesses: 1 }, processes: [{ pid, wid: 1 }] },
    });
    await waitFor(() => environmentOf(pid).includes("FROM_SHELL=before_spawn"), { what: "the environment" });
    expect((await start(agent, "no"))["reason"]).toBe("hook before_start said no");
    expect((await start(agent, "missing"))["reason"]).toMatch(
      /'nosuchprogram --now' cannot be run \(exit status 127\)$/,
    );
    expect((await start(agent, "killed"))["reason"]).toMatch(/was killed by SIGKILL$/);
  });

  it("takes hooks up by `set`, and refuses what cannot be called or is no hook", async () => {
    await using dir = await tempDir("circus-hooks-");
    await using agent = await agentWith(dir, { web: {} });
    const set = (options: object) => agent.call("set", { name: "web", options, waiting: true });
    expect(await set({ "hooks.before_start": `${PY}.yes` })).toMatchObject({ status: "ok" });
    expect(await set({ "hooks.before_stop": "nosuch.hook" })).toMatchObject({ status: "error" });
    expect(await set({ hooks: { nosuch: "a.b" } })).toMatchObject({ status: "error", errno: 3 });
    await start(agent, "web");
    await stop(agent, "web");
    expect(notes(dir)).toEqual(["before_start web 0 "]);
  });
});
