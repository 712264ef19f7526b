/**
 * `circusctl` for a fleet: a real nats-server with the configuration of `fleet init`, agents and a controller
 * that say what the test wants. What real ones do is tested elsewhere; here it is what circusctl makes of it.
 */
import { join } from "node:path";
import {
  COMMANDS,
  type CommandAnswer,
  type CommandEnvelope,
  type CommandSpec,
  type FleetRequest,
  type HostName,
  ROLLOUT_COMMANDS,
  ROLLOUT_DEFAULTS,
  type RolloutRecord,
  type RolloutStep,
  type StepState,
  Subjects,
  type UserName,
} from "@circus-cluster/proto";
import { connectFleet, type FleetConnection, readCredentials } from "@circus-cluster/proto/nats";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { main } from "../../cli/src/main.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { freePort } from "../support/ports.ts";
import { type Program, projectRoot, type Result, run, startProgram } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const circusctl = join(projectRoot, "cli/bin/circusctl.cjs");
const subjects = new Subjects("main");
const HOSTS = ["web1", "web2", "web3"] as HostName[];
const ctl1 = "ctl1" as UserName;

let dir: TempDir;
let server: NatsServer;
let controller: FleetConnection;
const agents: FleetConnection[] = [];

/** What the controller answers to a question or change; undefined: nothing. */
let answerOf: (verb: string, properties: Readonly<Record<string, unknown>>) => object | undefined;
/** What an agent answers, in order. */
let agentAnswers: (host: HostName, envelope: CommandEnvelope) => readonly Omit<CommandAnswer, "v" | "id">[];
const asked: { readonly subject: string; readonly properties: unknown }[] = [];
const commands: { readonly host: string; readonly user: string; readonly envelope: CommandEnvelope }[] = [];

const ok = (fields: object = {}): CommandAnswer["reply"] => ({ status: "ok", time: 1.5, ...fields });
const refused = (reason: string): Omit<CommandAnswer, "v" | "id"> => ({
  outcome: "refused",
  reply: { status: "error", reason, tb: null, time: 1.5, errno: 3 },
});

function creds(name: string): string {
  return dir.file("fleet/creds", `${name}.creds`);
}

async function connect(name: string): Promise<FleetConnection> {
  const credentials = readCredentials(creds(name));
  return await connectFleet({ servers: [server.url], name: credentials.name, credentials, mode: "service" });
}

async function startAgent(host: HostName): Promise<void> {
  const connection = await connect(`agent-${host}`);
  agents.push(connection);
  const take = (subject: string, reply: string | undefined, value: unknown): void => {
    const parsed = subjects.parse(subject);
    if (parsed?.kind !== "cmd") return;
    const envelope = value as CommandEnvelope;
    commands.push({ host, user: parsed.user, envelope });
    const to = parsed.host === "_all" ? subjects.reply(host, parsed.user, envelope.id) : reply;
    for (const answer of agentAnswers(host, envelope))
      connection.publish(to ?? "", { v: 1, id: envelope.id, ...answer });
  };
  connection.subscribe(subjects.all.commandsTo(host), (message) =>
    take(message.subject, message.reply, message.json()),
  );
  connection.subscribe(subjects.all.commandsToAll(), (message) => take(message.subject, message.reply, message.json()));
  await connection.flush(2000);
}

async function startController(): Promise<void> {
  controller = await connect("controller");
  for (const pattern of [subjects.all.queries(), subjects.all.controls()]) {
    controller.subscribe(pattern, (message) => {
      const { subject, reply } = message;
      const { id, properties } = message.json() as FleetRequest;
      asked.push({ subject, properties });
      const answer = answerOf(subject.split(".").at(-1) ?? "", properties);
      if (answer !== undefined)
        controller.publish(reply ?? "", { v: 1, id, controller: "ctl1", time: Date.now(), ...answer });
    });
  }
  await controller.flush(2000);
}

