/** Presence, history, rollouts and the door of a controller, with agents that pretend and a real nats-server. */
import type { FleetAnswers, RolloutAdvice, RolloutRecord } from "@circus-cluster/proto";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { assertNoLeaks } from "../support/leaks.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import type { Program } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import {
  type AgentOptions,
  Asker,
  FakeAgent,
  kill9,
  startController,
  subjects,
  writeIni,
} from "./controller-fixture.ts";

const OPTIONS = { soakMs: 200, healthTimeoutMs: 3000 };

let server: NatsServer;
let dir: TempDir;
let ini: string;
let controller: Program;
let asker: Asker;
const agents: FakeAgent[] = [];

beforeEach(async () => {
  server = await startNatsServer();
  dir = await tempDir();
  ini = await writeIni(dir, server);
  controller = await startController(ini);
  asker = await Asker.connect(server);
});
afterEach(async () => {
  await controller.stop();
  await asker[Symbol.asyncDispose]();
  for (const agent of agents.splice(0)) await agent[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});
afterAll(() => assertNoLeaks());

async function agent(host: string, options: AgentOptions = {}): Promise<FakeAgent> {
  const made = await FakeAgent.start(server, host, options);
  agents.push(made);
  await made.run();
  return made;
}

const status = (): Promise<FleetAnswers["status"]> => asker.ask("q", "status", { hosts: null, watcher: null });
const historyAt = (at: number): Promise<FleetAnswers["history-at"]> =>
  asker.ask("q", "history-at", { hosts: null, watcher: "web", at });
const show = (id: string): Promise<RolloutRecord> => asker.ask("q", "rollout-show", { id });
const start = (more: object = {}): Promise<RolloutRecord> =>
  asker.ask("ctl", "rollout-start", { command: "restart", watcher: "web", hosts: null, options: OPTIONS, ...more });

async function presence(host: string): Promise<string | undefined> {
  return (await status()).hosts.find((one) => one.host === host)?.presence;
}

/** All hosts seen, with their processes. */
async function ready(count: number): Promise<void> {
  await waitFor(
    async () => {
      const { hosts } = await status();
      return (
        hosts.length === count && hosts.every((host) => host.presence === "online" && host.watchers[0]?.healthy === 2)
      );
    },
    { what: `${count} hosts to be seen` },
  );
}

async function ended(id: string): Promise<RolloutRecord> {
  return await waitFor(
    async () => {
      const record = await show(id);
      return record.state === "running" ? null : record;
    },
    { what: "the rollout to end", deadlineMs: 20_000 },
  );
}

describe("status and presence", () => {
  it("shows every host and watcher with processes and age", async () => {
    const web1 = await agent("web1");
    await ready(1);
    const { hosts } = await status();
    expect(hosts).toMatchObject([
      {
        host: "web1",
        presence: "online",
        watchers: [{ name: "web", state: "active", numprocesses: 2, running: 2, healthy: 2, reason: null }],
      },
    ]);
    expect(hosts[0]?.watchers[0]?.pids).toEqual(web1.watcher.processes.map((process) => process.pid));
    expect(hosts[0]?.ageMs).toBeLessThan(2000);
    const info = await asker.ask<FleetAnswers["hosts"]>("q", "hosts", { hosts: ["web1", "web9"] });
    expect(info).toMatchObject({
      hosts: [{ host: "web1", version: "test", load: 0.5, backlog: 0, watchers: 1, labels: { role: "web" } }],
      unknownHosts: ["web9"],
    });
    expect(Math.abs(info.hosts[0]?.skewMs ?? Number.NaN)).toBeLessThan(1000);
  });

  it("calls a silent host lost and its watchers unknown, in history too, until it is heard again", async () => {
    const web1 = await agent("web1");
    await ready(1);
    web1.fallSilent();
    await waitFor(async () => (await presence("web1")) === "lost", { what: "web1 to be lost" });
    await waitFor(async () => (await status()).hosts[0]?.watchers[0]?.state === "unknown", { what: "its watcher" });
    expect((await status()).hosts[0]?.watchers).toMatchObject([{ state: "unknown", running: 0, pids: [] }]);
    // Status knows at once; history when the event is back from the stream.
    const silentAt = await waitFor(
      async () => {
        const now = Date.now();
        return (await historyAt(now)).rows[0]?.state === "unknown" && now;
      },
      { what: "history to know of the silence" },
    );
    web1.beat();
    await waitFor(async () => (await presence("web1")) === "online", { what: "web1 to be back" });
    await waitFor(async () => (await historyAt(Date.now())).rows[0]?.state === "active", { what: "history to know" });
    expect((await historyAt(silentAt)).rows).toMatchObject([{ host: "web1", watcher: "web", state: "unknown" }]);
    const { rows } = await asker.ask<FleetAnswers["history"]>("q", "history", {
      hosts: null,
      watcher: "web",
      since: 0,
      until: Date.now() + 1000,
      limit: 100,
    });
    expect(rows.map((row) => row.state).slice(-3)).toEqual(["active", "unknown", "active"]);
    for (const [i, row] of rows.entries()) expect(row.to).toBe(rows[i + 1]?.from ?? null);
  });

  it("calls nobody lost at its own start, and a host that said goodbye left", async () => {
    const web1 = await agent("web1");
    const web2 = await agent("web2");
    await ready(2);
    await kill9(controller);
    web1.fallSilent();
    controller = await startController(ini);
    expect(await presence("web1")).toBe("unknown");
    await waitFor(async () => (await presence("web2")) === "online", { what: "web2" });
    await waitFor(async () => (await presence("web1")) === "lost", { what: "web1 to be lost after the grace" });
    await web2.emit("agent_stopped", null);
    web2.fallSilent();
    web2.sendBeat(true);
    await waitFor(async () => (await presence("web2")) === "left", { what: "web2 to have left" });
    await waitFor(async () => (await status()).hosts[1]?.watchers[0]?.state === "stopped", { what: "web2's watcher" });
  });
});

describe("history", () => {
  it("says what was at a time in the middle, and who asked for it", async () => {
    const web1 = await agent("web1");
    await agent("web2");
    await ready(2);
    await web1.lower({ actor: "alice", cause: "c1" });
    const middle = await waitFor(
      async () => (await status()).hosts[0]?.watchers[0]?.state === "stopped" && Date.now(),
      { what: "web1 to be stopped" },
    );
    await waitFor(() => Date.now() > middle, { what: "another millisecond" });
    await web1.raise(5);
    await waitFor(async () => (await historyAt(Date.now())).rows.every((row) => row.state === "active"), {
      what: "web1 to be active again",
    });
    expect((await historyAt(middle)).rows).toMatchObject([
      { host: "web1", state: "stopped", actor: "alice", cause: "c1" },
      { host: "web2", state: "active", to: null },
    ]);
  });
});

describe("the door", () => {
  it.each<["q" | "ctl", string, object, string, string]>([
    ["q", "status", { hosts: ["web9"], watcher: null }, "not-found", "no host 'web9' in fleet 'main'; known: web1"],
    ["q", "status", { hosts: null, watcher: "x" }, "not-found", "no watcher 'x' on any host"],
    [
      "q",
      "history",
      { hosts: ["web9"], watcher: null, since: 0, until: 1, limit: 1 },
      "not-found",
      "no host 'web9' in fleet 'main'; known: web1",
    ],
    ["q", "history-at", { hosts: null, watcher: "x", at: 5 }, "not-found", "no watcher 'x' on any host"],
    [
      "q",
      "history",
      { hosts: null, watcher: null, since: 5, until: 5, limit: 1 },
      "message",
      "the window ends before it begins",
    ],
    ["q", "status", { hosts: null }, "message", "watcher: is missing"],
    ["q", "status", { hosts: null, watcher: null, extra: 1 }, "message", "extra: is unknown"],
    ["q", "rollout-show", { id: "r0" }, "not-found", "no rollout 'r0'"],
    ["q", "rollout-start", {}, "command-unknown", "no question 'rollout-start' is known"],
    ["ctl", "status", {}, "command-unknown", "no change 'status' is known"],
    [
      "ctl",
      "rollout-start",
      { command: "restart", watcher: "x", hosts: null, options: {} },
      "not-found",
      "no watcher 'x' on any host",
    ],
  ])("answers %s %s %j with one line", async (door, verb, properties, code, reason) => {
    await agent("web1");
    await ready(1);
    expect(await asker.raw(door, verb, properties)).toMatchObject({
      v: 1,
      ok: false,
      controller: "ctl1",
      code,
      reason,
    });
  });

  it("sends no answer to anybody but the asker, and none to what is no request", async () => {
    await agent("web1");
    await ready(1);
    const heard: string[] = [];
    asker.connection.subscribe(`${subjects.root}.cmd.web1.alice.restart`, (message) => heard.push(message.subject));
    const query = `${subjects.root}.q.alice.status`;
    const request = { v: 1, id: "x", properties: { hosts: null, watcher: null } };
    asker.connection.publish(query, request, { reply: `${subjects.root}.cmd.web1.alice.restart` });
    asker.connection.publish(query, request, { reply: "_INBOX.bob.1" });
    const bad = await asker.connection.request(query, { stream: "EVENTS", seq: 1 }, 2000);
    expect(bad.kind === "answer" && bad.message.json()).toMatchObject({ ok: false, code: "message" });
    expect(heard).toEqual([]);
  });
});

describe("a rollout", () => {
  it("restarts host after host, tells its progress, and can be read back", async () => {
    const all = await Promise.all(["web1", "web2", "web3"].map((host) => agent(host)));
    await ready(3);
    const advice: RolloutAdvice[] = [];
    asker.connection.subscribe(subjects.all.advice(), (message) => advice.push(message.json() as RolloutAdvice));
    const planned = await asker.ask<RolloutRecord>("ctl", "rollout-plan", {
      command: "restart",
      watcher: "web",
      hosts: null,
      options: OPTIONS,
    });
    expect(planned.steps.map(({ host, wave }) => [host, wave])).toEqual([
      ["web1", 0],
      ["web2", 1],
      ["web3", 2],
    ]);
    expect(all.flatMap((one) => one.begun)).toEqual([]);
    const { id, actor } = await start();
    expect(actor).toBe("alice");
    expect(
      await asker.raw("ctl", "rollout-start", { command: "restart", watcher: "web", hosts: ["web1"], options: {} }),
    ).toMatchObject({
      code: "conflict",
      reason: `rollout ${id} of watcher 'web' is running`,
    });
    const record = await ended(id);
    expect(record).toMatchObject({ state: "done", reason: null });
    for (const [i, step] of record.steps.entries()) {
      expect(step).toMatchObject({ state: "done", wave: i, commandId: `${id}/${step.host}/1` });
      expect(step.pidsAfter).toEqual(all[i]!.watcher.processes.map((process) => process.pid));
      expect(step.pidsAfter).not.toEqual(step.pidsBefore);
      expect(all[i]!.begun).toEqual([`${id}/${step.host}/1`]);
    }
    await waitFor(() => advice.at(-1)?.rollout.state === "done", { what: "the last advice" });
    const { rollouts } = await asker.ask<FleetAnswers["rollout-list"]>("q", "rollout-list", { limit: 10 });
    expect(rollouts.map((one) => one.id)).toEqual([id]);
  });

  it("stops at the host that breaks, and leaves the rest untouched", async () => {
    await agent("web1");
    await agent("web2", { restart: "failed" });
    const web3 = await agent("web3");
    await ready(3);
    const record = await ended((await start()).id);
    expect(record.state).toBe("failed");
    expect(record.steps.map((step) => step.state)).toEqual(["done", "failed", "untouched"]);
    expect(record.reason).toBe("web2: the watcher failed: spawn broken ENOENT; 1 host untouched");
    expect(web3.begun).toEqual([]);
  });

  it("refuses to plan with a lost host, and skips one that was stopped on purpose", async () => {
    const web1 = await agent("web1");
    const web2 = await agent("web2");
    await ready(2);
    web2.fallSilent();
    await waitFor(async () => (await presence("web2")) === "lost", { what: "web2 to be lost" });
    await expect(start()).rejects.toThrow("host web2 is lost; name the hosts to leave it out");
    web2.beat();
    await web1.lower();
    await waitFor(async () => (await presence("web2")) === "online", { what: "web2 to be back" });
    await waitFor(async () => (await status()).hosts[0]?.watchers[0]?.state === "stopped", { what: "web1" });
    const record = await ended((await start()).id);
    expect(record.steps).toMatchObject([
      { host: "web1", state: "skipped", reason: "stopped on purpose" },
      { host: "web2", state: "done" },
    ]);
    expect(web1.begun).toEqual([]);
  });

  it("names a host that falls silent in the middle as the one that failed", async () => {
    const web1 = await agent("web1", { restartMs: 60_000 });
    await agent("web2");
    await ready(2);
    const { id } = await start({ options: { ...OPTIONS, healthTimeoutMs: 30_000 } });
    await waitFor(() => web1.begun.length === 1, { what: "the command to arrive" });
    web1.fallSilent();
    const record = await ended(id);
    expect(record.steps).toMatchObject([
      { state: "failed", reason: "accepted, no result: the host is lost" },
      { state: "untouched" },
    ]);
  });

  it("is taken up by the next life of a controller that was killed, and no host is commanded twice", async () => {
    const all = await Promise.all(["web1", "web2", "web3", "web4"].map((host) => agent(host, { restartMs: 150 })));
    await ready(4);
    const { id } = await start();
    for (let kills = 0; kills < 5; kills++) {
      const states = (await show(id)).steps.map((step) => step.state).join(" ");
      // At another point of the work each time.
      await waitFor(async () => (await show(id)).steps.map((step) => step.state).join(" ") !== states, {
        what: "some progress",
        everyMs: 1,
      });
      await kill9(controller);
      controller = await startController(ini);
    }
    const record = await ended(id);
    expect(record).toMatchObject({ state: "done" });
    for (const one of all) expect(one.begun).toEqual([`${id}/${one.host}/1`]);
  });

  it("survives the loss of the nats-server in the middle", async () => {
    const all = await Promise.all(["web1", "web2"].map((host) => agent(host, { restartMs: 300 })));
    await ready(2);
    const { id } = await start();
    await waitFor(async () => (await show(id)).steps[0]?.state === "accepted", { what: "the first host to accept" });
    await server.kill9();
    await server.restart();
    const record = await ended(id);
    expect(record.state, JSON.stringify(record)).toBe("done");
    for (const one of all) expect(one.begun).toEqual([`${id}/${one.host}/1`]);
  });
});
