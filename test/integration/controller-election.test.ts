/**
 * Two controllers of one fleet, real ones with the credentials that circusctl makes, against a real nats-server and
 * agents that pretend: the leader is killed or stopped in the middle of a rollout, and nobody is commanded twice.
 */
import type { FleetAnswers, RolloutRecord } from "@circus-cluster/proto";
import { readCredentials } from "@circus-cluster/proto/nats";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { FleetClient } from "../../cli/src/clients/fleet.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { freePort } from "../support/ports.ts";
import { type Program, run, startProgram } from "../support/process.ts";
import { type SilentProxy, startSilentProxy } from "../support/silent-proxy.ts";
import { storedEvents } from "../support/stored-events.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Asker, CONTROLLER, FakeAgent, kill9, startController } from "./controller-fixture.ts";

const HOSTS = ["web1", "web2", "web3", "web4"];
const NAMES = ["ctl1", "ctl2"] as const;
type Name = (typeof NAMES)[number];
/** Of the election alone: up to 6 s until the server forgets, the poll, and a renewal's wait. */
const TAKEOVER_MS = 10_000;

let dir: TempDir;
let server: NatsServer;
let asker: Asker;
const controllers = new Map<Name, Program>();
/** Each controller's way to the server. */
const ways = new Map<Name, SilentProxy>();
const agents = new Map<string, FakeAgent>();

const creds = (file: string): string => dir.file(`fleet/creds/${file}.creds`);

async function begin(name: Name): Promise<Program> {
  const ini = await dir.write(
    `${name}.ini`,
    `[controller]\nnats_url = nats://127.0.0.1:${ways.get(name)!.port}\ncredentials = ${creds(`controller-${name}`)}\nstate_dir = ${dir.file(name)}\n` +
      "timings = lost=60s grace=400ms tick=20ms answer=300ms resend=100ms\n",
  );
  const program = await startController(ini);
  controllers.set(name, program);
  return program;
}