beforeAll(async () => {
  dir = await tempDir();
  const port = await freePort();
  const args = ["fleet", "init", "--dir", dir.file("fleet"), "--hosts", HOSTS.join(","), "--viewers", "eve"];
  const made = await run(circusctl, [...args, "--operators", "admin", "--listen", `127.0.0.1:${port}`]);
  expect(made).toMatchObject({ code: 0, stderr: "" });
  server = await startNatsServer({ config: dir.file("fleet/nats-server.conf") });
  await startController();
  for (const host of HOSTS) await startAgent(host);
});
afterAll(async () => {
  for (const connection of [controller, ...agents]) await connection.close(200);
  await server[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
  await assertNoLeaks();
});
beforeEach(() => {
  asked.length = 0;
  commands.length = 0;
  answerOf = (verb) => ({ ok: false, code: "unknown", reason: `no ${verb} in this test` });
  agentAnswers = () => [{ outcome: "done", reply: ok() }];
});

function environment(as = "operator-admin"): Record<string, string> {
  return { CIRCUSCTL_NATS: server.url, CIRCUSCTL_CREDS: creds(as), TZ: "UTC" };
}

async function ctl(line: string, as?: string): Promise<Result> {
  return await run(circusctl, line.split(" "), { env: environment(as) });
}

const result = (value: object): object => ({ ok: true, result: value });
const watcher = (name: string, state = "active"): object => ({
  name,
  state,
  since: Date.now() - 60_000,
  numprocesses: 2,
  running: state === "active" ? 2 : 0,
  healthy: state === "active" ? 2 : 0,
  pids: [],
  reason: null,
});
const hostStatus = (host: string, ...watchers: object[]): object => ({
  host,
  presence: "online",
  ageMs: 1200,
  watchers,
});
const hostInfo = (host: string, presence = "online", labels = {}): object => ({
  host,
  presence,
  since: Date.now() - 5000,
  ageMs: 500,
  skewMs: 3,
  version: "0.1.0",
  load: 0.25,
  backlog: 0,
  watchers: 1,
  labels,
});

describe("questions", () => {
  it("--all status: a line for each host and watcher; --json: one document", async () => {
    const status = {
      hosts: [hostStatus("web1", watcher("w")), hostStatus("web2", watcher("w", "stopped"))],
      unknownHosts: [],
    };
    answerOf = () => result(status);
    const text = await ctl("--all status");
    expect(text).toMatchObject({ code: 0, stderr: "" });
    expect(text.stdout.split("\n")).toEqual([
      "HOST  PRESENCE  WATCHER  STATE    PROCESSES  HEALTHY  AGE",
      "web1  online    w        active         2/2        2  1s ago",
      "web2  online    w        stopped        0/2        0  1s ago",
      "",
    ]);
    const json = await ctl("--all status --json w");
    expect(JSON.parse(json.stdout)).toMatchObject({ v: 1, controller: "ctl1", hosts: status.hosts, unknownHosts: [] });
    expect(json.stdout.split("\n")).toHaveLength(2);
    expect(asked).toEqual([
      { subject: "circus.main.q.admin.status", properties: { hosts: null, watcher: null } },
      { subject: "circus.main.q.admin.status", properties: { hosts: null, watcher: "w" } },
    ]);
  });

  it("names unknown hosts and ends with 4; a watcher that is nowhere is an error", async () => {
    answerOf = () => result({ hosts: [hostStatus("web1", watcher("w"))], unknownHosts: ["web9"] });
    expect(await ctl("--host web1,web9 status")).toMatchObject({ code: 4, stderr: "circusctl: unknown host: web9\n" });
    expect(asked.at(-1)?.properties).toEqual({ hosts: ["web1", "web9"], watcher: null });
    answerOf = () => result({ hosts: [hostStatus("web1")], unknownHosts: [] });
    expect(await ctl("--all status nope")).toMatchObject({ code: 3, stderr: 'error: no host has a watcher "nope"\n' });
  });

  it("hosts, and --where chooses by label", async () => {
    answerOf = (verb) =>
      verb === "hosts"
        ? result({
            hosts: [hostInfo("web1", "online", { role: "web" }), hostInfo("db1", "lost", { role: "db" })],
            unknownHosts: [],
          })
        : result({ hosts: [hostStatus("db1", watcher("w"))], unknownHosts: [] });
    const hosts = await ctl("hosts");
    expect(hosts.code).toBe(0);
    expect(hosts.stdout).toMatch(/^db1 {3}lost {6}\d+s ago {2}now {11}1 {2}0\.25 {2}0\.1\.0 {4}role:db$/m);
    await ctl("--where role=db status");
    expect(asked.at(-1)?.properties).toEqual({ hosts: ["db1"], watcher: null });
    expect(await ctl("--where role=x status")).toMatchObject({
      code: 3,
      stderr: "error: no host has role=x\n",
    });
  });

  it("history of a window and of a moment, with what is missing", async () => {
    const row = { host: "web1", watcher: "w", state: "stopped", from: 0, to: 60_000, actor: "admin", cause: null };
    answerOf = (verb) =>
      result({
        rows: [row],
        gaps: [{ host: "web2", epoch: 0, fromSeq: 1, toSeq: 2 }],
        ...(verb === "history" ? { truncated: true } : { at: 30_000 }),
      });
    const window = await ctl("--all history w --since 1h");
    expect(window).toMatchObject({
      code: 0,
      stdout:
        "HOST  WATCHER  STATE    FROM                 TO                   LASTED  BY\n" +
        "web1  w        stopped  1970-01-01 00:00:00  1970-01-01 00:01:00  1m      admin\n",
      stderr:
        "circusctl: the history of web2 is incomplete: events 1 to 2 are missing of the agent that began 1970-01-01 00:00:00\n" +
        "circusctl: only 1 rows; narrow the time or give a greater --limit\n",
    });
    const [{ properties }] = asked as unknown as [{ properties: { since: number; until: number } }];
    expect(properties).toMatchObject({ hosts: null, watcher: "w", limit: 500 });
    expect(properties.until - properties.since).toBe(3_600_000);
    const moment = await ctl("--host web1 history w --at 1970-01-01T00:00:30");
    expect(moment.stdout).toContain("web1  w        stopped  1970-01-01 00:00:00 (30s before)");
    expect(asked.at(-1)).toEqual({
      subject: "circus.main.q.admin.history-at",
      properties: { hosts: ["web1"], watcher: "w", at: 30_000 },
    });
    expect(JSON.parse((await ctl("history w --at 1970-01-01T00:00:30 --json")).stdout)).toMatchObject({
      v: 1,
      rows: [row],
    });
    expect(await ctl("history --at noon")).toMatchObject({ code: 2, stdout: "" });
  });

  it("a viewer may ask; what the controller refuses is an error", async () => {
    answerOf = (verb, { id }) =>
      verb === "rollout-list"
        ? result({ rollouts: [] })
        : { ok: false, code: "not-found", reason: `no rollout ${String(id)}` };
    expect(await ctl("rollout list", "viewer-eve")).toMatchObject({
      code: 0,
      stderr: "circusctl: there has been no rollout yet\n",
    });
    expect(await ctl("rollout show r9", "viewer-eve")).toMatchObject({ code: 3, stderr: "error: no rollout r9\n" });
  });
});

describe("commands straight to agents", () => {
  it("--host web2 restart myworker: accepted, then done", async () => {
    agentAnswers = () => [
      { outcome: "accepted", reply: ok() },
      { outcome: "done", reply: ok({ info: null }) },
    ];
    expect(await ctl("--host web2 restart myworker")).toMatchObject({ code: 0, stdout: "web2: done\n", stderr: "" });
    expect(commands).toMatchObject([
      {
        host: "web2",
        user: "admin",
        envelope: { v: 1, command: "restart", properties: { name: "myworker", waiting: true }, ttl: 30_000 },
      },
    ]);
  });

  it("one id on all hosts, an outcome for each, 4 if some failed", async () => {
    agentAnswers = (host) =>
      host === "web1" ? [{ outcome: "done", reply: ok({ numprocesses: 3 }) }] : [refused("program w not found")];
    const { code, stdout } = await ctl("--host web1,web2,web9 incr w 1 --json");
    expect(code).toBe(4);
    const document = JSON.parse(stdout) as { id: string; hosts: object[] };
    expect(document).toMatchObject({
      v: 1,
      command: "incr",
      hosts: [
        { host: "web1", outcome: "done", reply: { numprocesses: 3 }, reason: null },
        { host: "web2", outcome: "refused", reason: "program w not found" },
        { host: "web9", outcome: "not delivered", reason: "no agent is connected under this name" },
      ],
    });
    expect(commands.map(({ envelope }) => envelope.id)).toEqual([document.id, document.id]);
  });

  it("asks a silent agent once more with the same id, then says so", async () => {
    agentAnswers = () => [];
    const { code, stdout } = await ctl("--host web1 --timeout 0.2 stop w");
    const line = "web1: not delivered: no answer within 400ms, asked twice; if it only sleeps it may do it later\n";
    expect({ code, stdout }).toEqual({ code: 4, stdout: line });
    expect(commands).toHaveLength(2);
    expect(commands[1]?.envelope).toEqual(commands[0]?.envelope);
  });

  it("--all goes to those that have the watcher, reads too; add, of a new one, to all", async () => {
    const fleet = [hostStatus("web1", watcher("W")), hostStatus("web2", watcher("other"))];
    const left = { ...hostStatus("web3", watcher("W")), presence: "left" };
    answerOf = (verb, { watcher: wanted }) => {
      if (verb === "hosts") return result({ hosts: HOSTS.map((host) => hostInfo(host)), unknownHosts: [] });
      const isHit = (one: object): boolean =>
        JSON.stringify(one)
          .toLowerCase()
          .includes(`"${String(wanted)}"`);
      const hosts = [...fleet, left].filter(isHit);
      if (hosts.length > 0) return result({ hosts, unknownHosts: [] });
      return { ok: false, code: "not-found", reason: `no watcher '${String(wanted)}' on any host` };
    };
    expect(await ctl("--all stop w --at-once")).toMatchObject({ code: 0, stdout: "web1: done\n" });
    const nowhere = { code: 3, stdout: "", stderr: "error: no watcher 'nope' on any host\n" };
    expect(await ctl("--all stop nope --at-once")).toMatchObject(nowhere);
    expect(await ctl("--all options nope")).toMatchObject(nowhere);
    expect(commands.filter(({ envelope }) => envelope.command === "stop").map(({ host }) => host)).toEqual(["web1"]);

    // All hear a broadcast; who has no such watcher is not in the answer.
    agentAnswers = (host) =>
      host === "web2" ? [refused("program w not found")] : [{ outcome: "done", reply: ok({ options: { cmd: "x" } }) }];
    expect(await ctl("--all options w")).toMatchObject({ code: 0, stdout: "web1: cmd: x\n", stderr: "" });

    agentAnswers = (host) => (host === "web2" ? [{ outcome: "done", reply: ok() }] : [refused("program o* not found")]);
    expect(await ctl("--all stop o* --at-once")).toMatchObject({ code: 0, stdout: "web2: done\n", stderr: "" });
    agentAnswers = () => [refused("program x* not found")];
    expect(await ctl("--all stop x* --at-once")).toMatchObject({
      ...{ code: 3, stdout: "", stderr: "error: no watcher 'x*' on any of these hosts\n" },
    });

    agentAnswers = () => [{ outcome: "done", reply: ok() }];
    const added = await ctl("--all add nope sleep 9 --at-once");
    expect({ ...added, stdout: added.stdout.split("\n").sort() }).toMatchObject({
      code: 0,
      stdout: ["", "web1: done", "web2: done", "web3: done"],
    });
  });

  it("reads: the local text with the host before each line; who is silent is named", async () => {
    answerOf = () =>
      result({
        hosts: [...HOSTS.map((host) => hostStatus(host)), { ...hostStatus("gone"), presence: "left" }],
        unknownHosts: [],
      });
    agentAnswers = (host) =>
      host === "web3" ? [] : [{ outcome: "done", reply: ok({ options: { cmd: "x", shell: false } }) }];
    const { code, stdout, stderr } = await ctl("--all --timeout 0.3 options w");
    expect(code).toBe(4);
    expect(stdout).toBe("web1: cmd: x\nweb1: shell: False\nweb2: cmd: x\nweb2: shell: False\n");
    expect(stderr).toBe("circusctl: web3: not delivered: no answer within 600ms, asked twice\n");
    agentAnswers = () => [refused("program w not found")];
    expect(await ctl("--host web1 list w")).toMatchObject({
      code: 4,
      stderr: "circusctl: web1: error: program w not found\n",
    });
  });

  it("what a role may not do is refused by the broker, and said at once", async () => {
    const { code, stderr, tookMs } = await ctl("--host web1 stop w", "viewer-eve");
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: "error: viewer eve may not do that (publish circus.main.cmd.web1.eve.stop is refused)\n",
    });
    expect(tookMs).toBeLessThan(3000);
    expect(commands).toEqual([]);
  });
});

