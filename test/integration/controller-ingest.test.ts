/** Ingest against a real nats-server: nothing is missing or doubled, whatever dies. */
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EVENTS_STREAM, messageId } from "@circus-cluster/proto";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { assertNoLeaks } from "../support/leaks.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import type { Program } from "../support/process.ts";
import { storedEvents } from "../support/stored-events.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Asker, FakeAgent, kill9, startController, subjects, writeIni } from "./controller-fixture.ts";

let server: NatsServer;
let dir: TempDir;
let ini: string;
let controller: Program | null = null;
const agents: FakeAgent[] = [];

beforeEach(async () => {
  server = await startNatsServer();
  dir = await tempDir();
  ini = await writeIni(dir, server);
});
afterEach(async () => {
  await controller?.stop();
  controller = null;
  for (const agent of agents.splice(0)) await agent[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});
afterAll(() => assertNoLeaks());

async function agent(host: string, epoch?: number): Promise<FakeAgent> {
  const made = await FakeAgent.start(server, host, epoch === undefined ? {} : { epoch });
  agents.push(made);
  await made.connection.ensureStream({ name: EVENTS_STREAM, subjects: [subjects.all.events()] });
  return made;
}

/** Many events at once, without waiting for each; every third one a second time under another message id. */
async function flood(from: FakeAgent, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const kind = i % 4 === 0 ? "watcher_stopped" : i % 4 === 2 ? "watcher_started" : "process_spawned";
    const event = from.event(kind, "web", { pid: i, data: { i } });
    const subject = subjects.event(from.host, "web", kind);
    from.connection.publish(subject, event, { msgId: messageId(from.host, event) });
    if (i % 3 === 0) from.connection.publish(subject, event, { msgId: `again:${messageId(from.host, event)}` });
    if (i % 500 === 0) await from.connection.flush(5000);
  }
  await from.connection.flush(5000);
}

describe("ingest", () => {
  it("has every event once after the controller was killed again and again", async () => {
    const hosts = await Promise.all(["web1", "web2", "web3"].map((host) => agent(host)));
    const each = 8000;
    const flooding = Promise.all(hosts.map((host) => flood(host, each)));
    // Killed in the middle of the work: after some more batches, never after a whole number of them.
    for (let kills = 0; kills < 6; kills++) {
      controller = await startController(ini);
      const target = Math.min(3 * each, storedEvents(dir.file("state")).total + 300 + 37 * kills);
      await waitFor(() => storedEvents(dir.file("state")).total >= target, { what: `${target} events`, everyMs: 2 });
      await kill9(controller);
      expect(storedEvents(dir.file("state")).total).toBeLessThan(3 * each);
    }
    await flooding;
    controller = await startController(ini);
    await waitFor(() => storedEvents(dir.file("state")).total >= 3 * each, {
      what: "all events",
      deadlineMs: 60_000,
      everyMs: 50,
    });
    await using asker = await Asker.connect(server);
    const { gaps } = await asker.ask<{ gaps: unknown[] }>("q", "history", {
      hosts: null,
      watcher: "web",
      since: 0,
      until: Date.now() + 1000,
      limit: 10,
    });
    expect(gaps).toEqual([]);
    const { total, distinct, byHost } = storedEvents(dir.file("state"));
    expect(distinct).toBe(total);
    for (const { host } of hosts) expect(byHost.get(host)).toBe(each);
  });

  it("shows what is missing, takes it when it comes, and leaves out what cannot be read", async () => {
    const web1 = await agent("web1");
    controller = await startController(ini);
    await using asker = await Asker.connect(server);
    await web1.emit("agent_started", null);
    const missing = web1.event("watcher_started", "web");
    await web1.emit("watcher_stopping", "web");
    web1.connection.publish(`${subjects.root}.evt.web1.web.watcher_started`, Buffer.from("{no json"));
    web1.connection.publish(`${subjects.root}.evt.web1.web.watcher_started`, { v: 1, epoch: 1e300 });
    await web1.emit("watcher_stopped", "web");
    await web1.emit("something_of_tomorrow", "web", { data: { bright: true } });
    const history = (): Promise<{ gaps: unknown[] }> =>
      asker.ask("q", "history", { hosts: ["web1"], watcher: null, since: 0, until: Date.now() + 1000, limit: 100 });
    await waitFor(() => storedEvents(dir.file("state")).total >= 4, { what: "the readable ones" });
    expect((await history()).gaps).toEqual([{ host: "web1", epoch: web1.epoch, fromSeq: 2, toSeq: 2 }]);
    await controller.waitForLine(/events that cannot be read were left out/);
    const subject = subjects.event(web1.host, "web", missing.kind);
    await web1.connection.store(subject, missing, messageId(web1.host, missing), 2000);
    await waitFor(async () => (await history()).gaps.length === 0, { what: "the gap to close" });
    expect(storedEvents(dir.file("state"))).toMatchObject({ total: 5, distinct: 5 });
  });

  it("reads a stream that was made anew from its beginning, and doubles nothing", async () => {
    const web1 = await agent("web1");
    controller = await startController(ini);
    await flood(web1, 50);
    await waitFor(() => storedEvents(dir.file("state")).total >= 50, { what: "the first events" });
    await server.stop();
    await rm(join(dirname(server.config), "store"), { recursive: true });
    await server.restart();
    await controller.waitForLine(/made anew/);
    // The agent sends its kept events again, and goes on.
    web1.seq = 30;
    await waitFor(() => web1.connection.isConnected, { what: "the agent to be back" });
    await flood(web1, 40);
    await waitFor(() => storedEvents(dir.file("state")).total >= 70, { what: "the new events" });
    expect(storedEvents(dir.file("state"))).toMatchObject({ total: 70, distinct: 70 });
  });

  it("goes on by itself when the nats-server is killed and comes back", async () => {
    const web1 = await agent("web1");
    controller = await startController(ini);
    for (let round = 1; round <= 3; round++) {
      await flood(web1, 200);
      await waitFor(() => storedEvents(dir.file("state")).total >= round * 200, {
        what: `round ${round}`,
        deadlineMs: 20_000,
      });
      await server.kill9();
      await server.restart();
      await waitFor(() => web1.connection.isConnected, { what: "the agent to be back" });
    }
    expect(storedEvents(dir.file("state"))).toMatchObject({ total: 600, distinct: 600 });
  });
});
