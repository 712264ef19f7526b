/**
 * A host that is cut off, and a NATS server that loses power: real circusd, two controllers, a way to the server that
 * goes dead without a word. What happened meanwhile is in both histories afterwards, once, in order, at its own time.
 */
import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CommandAnswer, FleetAnswers, HostInfo, HostSnapshot } from "@circus-cluster/proto";
import { readCredentials } from "@circus-cluster/proto/nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, startAgent } from "../support/agent.ts";
import { assertNoLeaks, processInfo } from "../support/leaks.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { freePort } from "../support/ports.ts";
import { type Program, run } from "../support/process.ts";
import { type SilentProxy, startSilentProxy } from "../support/silent-proxy.ts";
import { projectionOf, storedEvents } from "../support/stored-events.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Asker, startController, subjects } from "./controller-fixture.ts";

const NAMES = ["ctl1", "ctl2"] as const;
type Name = (typeof NAMES)[number];
const HOST = "web1";
/** Real agents beat no faster; four of them missed is lost. */
const BEAT_MS = 1000;

let dir: TempDir;
let server: NatsServer;
let way: SilentProxy;
let agent: Agent;
let asker: Asker;
const controllers = new Map<Name, Program>();

const creds = (file: string): string => dir.file(`fleet/creds/${file}.creds`);

async function begin(name: Name): Promise<void> {
  const text =
    `[controller]\nnats_url = ${server.url}\ncredentials = ${creds(`controller-${name}`)}\nstate_dir = ${dir.file(name)}\n` +
    "timings = lost=1s grace=400ms tick=20ms\n";
  controllers.set(name, await startController(await dir.write(`${name}.ini`, text)));
}