function step(host: string, wave: number, state: StepState, reason: string | null = null): RolloutStep {
  return {
    host,
    wave,
    state,
    commandId: `r1/${host}/1`,
    generationBefore: 1,
    pidsBefore: [1],
    pidsAfter: [2],
    outcome: state === "pending" ? null : "done",
    reason,
    updated: Date.now(),
  };
}
let revision = 0;
function rollout(states: readonly StepState[], more: Partial<RolloutRecord> = {}): RolloutRecord {
  return {
    id: "r1",
    command: "restart",
    properties: {},
    hosts: null,
    where: null,
    waiting: null,
    floor: 2,
    attempt: 1,
    revision: more.ended === undefined ? ++revision : Number.MAX_SAFE_INTEGER,
    watcher: "w",
    actor: "admin",
    created: Date.now() - 1000,
    ended: null,
    state: "running",
    reason: null,
    options: ROLLOUT_DEFAULTS,
    steps: states.map((state, at) =>
      step(HOSTS[at] ?? "", at, state, state === "failed" ? "not healthy within 1m" : null),
    ),
    ...more,
  };
}
const advise = (record: RolloutRecord): boolean =>
  controller.publish(subjects.advice(ctl1, "rollout"), { v: 1, rollout: record });

async function started(line: string): Promise<Program> {
  const program = await startProgram(circusctl, line.split(" "), { env: environment() });
  await waitFor(() => asked.some(({ subject }) => subject.endsWith("rollout-start")), {
    what: "the rollout to be started",
  });
  return program;
}

