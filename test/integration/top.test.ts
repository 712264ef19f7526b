/** `circusctl top` as a person sees it, on a terminal of its own, and as a program reads it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Agent, iniText, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePorts } from "../support/ports.ts";
import { cleanEnv, findProgram, run, startProgram } from "../support/process.ts";
import { python } from "../support/python.ts";
import { tempDir } from "../support/temp.ts";
import { Terminal } from "../support/terminal.ts";
import { waitFor } from "../support/wait.ts";

let agent: Agent;
beforeEach(async () => {
  const [port = 0] = await freePorts(1);
  agent = await startAgent({
    sections: {
      "watcher:web": { cmd: "sleep 1000", numprocesses: 2 },
      "watcher:db": { cmd: "sleep 1000" },
      "watcher:broken": { cmd: "/no/such/program" },
      "socket:front": { host: "127.0.0.1", port },
    },
  });
  await waitFor(() => agent.descendants().length === 3, { what: "the workers" });
  // Until it has been given up, a watcher that cannot start says "starting" now and "failed" then.
  await waitFor(() => /watcher failed watcher=broken/.test(agent.program.stdout + agent.program.stderr), {
    what: "the broken watcher to be given up",
  });
});
afterEach(async () => {
  await agent[Symbol.asyncDispose]();
});
afterAll(() => assertNoLeaks());

const pids = async (name: string): Promise<number[]> =>
  ((await agent.call("list", { name })) as unknown as { pids: number[] }).pids;

const top = (env: Record<string, string> = {}, args: readonly string[] = []): Terminal =>
  new Terminal(["circusctl", "top", "--endpoint", agent.endpoint, "--interval", "300ms", ...args], {
    ...{ rows: 24, columns: 110, env: { LANG: "C.UTF-8", ...env } },
  });

describe("on a terminal", () => {
  it("shows watchers, processes, sockets and what is wrong; sorts, filters, restarts, and leaves no trace", async () => {
    await using terminal = top();
    await terminal.shows(/web +active +2\/2 [\s\S]*front|SOCKETS/);
    const screen = await terminal.shows(/SOCKETS/);
    for (const pid of await pids("web"))
      expect(screen).toMatch(new RegExp(`^  ${pid} sleep +(healthy|starting) `, "m"));
    expect(screen).toMatch(/^broken +failed +0\/1 .* 0 /m);
    expect(screen).toContain("cannot run '/no/such/program': no such file");
    expect(terminal.raw).toContain("\x1b[32m");

    terminal.type("n");
    await terminal.shows(/>WATCHER[\s\S]*broken[\s\S]*db[\s\S]*web/);
    terminal.type("/we\r");
    await terminal.shows(/filter: we[\s\S]*WATCHER/);
    expect(await terminal.shows(/^web /m)).not.toMatch(/^db /m);

    const before = await pids("web");
    terminal.type("r");
    await terminal.shows(/restart web\? y\/n/);
    terminal.type("y");
    await terminal.shows(/restart of web: ok/);
    await waitFor(
      async () => (await pids("web")).every((pid) => !before.includes(pid)) && (await pids("web")).length === 2,
      {
        what: "new processes",
      },
    );
    terminal.type("h");
    await terminal.shows(/choose a watcher/);
    terminal.type("q");
    expect(await terminal.ended()).toEqual({ status: 0, restored: true });
    expect(terminal.raw.trimEnd().endsWith("\x1b[?7h\x1b[?25h\x1b[?1049l")).toBe(true);
  });

  it("counts a worker that is killed as a restart", async () => {
    await using terminal = top();
    await terminal.shows(/^db +active +1\/1 .* 0 /m);
    process.kill((await pids("db"))[0] ?? 0, "SIGKILL");
    await terminal.shows(/^db +active +1\/1 .* 1 /m);
    terminal.type("\x03");
    expect(await terminal.ended()).toEqual({ status: 0, restored: true });
  });

  it("follows the size of the terminal", async () => {
    await using terminal = top();
    await terminal.shows(/RSS/);
    terminal.resize(6, 50);
    await waitFor(() => terminal.screen().split("\n").length === 6 && !terminal.screen().includes("RSS"), {
      what: "a small screen",
    });
    terminal.type("q");
    expect(await terminal.ended()).toEqual({ status: 0, restored: true });
  });

  it("without colour where NO_COLOR says so, without blocks where the locale knows none", async () => {
    await using terminal = top({ NO_COLOR: "1", LANG: "C", LC_ALL: "C" });
    await terminal.shows(/web +active/);
    await terminal.shows(/RESTARTS CPU/);
    expect(terminal.raw).not.toMatch(/\x1b\[3[1-3]m|[▁-█]/); // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    terminal.type("q");
    expect(await terminal.ended()).toEqual({ status: 0, restored: true });
  });

  it.each([
    ["SIGTERM", 15],
    ["SIGHUP", 1],
  ])("%s ends it and the terminal is as it was", async (_name, signal) => {
    await using terminal = top();
    await terminal.shows(/web +active/);
    terminal.signal(signal);
    expect(await terminal.ended()).toEqual({ status: 128 + signal, restored: true });
    expect(terminal.raw).toContain("\x1b[?1049l");
  });

  it("keeps the last picture while the agent is gone, says so, and goes on when it is back", async () => {
    await using terminal = top({}, ["--timeout", "2s"]);
    await terminal.shows(/web +active/);
    await agent.stop();
    expect(await terminal.shows(/no answer from .*trying again/)).toMatch(/web +active/);
    await agent.restart();
    await terminal.shows(/4 watchers|3 watchers, 3 processes/);
    terminal.type("q");
    expect(await terminal.ended()).toEqual({ status: 0, restored: true });
  });
});

describe("elsewhere", () => {
  it("prints pictures as plain lines, or as JSON", async () => {
    const args = ["top", "--endpoint", agent.endpoint, "--count", "2", "--interval", "300ms"];
    const { code, stdout, stderr } = await run("circusctl", args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).not.toContain("\x1b");
    expect(stdout.match(/^web +active +2\/2 /gm)).toHaveLength(2);
    const json = await run("circusctl", ["--json", "top", "--endpoint", agent.endpoint, "--count", "1"]);
    expect(JSON.parse(json.stdout)).toMatchObject({
      v: 1,
      agent: { pid: agent.pid },
      watchers: [{ name: "broken", status: "failed" }, { name: "db" }, { name: "web", numprocesses: 2, restarts: 0 }],
    });
  });

  it("ends quietly when its reader does", async () => {
    const args = ["top", "--endpoint", agent.endpoint, "--interval", "200ms"];
    const child = spawn(findProgram("circusctl") ?? "", args, { env: cleanEnv(), stdio: ["ignore", "pipe", "pipe"] });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    await once(child.stdout, "data");
    child.stdout.destroy();
    const [code] = (await once(child, "exit")) as [number | null];
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  it("an agent that is not there is exit 1, a mistake 2, and the terminal is not touched", async () => {
    const [port = 0] = await freePorts(1);
    const args = ["top", "--endpoint", `tcp://127.0.0.1:${port}`, "--timeout", "200ms"];
    const away = await run("circusctl", [...args, "--count", "1"]);
    expect(away).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^Timed out\./) as string });
    await using terminal = new Terminal(["circusctl", ...args]);
    expect(await terminal.ended()).toEqual({ status: 1, restored: true });
    expect(terminal.raw).not.toContain("\x1b[?1049h");
    for (const wrong of [
      ["top", "--count", "0"],
      ["top", "--interval", "soon"],
    ]) {
      expect(await run("circusctl", wrong)).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/^circusctl: .*\n$/) as string,
      });
    }
  });
});

const source = process.env["CIRCUS_SRC"];
if (source !== undefined) {
  it("shows real circusd as far as that tells", async () => {
    await using dir = await tempDir();
    const [endpoint = 0, pubsub = 0, stats = 0] = await freePorts(3);
    const at = (port: number) => `tcp://127.0.0.1:${port}`;
    const circus = { endpoint: at(endpoint), pubsub_endpoint: at(pubsub), stats_endpoint: at(stats), statsd: "True" };
    const ini = iniText({ circus, "watcher:web": { cmd: "sleep 1000", numprocesses: 2 } });
    const code = "from circus.circusd import main; main()";
    await using circusd = await startProgram(python(), ["-c", code, await dir.write("circus.ini", ini)], {
      env: { PYTHONPATH: source },
    });
    await circusd.waitForLine(/Arbiter now waiting/, 30_000);
    await using terminal = new Terminal(["circusctl", "top", "--endpoint", at(endpoint)], { rows: 24, columns: 110 });
    await terminal.shows(/^web +active +2 .* - /m, 30_000);
    terminal.type("q");
    expect(await terminal.ended()).toEqual({ status: 0, restored: true });
  });
}
