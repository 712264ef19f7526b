/** Two agents that claim one host name: real ones, on a broker with the real permissions. */
import type { EventRow, FleetAnswers } from "@circus-cluster/proto";
import { connectFleet, type FleetConnection, readCredentials } from "@circus-cluster/proto/nats";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Agent, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { freePort } from "../support/ports.ts";
import { type Program, run } from "../support/process.ts";
import { storedEvents } from "../support/stored-events.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Asker, startController, subjects, writeIni } from "./controller-fixture.ts";

let dir: TempDir;
let server: NatsServer;
let controller: Program;
let operator: Asker;
const agents: Agent[] = [];

const creds = (name: string): string => dir.file("fleet", "creds", `${name}.creds`);

beforeEach(async () => {
  dir = await tempDir();
  const listen = `127.0.0.1:${await freePort()}`;
  const made = await run("circusctl", [
    "fleet",
    "init",
    "--dir",
    dir.file("fleet"),
    "--hosts",
    "web1",
    "--listen",
    listen,
  ]);
  expect(made.code).toBe(0);
  server = await startNatsServer({ config: dir.file("fleet", "nats-server.conf") });
  const ini = await writeIni(dir, server, `credentials = ${creds("controller")}\n`);
  controller = await startController(ini);
  operator = await Asker.connect(server, "admin", readCredentials(creds("operator-admin")));
});
afterEach(async () => {
  await operator[Symbol.asyncDispose]();
  for (const agent of agents.splice(0)) await agent[Symbol.asyncDispose]();
  await controller.stop();
  await server[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});
afterAll(() => assertNoLeaks());

/** Its own state directory and endpoints; the name and the credentials are those of all others. */
async function agent(): Promise<Agent> {
  const made = await startAgent({
    sections: {
      fleet: { nats_url: server.url, fleet: "main", host: "web1", credentials: creds("agent-web1") },
      "watcher:web": { cmd: "sleep 600" },
    },
  });
  agents.push(made);
  return made;
}

/** The epochs that beat under the name from now on. */
async function listenToBeats(): Promise<{ connection: FleetConnection; epochs: Set<number> }> {
  const epochs = new Set<number>();
  const credentials = readCredentials(creds("operator-admin"));
  const connection = await connectFleet({ servers: [server.url], name: "admin", credentials, mode: "service" });
  connection.subscribe(subjects.all.heartbeats(), (message) => {
    const beat = message.json() as { epoch: number; interval?: number };
    if (beat.interval !== undefined) epochs.add(beat.epoch);
  });
  return { connection, epochs };
}

async function conflicts(): Promise<readonly EventRow[]> {
  const window = {
    hosts: ["web1"],
    watcher: null,
    kinds: ["host_conflict"],
    actor: null,
    since: 0,
    until: Date.now() + 1000,
    limit: 100,
  };
  return (await operator.ask<FleetAnswers["events"]>("q", "events", window)).rows;
}

async function hosts(): Promise<FleetAnswers["hosts"]["hosts"]> {
  return (await operator.ask<FleetAnswers["hosts"]>("q", "hosts", { hosts: null })).hosts;
}

describe("two agents of one host name", () => {
  it("the second is refused with a line and an event, and takes over when the first is gone", async () => {
    const first = await agent();
    await first.program.waitForLine(/connected to the fleet/);
    await waitFor(async () => (await hosts())[0]?.presence === "online", { what: "web1 to be online" });
    const { connection, epochs } = await listenToBeats();
    try {
      const second = await agent();
      const line = await second.program.waitForLine(/another agent is host web1 in the fleet/);
      expect(line).toContain(`pid=${first.pid}`);
      await first.program.waitForLine(
        new RegExp(`another agent claims this host's name, and was refused.*pid=${second.pid}`),
      );
      const [row] = await waitFor(async () => ((await conflicts()).length > 0 ? conflicts() : null), {
        what: "the event",
      });
      expect(row).toMatchObject({ host: "web1", data: { pid: second.pid } });
      // Nothing of the second reached the fleet: no beat, no life of its own in the history; its workers run.
      await waitFor(() => epochs.size > 0, { what: "a beat of the first", deadlineMs: 20_000 });
      expect([...epochs]).toEqual([row?.epoch]);
      const { byHost, total } = storedEvents(dir.file("state"));
      expect(byHost.get("web1")).toBeLessThan(total);
      expect((await second.call("status"))["statuses"]).toEqual({ web: "active" });
      expect(second.program.stdout + second.program.stderr).not.toContain("connected to the fleet");
      await first.stop();
      await second.program.waitForLine(/connected to the fleet/, 60_000);
      await waitFor(() => epochs.size === 2, { what: "the second to beat", deadlineMs: 20_000 });
      expect(await conflicts()).toHaveLength(1);
    } finally {
      await connection.close();
    }
  });

  it("a quick restart, also after a kill, meets nobody", async () => {
    const only = await agent();
    await only.program.waitForLine(/connected to the fleet/);
    await only.kill9();
    await only.restart();
    await only.program.waitForLine(/connected to the fleet/);
    await only.restart();
    await only.program.waitForLine(/connected to the fleet/);
    await waitFor(async () => (await hosts())[0]?.presence === "online", { what: "web1 to be online" });
    expect(only.program.stdout + only.program.stderr).not.toMatch(/another agent/);
    expect(await conflicts()).toEqual([]);
  });

  it("two at once: one of them serves", async () => {
    const both = await Promise.all([agent(), agent()]);
    const said = (pattern: RegExp): number =>
      both.filter(({ program }) => pattern.test(program.stdout + program.stderr)).length;
    await waitFor(() => said(/connected to the fleet/) === 1 && said(/another agent is host web1/) === 1, {
      what: "one to serve and one to be refused",
      deadlineMs: 30_000,
    });
  });

  it("a broker's restart changes nothing for either", async () => {
    const first = await agent();
    await first.program.waitForLine(/connected to the fleet/);
    const second = await agent();
    await second.program.waitForLine(/another agent is host web1/);
    await server.kill9();
    await first.program.waitForLine(/disconnected from the fleet/);
    await server.restart();
    await waitFor(() => (first.program.stdout + first.program.stderr).match(/ connected to the fleet/g)?.length === 2, {
      what: "the first to be back",
      deadlineMs: 30_000,
    });
    await waitFor(async () => (await hosts())[0]?.presence === "online", {
      what: "web1 to be online",
      deadlineMs: 30_000,
    });
    expect(second.program.stdout + second.program.stderr).not.toContain("connected to the fleet");
  });
});
