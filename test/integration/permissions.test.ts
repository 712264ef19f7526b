/**
 * What each role can do and cannot, against a real nats-server on the configuration that `serverConfig` makes,
 * with hostile clients. The agent's own door stands behind it, for what permissions cannot give.
 */
import { randomUUID } from "node:crypto";
import {
  type CommandAnswer,
  type CommandEnvelope,
  type EventDraft,
  type HostName,
  type Identity,
  LOCK_KEY,
  makeLogger,
  ROLES,
  type ServerUser,
  Subjects,
  serverConfig,
  type UserName,
} from "@circus-cluster/proto";
import {
  connectFleet,
  createSeed,
  type FleetConnection,
  type FleetStatus,
  publicKey,
  type RequestResult,
} from "@circus-cluster/proto/nats";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CommandRequest } from "../../agent/src/commands/agent-view.ts";
import { Answers } from "../../agent/src/commands/answers.ts";
import { NatsDoor } from "../../agent/src/doors/nats.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { freePort } from "../support/ports.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const subjects = new Subjects("main");
const [web1, web2] = ["web1" as HostName, "web2" as HostName];
const [alice, victor] = ["alice" as UserName, "victor" as UserName];
const event = (host: HostName) => subjects.event(host, "web", "process_exited");

const NAMES: readonly Identity[] = [
  { role: "agent", name: "web1" },
  { role: "agent", name: "web2" },
  { role: "viewer", name: "victor" },
  { role: "operator", name: "alice" },
  { role: "controller", name: "ctl1" },
];
const seeds = new Map(NAMES.map(({ name }) => [name, createSeed()]));
const users: readonly ServerUser[] = NAMES.map((identity) => ({
  identity,
  publicKey: publicKey(seeds.get(identity.name)!),
}));

/** A connection and what the broker said to it. */
interface Client extends FleetConnection {
  readonly refused: string[];
}

let dir: TempDir;
let server: NatsServer;
const clients = new Map<string, Client>();
const get = (name: string): Client => clients.get(name)!;

async function connect(name: string, more: { seed?: string; mode?: "once" } = {}): Promise<Client> {
  const { role } = NAMES.find((identity) => identity.name === name)!;
  const refused: string[] = [];
  const connection = await connectFleet({
    servers: [server.url],
    name,
    credentials: { v: 1, fleet: "main", role, name, seed: more.seed ?? seeds.get(name)! },
    mode: more.mode ?? "service",
    retryMs: 100,
    onStatus: (status: FleetStatus) => {
      if (status.kind === "forbidden") refused.push(`${status.operation} ${status.subject}`);
    },
  });
  return Object.assign(connection, { refused });
}

function config(of: readonly ServerUser[]): string {
  return serverConfig({
    fleet: "main",
    listen: `127.0.0.1:${port}`,
    storeDir: dir.file("store"),
    users: of,
    lockKeys: [{ name: "ctl1", publicKey: publicKey(lockSeed) }],
  });
}

let port: number;
const lockSeed = createSeed();
/** What the agent on web1 was made to do. */
const done: CommandRequest[] = [];
const emitted: EventDraft[] = [];
let answers: Answers;