describe("rollouts", () => {
  it("--all restart W: starts it, shows each step, ends with 0", async () => {
    const end = rollout(["done", "done", "done"], { state: "done", ended: Date.now() });
    let now = rollout(["pending", "pending", "pending"]);
    answerOf = () => result(now);
    await using program = await started("--all restart w --batch 1,50% --soak 2s --health-timeout 1m --max-fail 1");
    await program.waitForLine(/^rollout r1: restart w on 3 hosts in 3 waves/);
    for (const record of [rollout(["sent", "pending", "pending"]), rollout(["done", "sent", "pending"]), end]) {
      now = record;
      advise(record);
    }
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.stdout.split("\n").slice(1)).toEqual([
      "wave 1/3  web1  sent",
      "wave 1/3  web1  done",
      "wave 2/3  web2  sent",
      "wave 2/3  web2  done",
      "wave 3/3  web3  done",
      expect.stringMatching(/^rollout r1 done: 3 of 3 hosts in \S+$/),
      "",
    ]);
    expect(asked[0]).toEqual({
      subject: "circus.main.ctl.admin.rollout-start",
      properties: {
        command: "restart",
        watcher: "w",
        properties: {},
        hosts: null,
        where: null,
        options: {
          batch: [
            { kind: "count", n: 1 },
            { kind: "percent", p: 50 },
          ],
          maxFail: { kind: "count", n: 1 },
          soakMs: 2000,
          healthTimeoutMs: 60_000,
        },
      },
    });
  });

  it("a failure ends with 4 and says which host, why, and which are untouched", async () => {
    const end = rollout(["done", "failed", "untouched"], {
      state: "failed",
      ended: Date.now(),
      reason: "1 of 0 failures",
    });
    answerOf = (verb) => result(verb === "rollout-start" ? rollout(["pending", "pending", "pending"]) : end);
    const { code, stderr } = await ctl("--host web1,web2,web3 restart w"); // nothing advised: it asks by itself
    expect(code).toBe(4);
    expect(stderr.split("\n").slice(1)).toEqual([
      "failed: web2 (not healthy within 1m)",
      "untouched: web3",
      "what failed or was left, once more: circusctl rollout retry r1",
      "",
    ]);
    expect(asked[0]?.properties).toMatchObject({ hosts: ["web1", "web2", "web3"] });
  });

  it("Ctrl-C leaves it running and says how to come back", async () => {
    answerOf = () => result(rollout(["sent", "pending", "pending"]));
    await using program = await started("--all restart w");
    await program.waitForLine(/wave 1/);
    program.kill("SIGINT");
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.stderr).toContain("left; the rollout goes on, come back to it with: circusctl rollout watch r1\n");
  });

  it("--detach, --dry-run, rollout show --prove, rollout list", async () => {
    const done = rollout(["done", "done", "skipped"], { state: "done", ended: Date.now() });
    answerOf = (verb) => result(verb === "rollout-list" ? { rollouts: [done] } : done);
    expect(await ctl("--all restart w --detach")).toMatchObject({
      code: 0,
      stdout: "rollout r1 started; follow it with: circusctl rollout watch r1\n",
    });
    expect((await ctl("--all restart w --dry-run")).stdout.split("\n").slice(1)).toEqual([
      "wave 1: web1",
      "wave 2: web2",
      "skipped: web3",
      "",
    ]);
    expect(asked.map(({ subject }) => subject.split(".").at(-1))).toEqual(["rollout-start", "rollout-plan"]);
    const shown = await ctl("rollout show r1 --prove");
    expect(shown.stdout).toMatch(/^WAVE {2}HOST {2}STATE {4}COMMAND {2}SINCE {16}PIDS BEFORE {2}PIDS AFTER$/m);
    expect((await ctl("rollout list")).stdout).toMatch(/^r1 {7}done {3}restart w {2}admin .* 2\/3$/m);
    expect(JSON.parse((await ctl("rollout show r1 --json")).stdout)).toMatchObject({ v: 1, rollout: { id: "r1" } });
    expect(JSON.parse((await ctl("--all restart w --json")).stdout)).toMatchObject({
      v: 1,
      rollout: { state: "done" },
    });
  });

  it("watch from a second terminal, pause, resume, abort, retry", async () => {
    let now = rollout(["sent", "pending", "pending"]);
    answerOf = (verb) => result(verb === "rollout-list" ? { rollouts: [now] } : now);
    await using watching = await startProgram(circusctl, ["rollout", "watch"], { env: environment() });
    await watching.waitForLine(/^wave 1\/3 {2}web1 {2}sent$/);
    now = rollout(["sent", "pending", "pending"], { state: "paused", reason: "paused by admin" });
    expect(await ctl("rollout pause r1")).toMatchObject({
      code: 0,
      stdout: "rollout r1 is paused; go on with: circusctl rollout resume r1\n",
    });
    await watching.waitForLine(/^paused: paused by admin$/);
    expect(await ctl("rollout resume r1 --skip-failed")).toMatchObject({ code: 0 });
    expect(asked.at(-1)).toEqual({
      subject: "circus.main.ctl.admin.rollout-resume",
      properties: { id: "r1", skipFailed: true },
    });
    expect(await ctl("rollout abort r1", "viewer-eve")).toMatchObject({ code: 3 }); // who may only look
    now = rollout(["done", "untouched", "untouched"], {
      state: "aborted",
      reason: "aborted by admin",
      ended: Date.now(),
    });
    expect((await ctl("rollout abort r1")).code).toBe(0);
    advise(now);
    expect(await watching.exited).toEqual({ code: 4, signal: null });
    expect(watching.stderr).toMatch(/^untouched: web2, web3$/m);
    now = rollout(["done", "done", "done"], { state: "done", ended: Date.now() });
    expect(await ctl("rollout retry r1")).toMatchObject({ code: 0, stderr: "" });
    const changes = asked.map(({ subject }) => subject.split(".").at(-1)).filter((verb) => verb !== "rollout-show");
    expect(changes).toEqual(["rollout-list", "rollout-pause", "rollout-resume", "rollout-abort", "rollout-retry"]);
  });

  it("other changes of all hosts roll, too; named hosts are told directly", async () => {
    answerOf = () => result(rollout(["done", "done", "done"], { state: "done", ended: Date.now() }));
    expect(await ctl("--where role=web,zone!=a set w numprocesses 3 --on-fail rollback --canary 1")).toMatchObject({
      code: 0,
    });
    expect(asked[0]?.properties).toEqual({
      command: "set",
      watcher: "w",
      properties: { options: { numprocesses: 3 } },
      hosts: null,
      where: [
        { key: "role", isEqual: true, value: "web" },
        { key: "zone", isEqual: false, value: "a" },
      ],
      options: { canary: 1, onFail: "rollback" },
    });
    expect(commands).toEqual([]);
    expect(await ctl("--host web1,web2 stop w")).toMatchObject({ code: 0 });
    expect(commands.map(({ host }) => host).sort()).toEqual(["web1", "web2"]);
  });

  it("one that overlaps is refused with the controller's reason", async () => {
    answerOf = () => ({ ok: false, code: "conflict", reason: "rollout r0 is at work on w" });
    expect(await ctl("--all restart w")).toMatchObject({
      code: 3,
      stdout: "",
      stderr: "error: rollout r0 is at work on w\n",
    });
    expect(await ctl("--all restart")).toMatchObject({ code: 2 });
    expect(await ctl("--all restart w --batch 0")).toMatchObject({ code: 2 });
  });
});