beforeAll(async () => {
  dir = await tempDir("circus-outage-");
  const line = `fleet init --hosts ${HOST} --controllers ${NAMES.join(",")} --listen 127.0.0.1:${await freePort()}`;
  const made = await run("circusctl", [...line.split(" "), "--dir", dir.file("fleet")]);
  expect(made).toMatchObject({ code: 0, stderr: "" });
  // As little as the server lets it be: who reads no more is let go soon.
  await appendFile(dir.file("fleet/nats-server.conf"), "max_pending: 2MB\n");
  server = await startNatsServer({ config: dir.file("fleet/nats-server.conf") });
  way = await startSilentProxy(server.port);
  for (const name of NAMES) await begin(name);
  asker = await Asker.connect(server, "admin", readCredentials(creds("operator-admin")));
  agent = await startAgent({
    sections: {
      fleet: { nats_url: `nats://127.0.0.1:${way.port}`, host: HOST, credentials: creds(`agent-${HOST}`) },
      "watcher:web": { cmd: "sleep 600", numprocesses: 2, "ready.min_uptime": "100ms", graceful_timeout: 1 },
      "watcher:rests": { cmd: "sleep 600" },
    },
  });
});
afterAll(async () => {
  way.heal();
  await agent[Symbol.asyncDispose]();
  for (const program of controllers.values()) await program.stop();
  await asker[Symbol.asyncDispose]();
  await way[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
  await assertNoLeaks();
});

async function pids(): Promise<readonly number[]> {
  const { pids: found } = (await agent.call("list", { name: "web" })) as unknown as { pids: number[] };
  return found;
}

/** How long a worker's place is empty, ms. */
async function replacedAfter(): Promise<number> {
  const [victim = 0, other = 0] = await pids();
  const begun = performance.now();
  process.kill(victim, "SIGKILL");
  await waitFor(
    async () => {
      const now = await pids();
      return (
        now.length === 2 &&
        !now.includes(victim) &&
        now.includes(other) &&
        now.every((pid) => processInfo(pid) !== null)
      );
    },
    { what: "a successor", everyMs: 5 },
  );
  return performance.now() - begun;
}

/** Life of the agent, and its last event. */
async function place(): Promise<{ epoch: number; seq: number }> {
  return ((await agent.call("snapshot")) as unknown as { snapshot: { epoch: number; seq: number } }).snapshot;
}

/** Both controllers have all of these lives, without a hole. */
async function haveAll(lives: readonly { readonly epoch: number; readonly seq: number }[]): Promise<void> {
  for (const name of NAMES) {
    for (const { epoch, seq } of lives) {
      await waitFor(
        () => {
          const seqs = storedEvents(dir.file(name)).seqs(HOST, epoch);
          return seqs.length >= seq && seqs.every((one, at) => one === at + 1);
        },
        { what: `${seq} events of life ${epoch} at ${name}`, everyMs: 100, deadlineMs: 60_000 },
      );
    }
    const { total, distinct } = storedEvents(dir.file(name));
    expect(distinct).toBe(total);
  }
}

/** What is derived from the events, too. */
async function haveTheSame(): Promise<void> {
  const isSame = (): boolean => {
    const [first, second] = NAMES.map((name) => JSON.stringify(projectionOf(dir.file(name))));
    return first === second;
  };
  await waitFor(isSame, { what: "the same in both databases", everyMs: 200, deadlineMs: 60_000 });
}

/** What one controller says, and the other. */
async function ofBoth<T>(verb: string, properties: object): Promise<ReadonlyMap<string, T>> {
  const said = new Map<string, T>();
  await waitFor(
    async () => {
      const answer = await asker.raw("q", verb, properties);
      if (!answer.ok) throw new Error(answer.reason);
      said.set(answer.controller, answer.result as T);
      return said.size === 2;
    },
    { what: `both answers to ${verb}`, deadlineMs: 30_000 },
  );
  return said;
}

async function hostAtBoth(isSo: (host: HostInfo) => boolean, what: string): Promise<readonly HostInfo[]> {
  return await waitFor(
    async () => {
      const said = await ofBoth<FleetAnswers["hosts"]>("hosts", { hosts: null });
      const both = [...said.values()].flatMap(({ hosts }) => hosts);
      // The same at both: as the leader told it.
      return both.length === 2 && both.every(isSo) && both[0]?.since === both[1]?.since && both;
    },
    { what, deadlineMs: 60_000 },
  );
}

const history = async (): Promise<FleetAnswers["history"]["rows"]> =>
  (
    await asker.ask<FleetAnswers["history"]>("q", "history", {
      hosts: [HOST],
      watcher: "web",
      since: 0,
      until: 9e15,
      limit: 100,
    })
  ).rows;

const lives: { epoch: number; seq: number }[] = [];

describe("a host that is cut off", () => {
  it("keeps its workers, is shown as lost, and on its return fills the history in", async () => {
    await hostAtBoth(({ presence }) => presence === "online", "the host to be online");
    const envelope = {
      v: 1,
      id: "pace1",
      issued: Date.now(),
      ttl: 30_000,
      command: "heartbeat",
      properties: { interval: BEAT_MS },
    };
    const told = await asker.connection.request(
      subjects.command(HOST as never, "admin" as never, "heartbeat"),
      envelope,
      10_000,
    );
    expect(told.kind === "answer" && (told.message.json() as CommandAnswer).outcome).toBe("done");
    const usualMs = await replacedAfter();
    const before = await place();
    await haveAll([before]);

    way.cut();
    const cutAt = Date.now();
    expect(await replacedAfter()).toBeLessThan(usualMs + 2000);
    const both = await hostAtBoth(({ presence }) => presence === "lost", "the host to be lost");
    for (const { ageMs, since } of both) {
      expect(ageMs).toBeGreaterThan(3 * BEAT_MS);
      expect(since).toBeGreaterThan(cutAt);
    }
    const shown = await run("circusctl", ["--all", "hosts"], {
      env: { CIRCUSCTL_NATS: server.url, CIRCUSCTL_CREDS: creds("operator-admin") },
    });
    expect(shown.stdout).toMatch(/web1 +lost +\S.* ago /);
    expect((await history()).at(-1)).toMatchObject({ state: "unknown", to: null });

    // Meanwhile there: a stop and a start, then a crash of the agent and another life.
    await agent.call("stop", { name: "web", waiting: true }, 30_000);
    const stoppedAt = Date.now();
    await agent.call("start", { name: "web", waiting: true }, 30_000);
    lives.push(await place());
    await agent.kill9();
    await agent.restart();
    await waitFor(async () => (await pids()).length === 2, { what: "the workers of the next life" });
    await agent.call("restart", { name: "web", waiting: true }, 30_000);
    await replacedAfter();
    way.heal();
    await hostAtBoth(({ presence }) => presence === "online", "the host to be back");
    await waitFor(async () => (await place()).epoch > lives[0]!.epoch, { what: "the next life" });
    lives.push(await place());
    await haveAll(lives);

    const rows = await history();
    for (const [at, { from, to }] of rows.entries()) {
      if (at > 0) expect(from).toBe(rows[at - 1]!.to);
      if (to !== null) expect(to).toBeGreaterThanOrEqual(from);
    }
    // Unknown from its last sign on, and no longer than up to the first thing that happened, which stands at its time.
    const stop = rows.find(({ state, from }) => state === "stopped" && from > cutAt);
    expect(stop?.from).toBeLessThanOrEqual(stoppedAt);
    const late = cutAt + 1000;
    const meanwhile = rows.filter(({ from, to }) => from < stop!.from && (to ?? Number.POSITIVE_INFINITY) > late);
    const states = meanwhile.map(({ state }) => state);
    // A heartbeat that was on its way when the line came back may vouch for a moment in between.
    expect([states[0], states.at(-1)]).toEqual(["unknown", "stopping"]);
    expect(states.slice(0, -1).every((state) => state === "unknown" || state === "active")).toBe(true);
    expect(rows.at(-1)).toMatchObject({ state: "active", to: null });
    await haveTheSame();
  });
});

describe("a host that is started anew while it is cut off", () => {
  it("takes nobody of another boot for its own, says that they ended, and keeps what was stopped and not delivered", async () => {
    way.cut();
    await agent.call("stop", { name: "rests", waiting: true, reason: "too hot" }, 30_000);
    const old = [...(await pids())];
    lives[lives.length - 1] = await place();
    await agent.kill9();
    // They live on in this test: as if others had got their numbers.
    const journal = join(agent.stateDir, "journal");
    await writeFile(journal, (await readFile(journal, "utf8")).replace(/"boot":"[^"]*"/, '"boot":"another"'));
    await agent.restart();
    await waitFor(async () => (await pids()).length === 2, { what: "the workers of the next boot" });
    expect(old.filter((pid) => processInfo(pid) === null)).toEqual([]);
    expect((await pids()).filter((pid) => old.includes(pid))).toEqual([]);
    const { snapshot } = (await agent.call("snapshot")) as unknown as { snapshot: HostSnapshot };
    expect(snapshot.watchers.find(({ name }) => name === "rests")).toMatchObject({
      state: "stopped",
      reason: expect.stringMatching(/too hot$/) as string,
    });
    lives.push(await place());
    way.heal();
    await haveAll(lives);
    const ends = projectionOf(dir.file("ctl1")).events as readonly {
      kind: string;
      epoch: number;
      pid: number;
      data: string;
    }[];
    const told = ends.filter(({ kind, epoch }) => kind === "process_exited" && epoch === lives.at(-1)!.epoch);
    const unknown = { code: null, signal: null, expected: false, unattended: true };
    expect(told.map(({ pid }) => pid).sort()).toEqual([...old].sort());
    for (const { data } of told) expect(JSON.parse(data)).toMatchObject(unknown);
  });
});

describe("a controller that reads too slowly for the NATS server", () => {
  it("is let go by that, says so, comes back and has missed nothing", async () => {
    const slow = controllers.get("ctl2")!;
    const before = server.log.length;
    slow.kill("SIGSTOP");
    try {
      // Half of all questions go to each; these are none, and nobody waits for an answer.
      const subject = subjects.query("admin" as never, "hosts");
      const isLetGo = async (): Promise<boolean> => {
        for (let i = 0; i < 8; i++) asker.connection.publish(subject, Buffer.alloc(512 * 1024));
        await asker.connection.flush(10_000);
        return /Slow Consumer Detected/.test(server.log.slice(before));
      };
      await waitFor(isLetGo, { what: "a slow consumer", deadlineMs: 60_000 });
      await replacedAfter();
    } finally {
      slow.kill("SIGCONT");
    }
    await slow.waitForLine(/"disconnected from the fleet; trying again".*slow consumer/, 30_000);
    await replacedAfter();
    await haveAll([await place()]);
    await haveTheSame();
  });
});

describe("a NATS server that loses power", () => {
  it("costs no event: a database that is made anew from the stream has them all", async () => {
    await server.sync();
    const before = storedEvents(dir.file("ctl1")).total;
    await replacedAfter();
    await agent.call("restart", { name: "web", waiting: true }, 30_000);
    const last = await place();
    await haveAll([last]);
    await server.losePower();
    // One of the controllers was down when it happened, and lost its database.
    await controllers.get("ctl2")!.stop();
    await rm(dir.file("ctl2"), { recursive: true });
    await server.restart();
    await begin("ctl2");
    await replacedAfter();
    lives[lives.length - 1] = await place();
    expect(storedEvents(dir.file("ctl1")).total).toBeGreaterThan(before);
    await haveAll(lives);
    await haveTheSame();
    expect(projectionOf(dir.file("ctl1")).gaps).toEqual([]);
  });
});
