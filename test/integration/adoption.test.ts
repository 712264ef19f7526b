/** Workers outlive a killed circusd, and the next one goes on with them. */
import { readFileSync, rmSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { get, Agent as HttpAgent } from "node:http";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Agent, iniText, type Section, startAgent } from "../support/agent.ts";
import { assertNoLeaks, processInfo } from "../support/leaks.ts";
import { freePort } from "../support/ports.ts";
import { projectRoot, run } from "../support/process.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

const deadlineMs = 60_000;
const HTTP_WORKER = join(projectRoot, "test/fixtures/small_http.py");

async function pids(agent: Agent, name: string): Promise<readonly number[]> {
  const reply = await agent.call("list", { name });
  return reply["pids"] as readonly number[];
}

async function statuses(agent: Agent): Promise<unknown> {
  return (await agent.call("status"))["statuses"];
}

/** Until so many run. */
function running(agent: Agent, name: string, count: number): Promise<readonly number[]> {
  return waitFor(
    async () => {
      const found = await pids(agent, name);
      return found.length === count && (await agent.call("status", { name }))["status"] === "active" ? found : null;
    },
    { what: `${count} of ${name}`, deadlineMs },
  );
}

/** One request after another, each on a connection of its own, until stopped. */
class Load {
  done = 0;
  readonly failed: string[] = [];
  #isOver = false;
  readonly #loop: Promise<void>;

