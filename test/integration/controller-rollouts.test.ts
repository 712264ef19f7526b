/**
 * People and rollouts: pause, canary, approval, abort, retry, supersede, the floor, values and their way back, with
 * agents that pretend, a real controller and a real nats-server. One fleet for all tests; each leaves it whole.
 */
import type { FleetAnswers, RolloutRecord } from "@circus-cluster/proto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { assertNoLeaks } from "../support/leaks.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import type { Program } from "../support/process.ts";
import { storedEvents } from "../support/stored-events.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Asker, FakeAgent, kill9, startController, writeIni } from "./controller-fixture.ts";

const OPTIONS = { batch: [{ kind: "count", n: 1 }], soakMs: 100, healthTimeoutMs: 20_000 };
const HOSTS = ["web1", "web2", "web3"];

let server: NatsServer;
let dir: TempDir;
let ini: string;
let controller: Program;
let asker: Asker;
const agents = new Map<string, FakeAgent>();

beforeAll(async () => {
  server = await startNatsServer();
  dir = await tempDir();
  ini = await writeIni(dir, server);
  controller = await startController(ini);
  asker = await Asker.connect(server);
  for (const host of HOSTS) await join(host);
  await whole();
});
afterAll(async () => {
  await controller.stop();
  await asker[Symbol.asyncDispose]();
  for (const agent of agents.values()) await agent[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
  await assertNoLeaks();
});
afterEach(async () => {
  for (const agent of agents.values()) {
    agent.begun.length = 0;
    if (agent.watcher.state !== "active") await agent.raise(agent.watcher.generation + 1);
  }
  await whole();
});

async function join(host: string): Promise<FakeAgent> {
  const agent = await FakeAgent.start(server, host, { labels: { role: host === "web3" ? "db" : "web" } });
  agents.set(host, agent);
  await agent.run();
  return agent;
}

async function whole(): Promise<void> {
  await waitFor(
    async () => {
      const { hosts } = await asker.ask<FleetAnswers["status"]>("q", "status", { hosts: null, watcher: null });
      return (
        hosts.length === agents.size &&
        // A host whose picture has not come yet has no watcher to look at: a rollout would take it for ill.
        hosts.every(
          ({ presence, watchers: [web] }) =>
            presence === "online" && web?.state === "active" && web.healthy > 0 && web.healthy === web.numprocesses,
        )
      );
    },
    { what: "a whole fleet", deadlineMs: 30_000 },
  );
}

const request = (more: object, options: object = {}): object => ({
  command: "restart",
  watcher: "web",
  hosts: null,
  options: { ...OPTIONS, ...options },
  ...more,
});
const start = (options: object = {}, more: object = {}): Promise<RolloutRecord> =>
  asker.ask("ctl", "rollout-start", request(more, options));
const show = (id: string): Promise<RolloutRecord> => asker.ask("q", "rollout-show", { id });
const control = (verb: string, id: string, more: object = {}): Promise<RolloutRecord> =>
  asker.ask("ctl", `rollout-${verb}`, { id, ...more });

async function until(id: string, is: (record: RolloutRecord) => boolean, what: string): Promise<RolloutRecord> {
  return await waitFor(
    async () => {
      const record = await show(id);
      return is(record) && record;
    },
    { what: `rollout ${id} ${what}`, deadlineMs: 30_000 },
  );
}
const ended = (id: string): Promise<RolloutRecord> => until(id, (record) => record.ended !== null, "to end");
const states = ({ steps }: RolloutRecord): string[] => steps.map((step) => step.state);
const begun = (): string[] => [...agents.values()].flatMap((agent) => agent.begun);

/** Decisions are events of the fleet. */
async function told(kind: string): Promise<void> {
  await waitFor(() => storedEvents(dir.file("state")).kinds("_fleet").includes(kind), { what: `the event ${kind}` });
}

describe("a rollout under way", () => {
  it("waits behind the canary, over a kill of the controller too, and goes on when somebody says so", async () => {
    const { id } = await start({ canary: 1, batch: [{ kind: "count", n: 2 }], minHealthy: { kind: "count", n: 1 } });
    await until(id, ({ state }) => state === "paused", "to pause");
    await told("rollout_paused");
    await kill9(controller);
    controller = await startController(ini);
    expect(await show(id)).toMatchObject({
      state: "paused",
      reason: `the canary is done; waits for: circusctl rollout resume ${id}`,
    });
    expect(begun()).toEqual([`${id}/web1/1`]);
    await whole();
    expect(await control("resume", id, { skipFailed: false })).toMatchObject({ state: "running" });
    expect(states(await ended(id))).toEqual(["done", "done", "done"]);
    expect(begun()).toEqual(HOSTS.map((host) => `${id}/${host}/1`));
    await told("rollout_resumed");
  });

  it("pause, then abort: what is at work is followed to its end, the rest untouched; retry does that", async () => {
    const { id } = await start();
    await until(id, ({ steps }) => steps[0]?.state !== "pending", "to begin");
    await control("pause", id);
    const paused = await until(id, ({ steps }) => steps[0]?.state === "done", "to follow web1");
    expect(paused).toMatchObject({ state: "paused", reason: "paused by alice", waiting: "rollout resume" });
    await expect(control("pause", id)).rejects.toThrow(`rollout ${id} is paused already`);
    await expect(start()).rejects.toThrow(`rollout ${id} of watcher 'web' is paused`);
    await control("abort", id);
    expect(await show(id)).toMatchObject({ state: "aborted", reason: "aborted by alice; 2 hosts untouched" });
    expect(begun()).toEqual([`${id}/web1/1`]);
    await control("retry", id);
    expect(await ended(id)).toMatchObject({ state: "done", attempt: 2 });
    expect(begun()).toEqual([`${id}/web1/1`, `${id}/web2/2`, `${id}/web3/2`]);
    await expect(control("retry", id)).rejects.toThrow(`nothing of rollout ${id} failed or was left`);
    await expect(control("abort", "r0")).rejects.toThrow("no rollout 'r0'");
  });

  it("is superseded by an emergency, which leaves alone what the first has at work", async () => {
    const { id } = await start();
    await until(id, ({ steps }) => steps[0]?.state === "accepted" || steps[0]?.state === "sent", "to begin");
    const second = await start({}, { supersede: true });
    expect(states(await ended(second.id))).toEqual(["done", "done", "done"]);
    const first = await ended(id);
    expect(first).toMatchObject({ state: "superseded", reason: `superseded by ${second.id}; 2 hosts untouched` });
    expect(begun().filter((one) => one.startsWith(id))).toEqual([`${id}/web1/1`]);
  });

  it("waits rather than break the floor, and says who is ill", async () => {
    const web3 = agents.get("web3")!;
    const { id } = await start({ waitMs: null });
    await until(id, ({ state }) => state === "paused", "to wait for an approval");
    await web3.lower();
    web3.watcher = { ...web3.watcher, state: "failed" };
    await web3.emit("watcher_failed", "web", { data: { reason: "exit 1" } });
    await waitFor(
      async () => {
        const { hosts } = await asker.ask<FleetAnswers["status"]>("q", "status", { hosts: ["web3"], watcher: null });
        return hosts[0]?.watchers[0]?.state === "failed";
      },
      { what: "web3 to be seen ill" },
    );
    await control("resume", id, { skipFailed: false });
    const held = await until(id, ({ waiting }) => waiting !== null, "to wait");
    expect(held.waiting).toBe("waits for healthy hosts: 2 of 3 are, 2 have to stay so; not healthy: web3 (failed)");
    expect(begun()).toEqual([`${id}/web1/1`]);
    await web3.raise(web3.watcher.generation + 1);
    await until(id, ({ steps }) => steps[1]?.state === "done", "to go on");
    await control("abort", id);
    await ended(id);
  });
});

describe("a choice of hosts", () => {
  it("--where by labels in the controller; who joins later is listed and not touched", async () => {
    const where = [{ key: "role", isEqual: true, value: "web" }];
    const { id, steps } = await start({ waitMs: null }, { where });
    expect(steps.map(({ host }) => host)).toEqual(["web1", "web2"]);
    await until(id, ({ state }) => state === "paused", "to wait");
    const web4 = await join("web4");
    await until(id, ({ late = [] }) => late.includes("web4"), "to list web4");
    await control("resume", id, { skipFailed: false });
    expect(await ended(id)).toMatchObject({ state: "done", late: ["web4"] });
    expect(web4.begun).toEqual([]);
  });
});

describe("values", () => {
  it("incr gives each host an absolute number", async () => {
    const before = agents.get("web1")!.watcher.numprocesses;
    const { id } = await start({ batch: [{ kind: "percent", p: 100 }] }, { command: "incr", properties: { nb: 1 } });
    expect(await ended(id)).toMatchObject({ state: "done", reason: null });
    for (const agent of agents.values()) expect(agent.watcher.processes).toHaveLength(before + 1);
  });

  it("--on-fail rollback: a bad value is taken back everywhere it came to", async () => {
    const options = { onFail: "rollback", maxFail: { kind: "count", n: 0 } };
    const properties = { options: { cmd: "new" } };
    const good = await start({}, { command: "set", properties });
    await ended(good.id);
    const bad = await start(options, { command: "set", properties: { options: { cmd: "broken" } } });
    const record = await ended(bad.id);
    expect(record).toMatchObject({
      state: "failed",
      reason: "web1: the watcher failed: spawn broken ENOENT; 1 host rolled back; 3 hosts untouched",
    });
    expect(states(record)).toEqual(["restored", "untouched", "untouched", "untouched"]);
    for (const agent of agents.values()) expect(agent.values).toEqual({ cmd: "new" });
    expect(agents.get("web1")!.begun).toContain(`${bad.id}/web1/1-undo`);
  });

  it("refuses what no host could take", async () => {
    await expect(start({}, { command: "set", properties: { options: { nope: 1 } } })).rejects.toThrow(
      "unknown key 'nope'",
    );
    await expect(start({ onFail: "rollback" })).rejects.toThrow("only set, incr, decr and config can be rolled back");
  });
});