beforeAll(async () => {
  dir = await tempDir("circus-permissions-");
  port = await freePort();
  server = await startNatsServer({ config: await dir.write("nats.conf", config(users)) });
  for (const { name } of NAMES) clients.set(name, await connect(name));
  await get("ctl1").ensureStream({ name: "EVENTS", subjects: [subjects.all.events()] });
  const clock = { wall: () => Date.now(), monotonic: () => performance.now() };
  const log = makeLogger(() => undefined);
  answers = Answers.open({ stateDir: dir.file("state"), clock, log });
  for (const host of [web1, web2]) {
    const door = new NatsDoor({
      subjects,
      host,
      answers,
      clock,
      log,
      bus: { emit: (draft) => emitted.push(draft) },
      pace: () => undefined,
      dispatch: (request) => {
        done.push(request);
        return Promise.resolve({ status: "ok", time: 1 });
      },
    });
    door.serve(get(host));
    await get(host).flush(1000);
  }
});
afterAll(async () => {
  await Promise.all([...clients.values()].map((client) => client.close(500)));
  answers.close();
  await server[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
  await assertNoLeaks();
});
beforeEach(() => {
  done.length = 0;
  emitted.length = 0;
  for (const client of clients.values()) client.refused.length = 0;
});

function envelope(command: string, properties: Record<string, unknown> = {}): CommandEnvelope {
  return { v: 1, id: randomUUID(), issued: Date.now(), ttl: 30_000, command, properties };
}

function answerOf(result: RequestResult): CommandAnswer | string {
  return result.kind === "answer" ? (result.message.json() as CommandAnswer) : result.kind;
}

/** The broker's answers to all that a client sent before. */
async function settled(client: Client): Promise<string[]> {
  await client.flush(2000);
  await new Promise((resolve) => setImmediate(resolve));
  return [...client.refused];
}

async function lastSeq(): Promise<number> {
  return (await get("ctl1").streamInfo("EVENTS"))?.lastSeq ?? -1;
}

describe("who may connect", () => {
  it("refuses the anonymous and the unknown in one line", async () => {
    const attempt = (seed: string | null) =>
      connectFleet({
        servers: [server.url],
        name: "web1",
        credentials: seed === null ? null : { v: 1, fleet: "main", role: "agent", name: "web1", seed },
        mode: "once",
      });
    for (const seed of [null, createSeed()]) {
      await expect(attempt(seed)).rejects.toMatchObject({
        code: "forbidden",
        message: `cannot connect to ${server.url}: the server refused the credentials`,
      });
    }
  });

  it("cuts off who is revoked, lets nobody else feel it, and takes back who is admitted again", async () => {
    const path = server.config.split("/").at(-1)!;
    const [agent, other] = [get("web2"), get("web1")];
    let cuts = 0;
    void other.closed.then(() => cuts++);
    await dir.write(path, config(users.filter(({ identity }) => identity.name !== "web2")));
    await server.reload();
    await waitFor(() => !agent.isConnected, { what: "web2 to be cut off" });
    // Long enough for several refusals in a row, after which the package would give up by default.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect([agent.isConnected, other.isConnected, cuts]).toEqual([false, true, 0]);
    await dir.write(path, config(users));
    await server.reload();
    await waitFor(() => agent.isConnected, { what: "web2 to be back" });
  });
});

describe("an agent", () => {
  it("speaks for itself: heartbeat, snapshot, events with acknowledgement", async () => {
    const agent = get("web1");
    agent.publish(subjects.heartbeat(web1), {});
    agent.publish(subjects.snapshot(web1), {});
    const stored = await agent.store(event(web1), { v: 1 }, randomUUID(), 2000);
    expect(stored.kind).toBe("stored");
    expect(await settled(agent)).toEqual([]);
  });

  it.each([
    subjects.heartbeat(web2),
    subjects.snapshot(web2),
    event(web2),
    subjects.event(null, null, "host_lost"),
    subjects.reply(web2, alice, "r1"),
    subjects.command(web2, alice, "restart"),
    subjects.commandAll(alice, "status"),
    subjects.control(alice, "rollout-start"),
    subjects.query(alice, "status"),
    subjects.advice("ctl1" as UserName, "rollout"),
    "_INBOX.alice.x",
    "_INBOX.web2.x",
    "$JS.API.STREAM.PURGE.EVENTS",
    "$JS.API.STREAM.DELETE.EVENTS",
    "$JS.API.STREAM.INFO.EVENTS",
    "$JS.API.STREAM.MSG.DELETE.EVENTS",
    "$JS.API.CONSUMER.CREATE.EVENTS",
    "$JS.API.CONSUMER.DELETE.EVENTS.any",
    "$JS.API.CONSUMER.MSG.NEXT.EVENTS.any",
    "$JS.ACK.EVENTS.any.1.1.1.1.0",
    "$JS.API.INFO",
    "$KV.leader.fleet",
    "$SYS.REQ.SERVER.PING",
  ])("may not publish %s", async (subject) => {
    const before = await lastSeq();
    get("web1").publish(subject, {});
    expect(await settled(get("web1"))).toEqual([`publish ${subject}`]);
    expect(await lastSeq()).toBe(before);
  });

  it.each([
    ">",
    "circus.main.>",
    "circus.main.cmd.>",
    "circus.main.cmd.web2.*.*",
    "circus.main.evt.>",
    "circus.main.hb.*",
    "circus.main.rpl.>",
    "_INBOX.>",
    "_INBOX.alice.>",
    "_INBOX.web2.>",
    "$JS.API.>",
    "$SYS.>",
    "sysev.>",
    "$KV.>",
  ])("may not subscribe %s", async (subject) => {
    const heard: string[] = [];
    const subscription = get("web1").subscribe(subject, (message) => heard.push(message.subject));
    expect(await settled(get("web1"))).toEqual([`subscribe ${subject}`]);
    get("alice").publish(subjects.command(web2, alice, "status"), envelope("status"), { reply: get("alice").inbox() });
    get("web2").publish(subjects.heartbeat(web2), {});
    await settled(get("web2"));
    await settled(get("web1"));
    expect(heard).toEqual([]);
    subscription.close();
  });

  it("answers its asker twice at most, and cannot write to him unasked", async () => {
    const [agent, asker] = [get("web1"), get("alice")];
    const got: string[] = [];
    const inbox = asker.inbox();
    const subscription = asker.subscribe(inbox, () => got.push("answer"));
    const extra = agent.subscribe(subjects.command(web1, alice, "list"), (message) => {
      for (let i = 0; i < 5; i++) agent.publish(message.reply!, {});
    });
    await settled(agent);
    await settled(asker);
    agent.publish(inbox, {});
    expect(await settled(agent)).toEqual([`publish ${inbox}`]);
    asker.publish(subjects.command(web1, alice, "list"), envelope("list"), { reply: inbox });
    await waitFor(() => got.length >= 2, { what: "two answers" });
    await settled(agent);
    await settled(asker);
    expect(got).toHaveLength(2);
    subscription.close();
    extra.close();
  });
});

describe("a viewer", () => {
  it("hears and asks controllers", async () => {
    const asked: string[] = [];
    const subscription = get("ctl1").subscribe(subjects.all.queries(), (message) => {
      asked.push(message.subject);
      get("ctl1").publish(message.reply!, {});
    });
    await settled(get("ctl1"));
    expect((await get("victor").request(subjects.query(victor, "status"), {}, 2000)).kind).toBe("answer");
    expect(asked).toEqual([subjects.query(victor, "status")]);
    subscription.close();
  });

  it.each(["logs", "follow"])("may ask agents for %s, under its own name", async (verb) => {
    const asked = envelope(verb, { name: "w" });
    const answer = await get("victor").request(subjects.command(web1, victor, verb), asked, 2000, {
      isLast: (message) => (message.json() as CommandAnswer).outcome !== "accepted",
    });
    expect(answerOf(answer)).toMatchObject({ id: asked.id, outcome: "done" });
    expect(done).toMatchObject([{ command: verb, actor: "victor" }]);
    get("victor").publish(subjects.command(web1, alice, verb), asked);
    expect(await settled(get("victor"))).toEqual([`publish ${subjects.command(web1, alice, verb)}`]);
  });

  it.each([
    subjects.command(web1, victor, "restart"),
    subjects.command(web1, victor, "status"),
    subjects.command(web1, alice, "restart"),
    subjects.commandAll(victor, "status"),
    subjects.control(victor, "rollout-start"),
    subjects.query(alice, "status"),
    event(web1),
    "$JS.API.STREAM.PURGE.EVENTS",
    "$JS.API.CONSUMER.CREATE.EVENTS",
  ])("may not publish %s", async (subject) => {
    get("victor").publish(subject, envelope("restart"), { reply: get("victor").inbox() });
    expect(await settled(get("victor"))).toEqual([`publish ${subject}`]);
    await settled(get("web1"));
    expect(done).toEqual([]);
  });
});

describe("an operator", () => {
  it("commands under his own name only", async () => {
    const asker = get("alice");
    const answer = await asker.request(
      subjects.command(web1, alice, "restart"),
      envelope("restart", { name: "w" }),
      2000,
    );
    expect(answerOf(answer)).toMatchObject({ outcome: "accepted" });
    expect(done).toMatchObject([{ command: "restart", actor: "alice", door: "nats", properties: { name: "w" } }]);
    for (const subject of [
      subjects.command(web1, victor, "restart"),
      subjects.control(victor, "rollout-start"),
      event(web1),
      subjects.heartbeat(web1),
      subjects.reply(web1, alice, "r1"),
      "_INBOX.web1.x",
      "$JS.API.STREAM.PURGE.EVENTS",
    ]) {
      asker.refused.length = 0;
      asker.publish(subject, {});
      expect(await settled(asker)).toEqual([`publish ${subject}`]);
    }
  });
});

describe("a controller", () => {
  it("reads the stream, but can neither purge it nor delete it or a message of it", async () => {
    const controller = get("ctl1");
    await get("web1").store(event(web1), { v: 1 }, randomUUID(), 2000);
    const before = await controller.streamInfo("EVENTS");
    for (const api of ["PURGE", "DELETE", "MSG.DELETE", "RESTORE", "SNAPSHOT"]) {
      controller.refused.length = 0;
      controller.publish(`$JS.API.STREAM.${api}.EVENTS`, { seq: 1 });
      expect(await settled(controller)).toEqual([`publish $JS.API.STREAM.${api}.EVENTS`]);
    }
    expect(await controller.streamInfo("EVENTS")).toEqual(before);
    controller.refused.length = 0;
    let seen = 0;
    const reading = await controller.orderedConsume({
      stream: "EVENTS",
      startSeq: 1,
      onMessage: () => {
        seen++;
      },
    });
    await waitFor(() => seen === before?.messages, { what: "the whole stream to be read" });
    await reading.stop();
    expect(await settled(controller)).toEqual([]);
  });

  it("answers into the inbox of who asks, and nowhere else, whatever a question says", async () => {
    const controller = get("ctl1");
    const door = controller.subscribe(subjects.all.queries(), ({ reply }) => {
      controller.publish(reply ?? "", envelope("restart", { name: "w" }));
    });
    await settled(controller);
    expect((await get("victor").request(subjects.query(victor, "status"), {}, 2000)).kind).toBe("answer");
    const target = subjects.command(web1, alice, "restart");
    get("victor").publish(subjects.query(victor, "status"), {}, { reply: target });
    await settled(get("victor"));
    await waitFor(() => controller.refused.length > 0, { what: "the broker to refuse the answer" });
    expect(controller.refused).toEqual([`publish ${target}`]);
    await settled(get("web1"));
    expect(done).toEqual([]);
    door.close();
  });

  it("hears of connections from the system account", async () => {
    const heard: string[] = [];
    const subscription = get("ctl1").subscribe("sysev.>", (message) => heard.push(message.subject));
    await settled(get("ctl1"));
    const guest = await connect("victor", { mode: "once" });
    await guest.close();
    await waitFor(() => heard.some((subject) => subject.endsWith("DISCONNECT")), { what: "the notice" });
    expect(heard.every((subject) => subject.startsWith("sysev.") && subject.includes("FLEET"))).toBe(true);
    subscription.close();
  });
});

describe("a reflected PubAck", () => {
  /** The hostile agent publishes its own event and has JetStream acknowledge it to a place of its choice. */
  async function reflect(target: string): Promise<void> {
    const before = await lastSeq();
    get("web2").publish(event(web2), { v: 1 }, { reply: target });
    await waitFor(async () => (await lastSeq()) > before, { what: "the event to be stored" });
    await settled(get("web1"));
  }

  it("arrives at another host's command subject, but commands nothing", async () => {
    const heard: string[] = [];
    const spy = get("web1").subscribe(subjects.command(web1, alice, "restart"), (m) => heard.push(String(m.data)));
    await settled(get("web1"));
    await reflect(subjects.command(web1, alice, "restart"));
    await waitFor(() => heard.length > 0, { what: "the acknowledgement to arrive" });
    await settled(get("web1"));
    expect(done).toEqual([]);
    spy.close();
  });

  it.each(["STREAM.PURGE.EVENTS", "STREAM.DELETE.EVENTS", "STREAM.MSG.DELETE.EVENTS", "STREAM.UPDATE.EVENTS"])(
    "does nothing to the stream through $JS.API.%s",
    async (api) => {
      const before = await get("ctl1").streamInfo("EVENTS");
      await reflect(`$JS.API.${api}`);
      const after = await get("ctl1").streamInfo("EVENTS");
      expect(after).toMatchObject({ created: before?.created, firstSeq: 1, messages: (before?.messages ?? 0) + 1 });
    },
  );

  it("does not reach the controllers' lock, which lies in another account", async () => {
    const refused: string[] = [];
    const lock = await connectFleet({
      servers: [server.url],
      name: "ctl1",
      credentials: { v: 1, fleet: "main", role: "controller", name: "ctl1", seed: lockSeed },
      mode: "once",
      onStatus: (status) => {
        if (status.kind === "forbidden") refused.push(`${status.operation} ${status.subject}`);
      },
    });
    const kept = await lock.lock(60_000, 2000);
    expect(await kept.write({ held: "ctl1" }, 0)).toBe(1);
    await reflect(LOCK_KEY);
    expect(await kept.read()).toEqual({ revision: 1, value: { held: "ctl1" } });
    // By its revision, and by no other.
    expect(await kept.write({ held: "ctl2" }, 0)).toBeNull();
    expect(await kept.write({ held: "ctl1" }, 1)).toBe(2);
    // This one record is all that the lock's account is good for.
    await expect(lock.ensureStream({ name: "OTHER", subjects: ["other"], maxBytes: 1 })).rejects.toThrow("OTHER");
    expect(refused).toContain("publish $JS.API.STREAM.INFO.OTHER");
    await lock.close();
  });
});

describe("the agent's door", () => {
  const restart = subjects.command(web1, alice, "restart");
  const ask = async (subject: string, message: object) => answerOf(await get("alice").request(subject, message, 2000));

  it("refuses what is no exact envelope", async () => {
    const good = envelope("restart");
    for (const bad of [
      { ...good, more: 1 },
      { ...good, v: 2 },
      { stream: "EVENTS", seq: 2 },
      { ...good, ttl: 0 },
      [],
    ]) {
      expect(await ask(restart, bad)).toMatchObject({ outcome: "refused", reply: { code: "message" } });
    }
    expect(done).toEqual([]);
  });

  it("refuses a message whose verb is not the subject's, stale ones and those from the future", async () => {
    const stale = { ...envelope("restart"), issued: Date.now() - 200_000 };
    const future = { ...envelope("restart"), issued: Date.now() + 200_000 };
    expect(await ask(subjects.command(web1, alice, "status"), envelope("restart"))).toMatchObject({
      outcome: "refused",
      reply: { reason: "the subject asks for status, the message for restart", code: "forbidden" },
    });
    expect(await ask(restart, stale)).toMatchObject({ outcome: "refused", reply: { code: "stale" } });
    expect(await ask(restart, future)).toMatchObject({ outcome: "refused", reply: { code: "stale" } });
    expect(await ask(subjects.command(web1, alice, "quit"), envelope("quit"))).toMatchObject({
      outcome: "refused",
      reply: { reason: "unknown command: 'quit'" },
    });
    expect(done).toEqual([]);
    expect(emitted.map(({ kind, actor }) => [kind, actor])).toEqual([
      ["command_refused", "alice"],
      ["command_refused", "alice"],
      ["command_refused", "alice"],
    ]);
  });

  it("answers only into the asker's own inbox, else does nothing at all", async () => {
    for (const reply of [subjects.command(web2, alice, "restart"), "_INBOX.victor.x", "_INBOX.web1.x", undefined]) {
      get("alice").publish(restart, envelope("restart"), reply === undefined ? {} : { reply });
    }
    await settled(get("alice"));
    await settled(get("web1"));
    expect(done).toEqual([]);
  });

  it("does a command once, however often it is sent, and its id serves no other", async () => {
    const message = envelope("restart", { name: "w" });
    const first = await ask(restart, message);
    expect(await ask(restart, message)).toEqual(first);
    expect(done).toHaveLength(1);
    expect(await ask(restart, { ...message, properties: { name: "other" } })).toMatchObject({
      outcome: "refused",
      reply: { code: "conflict" },
    });
    expect(done).toHaveLength(1);
  });

  it("says accepted, then done, to who waits", async () => {
    const outcomes: string[] = [];
    const result = await get("alice").request(restart, envelope("restart", { name: "w", waiting: true }), 2000, {
      isLast: (message) => (message.json() as CommandAnswer).outcome !== "accepted",
      onEarlier: (message) => outcomes.push((message.json() as CommandAnswer).outcome),
    });
    expect([...outcomes, (answerOf(result) as CommandAnswer).outcome]).toEqual(["accepted", "done"]);
  });

  it("refuses a leader that is behind another", async () => {
    const fenced = (bucket: number, revision: number) => ({ ...envelope("restart"), fence: { bucket, revision } });
    expect(await ask(restart, fenced(5, 5))).toMatchObject({ outcome: "accepted" });
    expect(await ask(restart, fenced(5, 4))).toMatchObject({ outcome: "refused", reply: { code: "stale" } });
    expect(await ask(restart, fenced(4, 9))).toMatchObject({ outcome: "refused", reply: { code: "stale" } });
    expect(await ask(restart, fenced(6, 1))).toMatchObject({ outcome: "accepted" });
  });

  it("answers a broadcast from every host under its own name, and changes nothing by broadcast", async () => {
    const everybody = (verb: string) => {
      const message = envelope(verb);
      return get("alice").askMany({
        publishes: [{ subject: subjects.commandAll(alice, verb), payload: message }],
        replySubject: subjects.all.repliesTo(alice, message.id),
        keyOf: (subject) => {
          const parsed = subjects.parse(subject);
          return parsed?.kind === "rpl" && parsed.request === message.id ? parsed.host : null;
        },
        expected: new Set([web1, web2]),
        timeoutMs: 2000,
      });
    };
    const status = await everybody("status");
    expect(status.missing).toEqual([]);
    expect(done.map(({ command }) => command)).toEqual(["status", "status"]);
    done.length = 0;
    const restarts = await everybody("restart");
    expect([...restarts.answers.values()].map((message) => (message.json() as CommandAnswer).outcome)).toEqual([
      "refused",
      "refused",
    ]);
    expect(done).toEqual([]);
  });
});

it("has a client of every role in these tests", () => {
  expect(new Set(NAMES.map(({ role }) => role))).toEqual(new Set(ROLES));
});