/** A call inside this process: a hundred of them take seconds. */
async function inside(argv: readonly string[]): Promise<Pick<Result, "code" | "stdout" | "stderr">> {
  let [stdout, stderr] = ["", ""];
  const code = await main(argv, {
    out: (text) => (stdout += text) !== "",
    err: (text) => {
      stderr += text;
    },
    env: environment(),
    ...{ isInTty: false, isOutTty: false, isErrTty: false },
    columns: () => 80,
    now: () => Date.now(),
    ask: () => Promise.resolve(null),
    onInterrupt: () => () => undefined,
  });
  return { code, stdout, stderr };
}

/** Good words for the arguments of a command. */
function wordsFor({ name, cli }: CommandSpec): readonly string[] {
  const good: Readonly<Record<string, readonly string[]>> = {
    ...{ name: ["w"], process: ["12"], pid: ["12"], signum: ["TERM"], nb: ["2"], option: ["endpoint"] },
    ...{ keys: ["cmd"], cmd: ["sleep", "9"], options: ["numprocesses", "3"] },
  };
  return (cli?.args ?? []).flatMap(({ property }) => {
    const words = good[property];
    if (words === undefined) throw new Error(`no words for ${property} of ${name}`);
    return words;
  });
}

describe("every command of the table on every scope", () => {
  const SCOPES = [
    { words: ["--all"], reached: ["web1", "web2", "web3"], meant: { hosts: null, where: null } },
    { words: ["--host", "web1,web2"], reached: ["web1", "web2"], meant: { hosts: ["web1", "web2"], where: null } },
    {
      words: ["--where", "role=db"],
      reached: ["web3"],
      meant: { hosts: null, where: [{ key: "role", value: "db", isEqual: true }] },
    },
  ] as const;
  const typed = [...COMMANDS.values()].filter(({ cli }) => cli !== null);
  const table = typed.flatMap((spec) =>
    SCOPES.map((scope) => ({ name: spec.name, on: scope.words.join(" "), spec, scope })),
  );

  it.each(table)("$on $name", async ({ name, spec, scope }) => {
    const hosts = HOSTS.map((host) => hostInfo(host, "online", { role: host === "web3" ? "db" : "web" }));
    answerOf = (verb, { hosts: named }) => {
      if (verb === "rollout-start") return result(rollout(["pending"]));
      const all = HOSTS.filter((host) => !Array.isArray(named) || named.includes(host));
      if (verb === "status")
        return result({ hosts: all.map((host) => hostStatus(host, watcher("w"))), unknownHosts: [] });
      return result({ hosts, unknownHosts: [] });
    };
    const rolls = ROLLOUT_COMMANDS.some((command) => command === name);
    const isWrite = spec.access === "write";
    const words = [
      name,
      ...wordsFor(spec),
      ...(rolls ? ["--detach"] : isWrite && spec.doors.includes("nats") ? ["--at-once"] : []),
    ];
    const seen: unknown[] = [];
    for (const argv of [
      [...scope.words, ...words],
      [...words, ...scope.words],
    ]) {
      asked.length = 0;
      commands.length = 0;
      const { code, stdout, stderr } = await inside(argv);
      if (!spec.doors.includes("nats")) {
        const reason = `circusctl: ${name} works on the local agent only: without --all, --host and --where\n`;
        expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: "", stderr: reason });
        expect([...asked, ...commands]).toEqual([]);
        continue;
      }
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).not.toBe("");
      const started = asked.find(({ subject }) => subject.endsWith(".rollout-start"))?.properties;
      const told = commands.map(({ host, envelope }) => ({
        host,
        command: envelope.command,
        properties: envelope.properties,
      }));
      if (name === "status") expect(asked.at(-1)?.subject).toMatch(/\.status$/);
      else if (rolls) {
        expect(commands).toEqual([]);
        expect(started).toMatchObject({ command: name, ...scope.meant });
      } else {
        expect(told.map(({ host }) => host).sort()).toEqual(scope.reached);
        expect(new Set(told.map(({ command }) => command))).toEqual(new Set([name]));
      }
      seen.push({ started, told: told.sort((a, b) => (a.host < b.host ? -1 : 1)), last: asked.at(-1)?.properties });
    }
    expect(seen[1]).toEqual(seen[0]); // before or behind the verb is the same
  });

  it("refuses together what nobody said is meant for all together, in one line", async () => {
    const alone = typed.filter(
      ({ name, access, doors }) =>
        access === "write" && doors.includes("nats") && !ROLLOUT_COMMANDS.some((command) => command === name),
    );
    expect(alone.length).toBeGreaterThan(3);
    for (const spec of alone) {
      const { code, stdout, stderr } = await inside(["--all", spec.name, ...wordsFor(spec)]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toBe(
        `circusctl: ${spec.name} would go to all of these hosts together; say so with --at-once, or name them by --host\n`,
      );
    }
    expect([...asked, ...commands]).toEqual([]);
  });
});