  constructor(port: number) {
    const http = new HttpAgent({ keepAlive: false });
    const ask = (): Promise<string | null> =>
      new Promise((resolve) => {
        const request = get({ host: "127.0.0.1", port, agent: http, timeout: deadlineMs }, (response) => {
          response.resume();
          response.once("end", () =>
            resolve(response.statusCode === 200 ? null : `status ${response.statusCode ?? 0}`),
          );
        });
        request.once("error", (error) => resolve(error.message));
      });
    this.#loop = (async () => {
      while (!this.#isOver) {
        const problem = await ask();
        if (problem === null) this.done++;
        else this.failed.push(problem);
      }
    })();
  }

  async more(): Promise<void> {
    const before = this.done + this.failed.length;
    await waitFor(() => this.done + this.failed.length >= before + 5, { what: "five more requests", deadlineMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#loop;
  }
}

describe("a circusd that is killed", () => {
  it("costs no worker and no request; the next one adopts them, with their age, sockets and output", async () => {
    await using dir = await tempDir("adoption-");
    const port = await freePort();
    const log = dir.file("talks.log");
    const sections = (numprocesses: number): Record<string, Section> => ({
      "watcher:web": {
        ...{ cmd: `python3 ${HTTP_WORKER} $(circus.sockets.web)`, use_sockets: true, copy_env: true },
        ...{ numprocesses, singleton: false },
      },
      "watcher:talks": {
        cmd: `sh -c 'n=0; while :; do n=$((n+1)); echo line $n; sleep 0.05; done'`,
        ...{ copy_env: true, "stdout_stream.filename": log },
      },
      "watcher:sleeps": { cmd: "sleep 1000", numprocesses: 2 },
      "watcher:job": { cmd: `sh -c 'echo ran >> ${dir.file("job")}'`, respawn: false, copy_env: true },
      "socket:web": { host: "127.0.0.1", port },
    });
    await using agent = await startAgent({ sections: sections(2) });
    const web = await running(agent, "web", 2);
    const [talks] = await running(agent, "talks", 1);
    const sleeps = await running(agent, "sleeps", 2);
    await waitFor(async () => (await agent.call("status", { name: "job" }))["status"] === "stopped", {
      what: "the job to be done",
      deadlineMs,
    });
    await agent.call("incr", { name: "sleeps", nb: 1, waiting: true });
    const three = await running(agent, "sleeps", 3);
    const ageOf = async (pid: number): Promise<number> => {
      const infos = (await agent.call("stats", { name: "web", process: pid, extended: true }))["info"];
      return (infos as { readonly age: number }).age;
    };
    const sockets = (await agent.call("listsockets"))["sockets"];
    {
      await using load = new Load(port);
      await load.more();
      const age = await ageOf(web[0] ?? 0);
      await agent.kill9();
      await load.more();
      // One dies while nobody is there; the file changes.
      process.kill(sleeps[0] ?? 0, "SIGTERM");
      await waitFor(() => processInfo(sleeps[0] ?? 0) === null, { what: "it to end", deadlineMs });
      const ini = readFileSync(agent.iniFile, "utf8");
      await writeFile(agent.iniFile, ini.replace("numprocesses = 2", "numprocesses = 3"));
      await agent.restart();
      await load.more();
      const more = await running(agent, "web", 3);
      expect(more).toEqual(expect.arrayContaining([...web]));
      expect(await ageOf(web[0] ?? 0)).toBeGreaterThan(age);
      expect((await agent.call("listsockets"))["sockets"]).toEqual(sockets);
      expect(await pids(agent, "talks")).toEqual([talks]);
      const now = await running(agent, "sleeps", 3);
      expect(now).toEqual(expect.arrayContaining(three.filter((pid) => pid !== sleeps[0])));
      expect(await statuses(agent)).toEqual({ job: "stopped", sleeps: "active", talks: "active", web: "active" });
      expect(readFileSync(dir.file("job"), "utf8")).toBe("ran\n");
      await agent.program.waitForLine(
        new RegExp(`process exited watcher=sleeps wid=1 pid=${sleeps[0] ?? 0} .*unattended`),
      );

      // An adopted one that dies is seen at once, with its signal where the kernel tells it.
      process.kill(sleeps[1] ?? 0, "SIGKILL");
      await agent.program.waitForLine(
        new RegExp(
          `process exited watcher=sleeps wid=2 pid=${sleeps[1] ?? 0} code=null signal=(9|null) expected=false uptime`,
        ),
      );
      await running(agent, "sleeps", 3);

      // What a command asks of adopted ones works as ever.
      await agent.call("reload", { name: "web", waiting: true }, deadlineMs);
      expect(await pids(agent, "web")).not.toContain(web[0]);
      await load.more();

      // The way to another version: the workers stay, and nobody is refused.
      const kept = await pids(agent, "web");
      await agent.call("quit", { keep_workers: true, waiting: true });
      expect(await agent.program.exited).toMatchObject({ code: 0 });
      await load.more();
      await agent.restart();
      expect(await running(agent, "web", 3)).toEqual(kept);
      await load.more();
      expect(load.failed).toEqual([]);
      expect(load.done).toBeGreaterThan(30);
    }
    await agent.call("stop", { name: "talks", waiting: true });
    const lines = readFileSync(log, "utf8").trimEnd().split("\n");
    expect(lines).toEqual(lines.map((_, i) => `line ${i + 1}`));
    await agent.stop();
    for (const pid of [...web, ...three, talks ?? 0]) expect(processInfo(pid)).toBeNull();
  });

  it("--no-adopt stops what it finds first; a damaged journal leaves nobody unowned", async () => {
    const sections = { "watcher:w": { cmd: "sleep 1000", numprocesses: 2 } };
    await using agent = await startAgent({ sections, args: ["--no-adopt"] });
    const first = await running(agent, "w", 2);
    await agent.kill9();
    await agent.restart();
    const second = await running(agent, "w", 2);
    for (const pid of first) expect(processInfo(pid)).toBeNull();
    expect(agent.program.stderr + agent.program.stdout).toMatch(/stopping a process of an earlier circusd.*--no-adopt/);
    await agent.kill9();
    await writeFile(join(agent.stateDir, "journal"), "what was this?\n");
    await agent.restart();
    const third = await running(agent, "w", 2);
    for (const pid of second) expect(processInfo(pid)).toBeNull();
    await agent.program.waitForLine(/the journal is damaged/);
    // Where the journal cannot be written, nothing else is different.
    rmSync(join(agent.stateDir, "journal"));
    expect(await pids(agent, "w")).toEqual(third);
    expect(statSync(agent.stateDir).mode & 0o777).toBe(0o700);
  });
});

it("a directory that cannot be written costs one warning; nothing else keeps circusd from running", async () => {
  await using dir = await tempDir("adoption-");
  const blocked = await dir.write("blocked", "");
  const port = await freePort();
  const pub = await freePort();
  const circus = { endpoint: `tcp://127.0.0.1:${port}`, pubsub_endpoint: `tcp://127.0.0.1:${pub}`, statsd: false };
  const ini = await dir.write("c.ini", iniText({ circus, "watcher:w": { cmd: "sleep 1000" } }));
  const checked = await run("circusd", ["--check", ini], { env: { XDG_STATE_HOME: dir.file("none") } });
  expect(checked).toMatchObject({ code: 0 });
  expect(() => statSync(dir.file("none"))).toThrow("ENOENT");
  await using agent = await startAgent({
    sections: { circus: { state_dir: "" }, "watcher:w": { cmd: "sleep 1000" } },
    env: { XDG_STATE_HOME: blocked },
  });
  await running(agent, "w", 1);
  expect(agent.program.stderr).toMatch(/workers will not outlive circusd.*ENOTDIR/);
  expect(await agent.call("quit", { keep_workers: true, waiting: true })).toMatchObject({ status: "error" });
});
