/** The Salt modules of deploy/salt, called as Salt's loader would, on a real circusd through the real circusctl. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type Agent, startAgent } from "../support/agent.ts";
import { RealFleet } from "../support/fleet.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { projectRoot, run } from "../support/process.ts";
import { runPython } from "../support/python.ts";
import { waitFor } from "../support/wait.ts";

const SALT = join(projectRoot, "deploy/salt");
let agent: Agent;

beforeAll(async () => {
  agent = await startAgent({ sections: { "watcher:web": { cmd: "sleep 1000", "ready.min_uptime": "50ms" } } });
});
afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await assertNoLeaks();
});

/** Function, arguments, named arguments; the last: `test=True`. `circus_cluster.…` is the execution module, `state.…` the state. */
type Call = readonly [string, readonly string[], Readonly<Record<string, unknown>>, boolean];

const ask = (name: string, ...args: readonly string[]): Call => [`circus_cluster.${name}`, args, {}, false];
const state = (name: string, watcher: string, more: object = {}): Call => [
  `state.${name}`,
  [watcher],
  { ...more },
  false,
];

const salt = (...calls: readonly Call[]): Promise<unknown[]> => saltWith({ endpoint: agent.endpoint }, calls);

/** One after another. @param settings of the minion */
async function saltWith(settings: Readonly<Record<string, string>>, calls: readonly Call[]): Promise<unknown[]> {
  const all = Object.entries({ timeout: "20", ...settings }).map(([name, value]) => [`circus_cluster.${name}`, value]);
  const { code, stdout, stderr } = await runPython("salt_call.py", [], {
    input: calls.map((call) => `${JSON.stringify(call)}\n`).join(""),
    deadlineMs: 60_000,
    env: { PYTHONDONTWRITEBYTECODE: "1", SALT_SETTINGS: JSON.stringify(Object.fromEntries(all)) },
  });
  expect([code, stderr]).toEqual([0, ""]);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}

describe("deploy/salt", () => {
  it("execution module: data of every function, and reasons instead of tracebacks", async () => {
    const pids = [expect.any(Number)];
    expect(
      await salt(
        ...[ask("status"), ask("status", "web"), ask("pids", "web"), ask("restart", "web"), ask("reload", "web")],
        ...[ask("options", "web"), ask("status", "nope"), ask("fleet_status")],
      ),
    ).toMatchObject([
      ...[{ web: "active" }, "active", pids, { stopped: pids, started: pids }, { stopped: pids, started: pids }],
      ...[{ cmd: "sleep 1000" }, { error: expect.stringMatching(/nope/) as string }],
      { error: expect.stringMatching(/--nats URL/) as string },
    ]);
  });

  it("states: what has to change does, once, and only then; test=True changes nothing", async () => {
    const dead = state("dead", "web");
    const [trial, before, ...done] = await salt(
      ...[["state.dead", ["web"], {}, true] as const, ask("status", "web"), dead, dead],
      ...[state("running", "web"), state("running", "web"), state("running", "nope")],
      state("mod_watch", "web", { sfun: "running", reload: true }),
    );
    expect([trial, before]).toMatchObject([{ result: null, changes: {} }, "active"]);
    expect(done).toMatchObject([
      { name: "web", result: true, changes: { status: { old: "active", new: "stopped" } } },
      { result: true, changes: {}, comment: "web is stopped" },
      { result: true, comment: "web was started" },
      { result: true, changes: {}, comment: "web is active" },
      { result: false, comment: "there is no watcher nope" },
      { result: true, changes: { processes: { started: [expect.any(Number)] } } },
    ]);
  });

  it("configured: a good file is taken up, a bad one named with its line", async () => {
    const text = await readFile(agent.iniFile, "utf8");
    const lines = text.split("\n").length + 3;
    await writeFile(agent.iniFile, `${text}\n[watcher:more]\ncmd = sleep 1000\nnumprocesses = many\n`);
    const comment = expect.stringMatching(new RegExp(`circus\\.ini:${lines}: .*numprocesses`)) as string;
    expect(await salt(state("configured", agent.iniFile))).toMatchObject([{ result: false, comment }]);
    await writeFile(agent.iniFile, `${text}\n[watcher:more]\ncmd = sleep 1000\n`);
    expect(await salt(state("configured", agent.iniFile), ask("status"))).toMatchObject([
      { result: true },
      { more: "active", web: "active" },
    ]);
  });

  it("fleet: statuses of the hosts that are meant, a rolling restart, and why one cannot be", async () => {
    const names = ["web1", "web2"];
    await using fleet = await RealFleet.start(names, {
      ...{ isOnLoopback: true, starting: 2 },
      sections: { "watcher:web": { cmd: "sleep 1000", "ready.min_uptime": "50ms" } },
      labelsOf: (host) => `role:web, zone:${host === "web1" ? "a" : "b"}`,
    });
    const operator = { nats: fleet.server.url, creds: fleet.credentials("operator-admin") };
    const ask = (name: string, more: object, ...args: string[]): Call => [
      `circus_cluster.${name}`,
      args,
      { ...more },
      false,
    ];
    const isWhole = async (): Promise<boolean> => {
      const [hosts] = (await saltWith(operator, [ask("fleet_status", {})])) as [{ watchers: { healthy: number }[] }[]];
      return hosts.length === 2 && hosts.every(({ watchers }) => watchers[0]?.healthy === 1);
    };
    await waitFor(isWhole, { what: "two whole hosts", deadlineMs: 60_000 });
    const quick = { batch: 1, soak: "100ms" };
    const [one, labelled, done, unknown] = await saltWith(operator, [
      ask("fleet_status", { hosts: "web2" }),
      ask("fleet_status", { where: "zone=a" }),
      ask("fleet_restart", { where: "role=web", ...quick }, "web"),
      ask("fleet_restart", { hosts: "web2", ...quick }, "nope"),
    ]);
    const hostOf = (host: string) => [{ host, presence: "online", watchers: [{ name: "web", state: "active" }] }];
    expect([one, labelled]).toMatchObject([hostOf("web2"), hostOf("web1")]);
    expect(done).toMatchObject({ state: "done", steps: names.map((host) => ({ host, state: "done" })) });
    expect(unknown).toMatchObject({ error: expect.stringMatching(/nope/) as string });
  });

  it("the example names states that there are, and its circus.ini is good", async () => {
    const states = parse(await readFile(join(SALT, "circus/init.sls"), "utf8")) as Record<string, object>;
    const source = await readFile(join(SALT, "_states/circus_cluster.py"), "utf8");
    const own = Object.values(states)
      .flatMap((state) => Object.keys(state))
      .filter((name) => name.startsWith("circus_cluster."));
    expect(own).toEqual(["circus_cluster.configured", "circus_cluster.running"]);
    for (const name of own) expect(source).toContain(`\ndef ${name.split(".")[1]!}(`);
    expect(await run("circusd", ["--check", join(SALT, "circus/circus.ini")])).toMatchObject({ code: 0, stderr: "" });
  });
});