describe("no fleet", () => {
  it("unreachable: one line and 5, within about two seconds", async () => {
    const url = `nats://127.0.0.1:${await freePort()}`;
    const { code, stderr, tookMs } = await run(circusctl, ["--all", "status"], {
      env: { ...environment(), CIRCUSCTL_NATS: url },
    });
    expect({ code, stderr }).toEqual({ code: 5, stderr: `circusctl: cannot connect to ${url}: connection refused\n` });
    expect(tookMs).toBeLessThan(2500);
  });

  it("without a controller reads ask the agents and say so; changes do not begin", async () => {
    await controller.close(200);
    try {
      agentAnswers = (host, { command }) => [
        {
          outcome: "done",
          reply: ok(
            command === "snapshot"
              ? {
                  snapshot: {
                    v: 1,
                    epoch: 1,
                    seq: 1,
                    time: 1,
                    version: "0.1.0",
                    labels: { role: host },
                    watchers: [
                      {
                        name: "w",
                        state: "active",
                        numprocesses: 1,
                        processes: [],
                        since: 1,
                        generation: 1,
                        reason: null,
                      },
                    ],
                  },
                }
              : { watchers: ["w"] },
          ),
        },
      ];
      const status = await ctl("--all status");
      expect(status).toMatchObject({ code: 0, stderr: expect.stringContaining("no controller answers") as string });
      expect(status.stdout.split("\n").slice(1)).toEqual([
        ...HOSTS.map((host) => `${host}  online    w        active        0/1        0  now`),
        "",
      ]);
      expect((await ctl("--all list")).stdout).toBe("web1: w\nweb2: w\nweb3: w\n");
      expect(await ctl("--all restart w")).toMatchObject({ code: 5, stdout: "" });
      expect(await ctl("hosts", "viewer-eve")).toMatchObject({ code: 5, stdout: "" });
      agentAnswers = () => [{ outcome: "done", reply: ok() }];
      const direct = await ctl("--host web1,web2 restart w --at-once");
      expect(direct.code).toBe(0);
      expect(direct.stdout.split("\n").sort()).toEqual(["", "web1: done", "web2: done"]);
    } finally {
      await startController();
    }
  });

  it("missing settings and foreign credentials are one line and 1", async () => {
    const lines: (readonly [Record<string, string>, string])[] = [
      [{ CIRCUSCTL_NATS: "" }, "circusctl: where is the fleet? Give --nats URL or set CIRCUSCTL_NATS\n"],
      [{ CIRCUSCTL_CREDS: "" }, "circusctl: who are you? Give --creds FILE or set CIRCUSCTL_CREDS\n"],
      [{ CIRCUSCTL_CREDS: "/nope" }, "circusctl: credentials /nope: no such file\n"],
      [
        { CIRCUSCTL_CREDS: creds("agent-web1") },
        `circusctl: credentials ${creds("agent-web1")}: they are of agent web1, not of a person\n`,
      ],
    ];
    for (const [env, stderr] of lines) {
      expect(await run(circusctl, ["hosts"], { env: { ...environment(), ...env } })).toMatchObject({
        code: 1,
        stdout: "",
        stderr,
      });
    }
  });
});