beforeAll(async () => {
  dir = await tempDir("circus-election-");
  const port = await freePort();
  const line = `fleet init --hosts ${HOSTS.join(",")} --controllers ${NAMES.join(",")} --listen 127.0.0.1:${port}`;
  const made = await run("circusctl", [...line.split(" "), "--dir", dir.file("fleet")]);
  expect(made).toMatchObject({ code: 0, stderr: "" });
  server = await startNatsServer({ config: dir.file("fleet/nats-server.conf") });
  for (const name of NAMES) {
    ways.set(name, await startSilentProxy(server.port));
    await begin(name);
  }
  asker = await Asker.connect(server, "admin", readCredentials(creds("operator-admin")));
  for (const host of HOSTS) {
    const credentials = readCredentials(creds(`agent-${host}`));
    const agent = await FakeAgent.start(server, host, { credentials, restartMs: 300 });
    agents.set(host, agent);
    await agent.run();
  }
});
afterAll(async () => {
  for (const way of ways.values()) way.heal();
  for (const program of controllers.values()) {
    program.kill("SIGCONT");
    await program.stop();
  }
  for (const way of ways.values()) await way[Symbol.asyncDispose]();
  await asker[Symbol.asyncDispose]();
  for (const agent of agents.values()) await agent[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
  await assertNoLeaks();
});
afterEach(() => {
  for (const agent of agents.values()) {
    agent.begun.length = 0;
    agent.late.length = 0;
  }
});

const lines = (name: Name, text: string): number => controllers.get(name)!.stderr.split(text).length - 1;
const leads = (name: Name): boolean =>
  controllers.get(name)?.isRunning === true && lines(name, '"this controller leads"') > lines(name, "leads no more");

async function leader(not: Name | null = null): Promise<Name> {
  return await waitFor(() => NAMES.find((name) => name !== not && leads(name)) ?? false, {
    what: "a leader",
    deadlineMs: 30_000,
  });
}

/** While it takes, changes have nobody to go to. */
async function start(options: object = {}): Promise<RolloutRecord> {
  const request = {
    command: "restart",
    watcher: "web",
    hosts: null,
    options: { batch: [{ kind: "count", n: 1 }], soakMs: 300, healthTimeoutMs: 60_000, ...options },
  };
  let started: RolloutRecord | null = null;
  await waitFor(
    async () => {
      started = await asker.ask<RolloutRecord>("ctl", "rollout-start", request).catch((error: unknown) => {
        if (error instanceof Error && error.message.includes("no-responders")) return null;
        throw error;
      });
      return started !== null;
    },
    { what: "somebody who takes changes", deadlineMs: 30_000 },
  );
  return started!;
}

const show = (id: string): Promise<RolloutRecord> => asker.ask("q", "rollout-show", { id });
const done = ({ steps }: RolloutRecord): number => steps.filter(({ state }) => state === "done").length;

async function whole(): Promise<void> {
  await waitFor(
    async () => {
      const { hosts } = await asker.ask<FleetAnswers["status"]>("q", "status", { hosts: null, watcher: null });
      return (
        hosts.length === HOSTS.length &&
        hosts.every(({ presence, watchers: [web] }) => presence === "online" && web?.healthy === 2)
      );
    },
    { what: "a whole fleet", deadlineMs: 30_000 },
  );
}

/** Both controllers answer in turn, or whoever is there: until both say so. */
async function ended(id: string): Promise<RolloutRecord> {
  let agreeing = 0;
  let last: RolloutRecord | null = null;
  await waitFor(
    async () => {
      last = await show(id).catch(() => null);
      agreeing = last !== null && last.ended !== null ? agreeing + 1 : 0;
      return agreeing >= 6;
    },
    { what: `the end of ${id}`, deadlineMs: 90_000 },
  );
  return last!;
}

function expectOncePerHost(id: string): void {
  for (const [host, agent] of agents) expect(agent.begun, host).toEqual([`${id}/${host}/1`]);
}

describe("two controllers", () => {
  it("elect one, which alone takes changes and tells of hosts; both answer questions", async () => {
    await leader();
    await whole();
    expect(NAMES.filter(leads)).toHaveLength(1);
    const record = await start({ soakMs: 0, batch: [{ kind: "count", n: 2 }] });
    expect(await ended(record.id)).toMatchObject({ state: "done", reason: null });
    expectOncePerHost(record.id);
    const answered = new Set<string>();
    await waitFor(
      async () => {
        answered.add((await asker.raw("q", "rollout-show", { id: record.id })).controller);
        return answered.size === 2;
      },
      { what: "an answer of both", deadlineMs: 30_000 },
    );
    for (const name of NAMES) {
      const kinds = storedEvents(dir.file(name)).kinds("_fleet");
      // On a busy machine a beat may be late; each change is told once.
      const count = (wanted: string): number => kinds.filter((kind) => kind === wanted).length;
      expect(count("host_online")).toBe(HOSTS.length + count("host_late"));
      expect(kinds.filter((kind) => kind === "rollout_started")).toHaveLength(1);
      expect(kinds).not.toContain("rollout_saved");
    }
  });

  it("go on with a rollout whose leader was killed, command nobody twice, and answer all the time", async () => {
    await whole();
    const first = await leader();
    const record = await start();
    await waitFor(async () => done(await show(record.id)) >= 2, { what: "two hosts done", deadlineMs: 30_000 });
    const commanded = (): number => [...agents.values()].reduce((sum, { begun }) => sum + begun.length, 0);
    await kill9(controllers.get(first)!);
    const before = commanded();
    const killed = performance.now();
    const second = await leader(first);
    let longest = 0;
    await waitFor(
      async () => {
        const asked = performance.now();
        await show(record.id);
        longest = Math.max(longest, performance.now() - asked);
        return commanded() > before;
      },
      { what: "the next command", deadlineMs: 30_000 },
    );
    expect(performance.now() - killed).toBeLessThan(TAKEOVER_MS + 2000);
    expect(longest).toBeLessThan(2000);
    expect(await ended(record.id)).toMatchObject({ state: "done", reason: null });
    expectOncePerHost(record.id);
    await begin(first);
    expect(await ended(record.id)).toMatchObject({ state: "done", reason: null });
    expect(leads(second)).toBe(true);
  });

  it("let a leader that was stopped past its time command nobody any more", async () => {
    await whole();
    const first = await leader();
    const record = await start();
    await waitFor(async () => done(await show(record.id)) >= 1, { what: "a host done", deadlineMs: 30_000 });
    controllers.get(first)!.kill("SIGSTOP");
    const fenceBefore = agents.get("web1")!.fence!;
    await leader(first);
    await waitFor(() => [...agents.values()].some(({ fence }) => fence!.revision > fenceBefore.revision), {
      what: "a command of the new leader",
      deadlineMs: 30_000,
    });
    controllers.get(first)!.kill("SIGCONT");
    await waitFor(() => !leads(first), { what: "the old leader to notice", deadlineMs: 30_000 });
    expect(await ended(record.id)).toMatchObject({ state: "done", reason: null });
    expectOncePerHost(record.id);
  });

  it("follow one that is cut off, which stops by itself; questions are answered meanwhile", async () => {
    await whole();
    const first = await leader();
    const record = await start();
    await waitFor(async () => done(await show(record.id)) >= 1, { what: "a host done", deadlineMs: 30_000 });
    const way = ways.get(first)!;
    const cut = performance.now();
    way.cut();
    // As a person sees it: the server gives questions to the one that is cut off, too, until it notices.
    const tls = { ca: null, cert: null, key: null };
    const client = await FleetClient.open({ nats: [server.url], creds: creds("operator-admin"), tls, timeoutMs: 8000 });
    const second = await leader(first);
    expect(performance.now() - cut).toBeLessThan(TAKEOVER_MS + 2000);
    const isFollowed = async (): Promise<boolean> =>
      await client.query("rollout-list", { limit: 1 }).then(
        ({ result }) => result.leader === second,
        () => false,
      );
    await waitFor(isFollowed, {
      what: "the new leader to begin",
      deadlineMs: 30_000,
    });
    // Each at the second trial: chance may send all repeats of a question to the one that is cut off.
    const asked = <T>(ask: () => Promise<T>): Promise<T> => ask().catch(ask);
    for (let i = 0; i < 3; i++) {
      const { controller, result } = await asked(() => client.query("rollout-list", { limit: 1 }));
      expect({ controller, leader: result.leader }).toEqual({ controller: second, leader: second });
    }
    // Nobody has told it anything: its own clock did.
    await waitFor(() => !leads(first), { what: "the one that is cut off to stop", deadlineMs: 30_000 });
    const { result } = await asked(() => client.query("doctor", {}));
    await client.close();
    const told = result.controllers?.filter(({ isLeading }) => isLeading).map(({ name }) => name);
    expect(told).toEqual([second]);
    way.heal();
    expect(await ended(record.id)).toMatchObject({ state: "done", reason: null });
    expectOncePerHost(record.id);
    expect(leads(first)).toBe(false);
  });

  it("leave no room for one that has no key for the lock", async () => {
    const first = await leader();
    const { lock: _lock, ...old } = readCredentials(creds(`controller-${first}`));
    const path = await dir.write("old.creds", JSON.stringify(old), 0o600);
    const text = `nats_url = ${server.url}\ncredentials = ${path}\nstate_dir = ${dir.file("old")}\n`;
    await using program = await startProgram(CONTROLLER, [await dir.write("old.ini", `[controller]\n${text}`)]);
    await program.waitForLine(
      /"this controller has no key for the lock, and ctl\d serves the fleet: it does not lead"/,
    );
    await controllers
      .get(first)!
      .waitForLine(/"another controller has no key for the lock, and must not lead beside us"/);
    await program.waitForLine(/"reading events"/);
    await program.stop();
    expect(program.stderr).not.toContain("this has to be the only controller");
    expect(leads(first)).toBe(true);
  });

  it("hand over at once where the leader is stopped in order", async () => {
    await whole();
    const first = await leader();
    const stopped = performance.now();
    await controllers.get(first)!.stop();
    await leader(first);
    expect(performance.now() - stopped).toBeLessThan(6000);
    await begin(first);
  });
});
