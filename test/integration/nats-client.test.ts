/** The contract of `@circus-cluster/proto/nats` and of the agent's outbox on it, against a real nats-server. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import {
  type Heartbeat,
  type HostName,
  type HostSnapshot,
  heartbeat,
  hostSnapshot,
  makeLogger,
  parse,
  Subjects,
  type UserName,
} from "@circus-cluster/proto";
import {
  type ConnectOptions,
  connectFleet,
  createSeed,
  type FleetConnection,
  type FleetMessage,
  type FleetStatus,
  type StreamMessage,
} from "@circus-cluster/proto/nats";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { FleetConfig } from "../../agent/src/config/types.ts";
import { Outbox } from "../../agent/src/events/outbox.ts";
import { agentCredentials } from "../../agent/src/fleet/credentials.ts";
import { startFleetDoor } from "../../agent/src/fleet/door.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { freePort } from "../support/ports.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const deadlineMs = 60_000;
const subjects = new Subjects("main");
const web1 = "web1" as HostName;
const text = (message: { data: Uint8Array }): string => Buffer.from(message.data).toString();
const bytes = (value: string): Uint8Array => Buffer.from(value);

let server: NatsServer;
const open: FleetConnection[] = [];

beforeEach(async () => {
  server = await startNatsServer();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((connection) => connection.close(500)));
  await server[Symbol.asyncDispose]();
});
afterAll(() => assertNoLeaks());

async function client(name: string, more: Partial<ConnectOptions> = {}): Promise<FleetConnection> {
  const connection = await connectFleet({
    servers: [server.url],
    name,
    credentials: null,
    mode: "service",
    retryMs: 100,
    ...more,
  });
  open.push(connection);
  return connection;
}

function eventsStream(connection: FleetConnection) {
  return connection.ensureStream({ name: "EVENTS", subjects: [subjects.all.events()] });
}

describe("connectFleet", () => {
  it("says in one line why a command line cannot connect, and soon", async () => {
    const port = await freePort();
    const begun = performance.now();
    await expect(
      connectFleet({ servers: [`nats://127.0.0.1:${port}`], name: "alice", credentials: null, mode: "once" }),
    ).rejects.toMatchObject({
      name: "FleetConnectError",
      code: "unreachable",
      message: `cannot connect to nats://127.0.0.1:${port}: connection refused`,
    });
    expect(performance.now() - begun).toBeLessThan(1500);
  });

  it("waits for a server that comes later, and gives up only on demand", async () => {
    await server.stop();
    const statuses: FleetStatus[] = [];
    const connecting = client("web1", { onStatus: (status) => statuses.push(status) });
    await waitFor(() => statuses.length >= 2, { what: "two failed attempts" });
    expect(statuses[0]).toMatchObject({ kind: "unreachable", reason: expect.stringContaining("refused") as string });
    const stop = new AbortController();
    const given = client("web2", { signal: stop.signal });
    stop.abort();
    await expect(given).rejects.toMatchObject({ code: "aborted" });
    await server.restart();
    expect((await connecting).isConnected).toBe(true);
    expect(statuses.at(-1)).toMatchObject({ kind: "connected", isFirst: true });
  });

  it("connects again although the clock went back meanwhile, at whichever server is there", async () => {
    await using second = await startNatsServer();
    const statuses: FleetStatus[] = [];
    const connection = await client("web1", {
      servers: [server.url, second.url],
      onStatus: (status) => statuses.push(status),
    });
    const now = Date.now.bind(Date);
    const first = connection.server.endsWith(new URL(second.url).port) ? second : server;
    const other = first === server ? second : server;
    await other.stop();
    await first.stop();
    await waitFor(() => statuses.some((status) => status.kind === "disconnected"), { what: "the loss of both" });
    const wall = vi.spyOn(Date, "now").mockImplementation(() => now() - 86_400_000);
    try {
      await other.restart();
      await waitFor(() => connection.isConnected, { what: "the connection to the server that came back" });
    } finally {
      wall.mockRestore();
    }
  });

  it("leaves no connection behind at a server that takes them and says nothing", async () => {
    const open = new Set<Socket>();
    let taken = 0;
    const silent = createServer((socket) => {
      taken++;
      open.add(socket.on("error", () => undefined).once("close", () => open.delete(socket)));
    });
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const stop = new AbortController();
    const { port } = silent.address() as AddressInfo;
    const servers = [`nats://127.0.0.1:${port}`];
    const given = client("web1", { servers, timeoutMs: 100, retryMs: 20, signal: stop.signal });
    await waitFor(() => taken >= 5, { what: "five attempts" });
    stop.abort();
    await expect(given).rejects.toMatchObject({ code: "aborted" });
    await waitFor(() => open.size === 0, { what: "the end of all of them" });
    silent.close();
  });

  it("does not touch the options it is given", async () => {
    const options: ConnectOptions = Object.freeze({
      servers: Object.freeze<string[]>([server.url]),
      name: "web1",
      credentials: null,
      mode: "once" as const,
    });
    open.push(await connectFleet(options), await connectFleet(options));
  });
});

describe("FleetConnection", () => {
  it("refuses a subject that would inject protocol lines, and nothing arrives", async () => {
    const a = await client("alice");
    const got: string[] = [];
    a.subscribe(">", (message) => got.push(message.subject));
    for (const bad of ["a b", "a 2\r\nhi\r\nPUB b 3\r\nbad", "a..b", ".a", "a.", "", "a.*", "a.>", "a\u0000", "ä"]) {
      expect(() => a.publish(bad, {}), bad).toThrow(RangeError);
      expect(() => a.publish("ok", {}, { reply: bad }), bad).toThrow(RangeError);
      expect(() => a.request(bad, {}, 100), bad).toThrow(RangeError);
    }
    expect(() => a.subscribe("a b", () => undefined)).toThrow(RangeError);
    expect(() => a.publish("ok", {}, { msgId: "x\r\ny" })).toThrow(RangeError);
    await a.flush(1000);
    expect(got).toEqual([]);
  });

  it("throws for a payload above the server's limit", async () => {
    const a = await client("alice");
    expect(() => a.publish("x", new Uint8Array(1024 * 1024 + 1))).toThrow(/1048577 bytes/);
  });

  it("delivers to one of a queue group, and to all others", async () => {
    const a = await client("alice");
    const got: string[] = [];
    for (const [name, queue] of [
      ["q1", "g"],
      ["q2", "g"],
      ["all", null],
    ] as const) {
      a.subscribe("x.*", () => got.push(name), queue === null ? {} : { queue });
    }
    for (let i = 0; i < 20; i++) a.publish("x.y", {});
    await a.flush(1000);
    await waitFor(() => got.length >= 40, { what: "40 deliveries" });
    expect(got.filter((name) => name === "all")).toHaveLength(20);
    expect(got).toHaveLength(40);
  });

  it("survives a handler that throws", async () => {
    const statuses: FleetStatus[] = [];
    const a = await client("alice", { onStatus: (status) => statuses.push(status) });
    a.subscribe("x", (message) => {
      if (text(message) === "bad") throw new Error("on purpose");
      a.publish(message.reply!, { ok: true });
    });
    a.publish("x", bytes("bad"));
    expect(await a.request("x", bytes("good"), 1000)).toMatchObject({ kind: "answer" });
    expect(statuses).toContainEqual({ kind: "error", reason: "a handler failed: on purpose" });
  });

  it("tells apart an answer, nobody there, silence and a lost connection", async () => {
    const [a, b] = [await client("alice"), await client("web1")];
    b.subscribe("echo", (message) => b.publish(message.reply!, message.data));
    b.subscribe("silent", () => undefined);
    await b.flush(1000);
    const answer = await a.request("echo", { n: 1 }, 1000);
    expect(answer.kind === "answer" && answer.message.json()).toEqual({ n: 1 });
    expect(answer.kind === "answer" && answer.message.subject.startsWith("_INBOX.alice.")).toBe(true);
    expect(await a.request("nobody", {}, 5000)).toEqual({ kind: "no-responders" });
    expect(await a.request("silent", {}, 50)).toEqual({ kind: "timeout" });
    const begun = performance.now();
    const lost = a.request("silent", {}, 20_000);
    await server.kill9();
    expect(await lost).toEqual({ kind: "disconnected" });
    expect(performance.now() - begun).toBeLessThan(2000);
    expect(a.isConnected).toBe(false);
    expect(a.publish("echo", {})).toBe(false);
    expect(await a.request("echo", {}, 20_000)).toEqual({ kind: "disconnected" });
    await server.restart();
    await waitFor(() => a.isConnected && b.isConnected, { what: "both to reconnect" });
    expect(await a.request("echo", { n: 2 }, 2000)).toMatchObject({ kind: "answer" });
  });

  it("waits on after an answer that is not the last", async () => {
    const a = await client("alice");
    a.subscribe("work", (message) => {
      for (const outcome of ["accepted", "done"]) a.publish(message.reply!, { outcome });
    });
    const earlier: unknown[] = [];
    const result = await a.request("work", {}, 1000, {
      isLast: (message) => (message.json() as { outcome: string }).outcome !== "accepted",
      onEarlier: (message) => earlier.push(message.json()),
    });
    expect(earlier).toEqual([{ outcome: "accepted" }]);
    expect(result.kind === "answer" && result.message.json()).toEqual({ outcome: "done" });
  });

  it("asks many hosts one by one and says of each what became of it", async () => {
    const [a, b] = [await client("alice"), await client("web1")];
    b.subscribe("ask.b", (message) => b.publish(message.reply!, { host: "b" }));
    b.subscribe("ask.mute", () => undefined);
    await b.flush(1000);
    const asks = ["b", "mute", "gone"].map((key) => ({ key, subject: `ask.${key}`, payload: {} }));
    const results = await a.askEach(asks, { timeoutMs: 200 });
    expect([...results].map(([key, { kind }]) => [key, kind])).toEqual([
      ["b", "answer"],
      ["mute", "timeout"],
      ["gone", "no-responders"],
    ]);
  });

  it("collects a broadcast against the known set: done at the last answer, else names who is missing", async () => {
    const a = await client("alice");
    const hosts = Array.from({ length: 50 }, (_, i) => `h${i}`);
    for (const host of hosts) {
      const b = host === "h0" || host === "h1" ? await client(host) : open.at(-1)!;
      b.subscribe("all.status", () => b.publish(`rpl.${host}.alice.r1`, { host }));
      await b.flush(1000);
    }
    const ask = (expected: readonly string[], quietMs?: number) =>
      a.askMany({
        publishes: [{ subject: "all.status", payload: {} }],
        replySubject: "rpl.*.alice.r1",
        keyOf: (subject) => subject.split(".")[1] ?? null,
        expected: new Set(expected),
        timeoutMs: 3000,
        ...(quietMs === undefined ? {} : { quietMs }),
      });
    const begun = performance.now();
    const all = await ask(hosts);
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(all).toMatchObject({ missing: [], isDisconnected: false });
    expect([...all.answers.keys()].sort()).toEqual([...hosts].sort());
    expect((await ask([...hosts, "x2", "x1"], 100)).missing).toEqual(["x1", "x2"]);
    const lost = ask(["never"]);
    await server.kill9();
    expect(await lost).toMatchObject({ missing: ["never"], isDisconnected: true });
  });

  it("closes in bounded time where the server is gone, and twice", async () => {
    const a = await client("alice");
    a.publish("x", {});
    await server.kill9();
    const begun = performance.now();
    await Promise.all([a.close(300), a.close(300)]);
    expect(performance.now() - begun).toBeLessThan(2000);
    expect(await a.closed).toBeNull();
    // Whoever still asks is told, and nothing is thrown at him.
    expect(a.publish("x", {})).toBe(false);
    expect(await a.request("x", {}, 500)).toEqual({ kind: "disconnected" });
    const asked = { publishes: [{ subject: "x", payload: {} }], replySubject: "rpl.*", keyOf: () => null };
    const nobody = await a.askMany({ ...asked, expected: new Set(["never"]), timeoutMs: 500 });
    expect(nobody).toMatchObject({ missing: ["never"], isDisconnected: true });
  });

  it("closes in bounded time where the server hangs", async () => {
    // It greets, answers the first ping, and is silent ever after.
    const hanging = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.write('INFO {"server_id":"x","version":"2.9.10","proto":1,"headers":true,"max_payload":1048576}\r\n');
      socket.once("data", () => socket.write("PONG\r\n"));
    });
    await new Promise<void>((resolve) => hanging.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = hanging.address() as AddressInfo;
      const a = await client("alice", { servers: [`nats://127.0.0.1:${port}`] });
      expect(await a.flush(100)).toBe(false);
      const begun = performance.now();
      await a.close(300);
      expect(performance.now() - begun).toBeLessThan(2000);
    } finally {
      await new Promise((resolve) => hanging.close(resolve));
    }
  });
});

describe("streams", () => {
  it("makes the stream of events once, deaf to purge and delete, and brings limits in line", async () => {
    const a = await client("ctl1");
    expect(await a.streamInfo("EVENTS")).toBeNull();
    const made = await eventsStream(a);
    expect(await eventsStream(a)).toEqual(made);
    await a.ensureStream({
      name: "EVENTS",
      subjects: [subjects.all.events()],
      maxAgeMs: 3_600_000,
      maxBytes: 1_000_000,
    });
    const info = await a.request("$JS.API.STREAM.INFO.EVENTS", {}, 1000);
    expect(info.kind === "answer" && info.message.json()).toMatchObject({
      config: {
        subjects: ["circus.main.evt.>"],
        max_age: 3_600_000_000_000,
        max_bytes: 1_000_000,
        duplicate_window: 120_000_000_000,
        deny_delete: true,
        deny_purge: true,
        storage: "file",
        discard: "old",
      },
    });
    await a.store(subjects.event(web1, "web", "process_exited"), { n: 1 }, "web1:1:1", 1000);
    for (const api of ["STREAM.PURGE.EVENTS", "STREAM.MSG.DELETE.EVENTS"]) {
      const answer = await a.request(`$JS.API.${api}`, { seq: 1 }, 1000);
      expect(answer.kind === "answer" && answer.message.json()).toMatchObject({ error: { code: 500 } });
    }
    expect(await a.streamInfo("EVENTS")).toMatchObject({ messages: 1, firstSeq: 1, lastSeq: 1 });
  });

  it("stores with its word, knows a repeat, and calls an error no acknowledgement", async () => {
    const a = await client("ctl1");
    const subject = subjects.event(web1, "web", "process_exited");
    expect(await a.store(subject, {}, "web1:1:1", 1000)).toEqual({ kind: "no-responders" });
    await eventsStream(a);
    expect(await a.store(subject, {}, "web1:1:1", 1000)).toMatchObject({ kind: "stored", seq: 1, isDuplicate: false });
    expect(await a.store(subject, {}, "web1:1:1", 1000)).toMatchObject({ kind: "stored", seq: 1, isDuplicate: true });
  });

  it("reads in order from a sequence, goes on over kill -9 of the server, and holds back", async () => {
    const a = await client("ctl1");
    await eventsStream(a);
    const put = async (from: number, to: number): Promise<void> => {
      for (let seq = from; seq <= to; seq++) {
        const stored = await a.store(subjects.event(web1, "web", "process_exited"), { seq }, `web1:1:${seq}`, 2000);
        expect(stored.kind).toBe("stored");
      }
    };
    await put(1, 50);
    const got: StreamMessage[] = [];
    let atOnce = 0;
    const reading = await a.orderedConsume({
      stream: "EVENTS",
      startSeq: 11,
      onMessage: async (message) => {
        expect(++atOnce).toBe(1);
        await Promise.resolve();
        atOnce--;
        got.push(message);
      },
    });
    await waitFor(() => got.length === 40, { what: "the first 40 messages" });
    expect(got[0]).toMatchObject({ seq: 11, subject: "circus.main.evt.web1.web.process_exited", pending: 39 });
    expect(Math.abs(got[0]!.time - Date.now())).toBeLessThan(60_000);
    await server.kill9();
    await server.restart();
    await waitFor(() => a.isConnected, { what: "the reconnect" });
    await put(51, 80);
    await waitFor(() => got.length === 70, { what: "the other 30 messages", deadlineMs: 60_000 });
    expect(got.map(({ seq }) => seq)).toEqual(Array.from({ length: 70 }, (_, i) => i + 11));
    await reading.stop();
    await reading.done;
  });

  it("asks for no more than a bounded number of messages while the reader is busy", async () => {
    const a = await client("ctl1");
    await eventsStream(a);
    const put = (seq: number) =>
      a.store(subjects.event(web1, "web", "process_exited"), { seq }, `web1:1:${seq}`, deadlineMs);
    await Promise.all(Array.from({ length: 4000 }, (_, i) => put(i + 1)));
    let goOn: () => void = () => undefined;
    let handled = 0;
    const reading = await a.orderedConsume({
      stream: "EVENTS",
      startSeq: 1,
      onMessage: () => (++handled === 10 ? new Promise<void>((resolve) => (goOn = resolve)) : undefined),
    });
    const delivered = async (): Promise<number> => {
      const result = await a.request("$JS.API.CONSUMER.LIST.EVENTS", { offset: 0 }, deadlineMs);
      if (result.kind !== "answer") throw new Error(result.kind);
      const { consumers } = JSON.parse(text(result.message)) as {
        readonly consumers: readonly { readonly delivered: { readonly stream_seq: number } }[];
      };
      return consumers[0]?.delivered.stream_seq ?? 0;
    };
    await waitFor(async () => (await delivered()) >= 1000, { what: "the first messages to be delivered" });
    // Round trips enough for all of the others to come, if anybody asked for them.
    for (let more = 4001; more <= 4100; more++) await put(more);
    expect([handled, await delivered()]).toEqual([10, 1000]);
    goOn();
    await waitFor(() => handled === 4100, { what: "all messages", deadlineMs });
    await reading.stop();
  });

  it("fails where there is no stream, and where the reader throws", async () => {
    const a = await client("ctl1");
    const read = (onMessage: () => void) => a.orderedConsume({ stream: "EVENTS", startSeq: 1, onMessage });
    await expect(read(() => undefined)).rejects.toThrow(/stream EVENTS cannot be read/);
    await eventsStream(a);
    await a.store(subjects.event(web1, null, "agent_started"), {}, "web1:1:1", 1000);
    const reading = await read(() => {
      throw new Error("on purpose");
    });
    await expect(reading.done).rejects.toThrow("on purpose");
  });
});

describe("the outbox on a real connection", () => {
  it("brings 5,000 events into the stream exactly once although the server is killed twice meanwhile", async () => {
    await using dir = await tempDir("circus-outbox-");
    const outbox = Outbox.open({
      stateDir: dir.path,
      fleet: "main",
      host: web1,
      clock: { wall: () => Date.now(), monotonic: () => performance.now() },
      log: makeLogger(() => undefined),
    });
    const agent = await client("web1", {
      onStatus: ({ kind }) => {
        if (kind === "connected") outbox.connected();
        else if (kind === "disconnected") outbox.disconnected();
      },
    });
    await eventsStream(agent);
    outbox.attach(agent);
    const restarts: Promise<void>[] = [];
    for (let i = 1; i <= 5000; i++) {
      outbox.append({ kind: "process_exited", watcher: "web", pid: i, data: { i } });
      if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      if (i === 1500 || i === 3500) {
        await server.kill9();
        restarts.push(server.restart());
      }
    }
    await Promise.all(restarts);
    expect(server.log.match(/Server is ready/g)).toHaveLength(3);
    await waitFor(() => outbox.backlog === 0, { what: "the outbox to be empty", deadlineMs: 60_000 });
    await outbox.close();

    const seen = new Map<string, number>();
    const order: number[] = [];
    let last: FleetMessage | StreamMessage | null = null;
    const reading = await agent.orderedConsume({
      stream: "EVENTS",
      startSeq: 1,
      onMessage: (message) => {
        const { epoch, seq } = JSON.parse(text(message)) as { epoch: number; seq: number };
        const key = `web1:${epoch}:${seq}`;
        if (!seen.has(key)) order.push(seq);
        seen.set(key, (seen.get(key) ?? 0) + 1);
        last = message;
      },
    });
    await waitFor(() => (last as StreamMessage | null)?.pending === 0, { what: "all messages to be read" });
    await reading.stop();
    expect(order).toEqual(Array.from({ length: 5000 }, (_, i) => i + 1));
  });
});

describe("the agent's side of the fleet", () => {
  const config = (url: string): FleetConfig => ({
    natsUrls: [url],
    fleet: "main",
    host: "web1",
    labels: {},
    credentials: null,
    tlsCa: null,
    tlsCert: null,
    tlsKey: null,
  });
  const picture: HostSnapshot = { v: 1, epoch: 0, seq: 0, time: 0, version: "0.1.0", labels: {}, watchers: [] };
  const clock = { wall: () => Date.now(), monotonic: () => performance.now() };

  async function host() {
    const dir = await tempDir("circus-door-");
    const lines: string[] = [];
    const log = makeLogger((level, what, fields) => lines.push(`${level} ${what} ${JSON.stringify(fields)}`));
    const outbox = Outbox.open({ stateDir: dir.path, fleet: "main", host: web1, clock, log });
    const door = startFleetDoor({
      config: config(server.url),
      stateDir: dir.path,
      dispatch: ({ command }) => Promise.resolve({ status: "ok", time: 1, command }),
      snapshot: () => picture,
      usage: () => Promise.resolve({ at: performance.now(), usages: new Map() }),
      outbox,
      bus: { emit: (draft) => outbox.append(draft), publish: () => undefined },
      log,
      clock,
      heartbeatMs: 50,
    });
    return {
      outbox,
      door,
      lines,
      end: async () => {
        await door.close();
        await outbox.close();
        await dir[Symbol.asyncDispose]();
      },
    };
  }

  it("beats, shows itself after each connect, sends its events, and says goodbye", async () => {
    const eyes = await client("ctl1");
    await eventsStream(eyes);
    const beats: Heartbeat[] = [];
    const pictures: HostSnapshot[] = [];
    eyes.subscribe(subjects.all.heartbeats(), (message) => {
      const parsed = parse(heartbeat, message.json());
      if (parsed.ok) beats.push(parsed.value);
    });
    eyes.subscribe(subjects.all.snapshots(), (message) => {
      const parsed = parse(hostSnapshot, message.json());
      if (parsed.ok) pictures.push(parsed.value);
    });
    await eyes.flush(1000);
    const agent = await host();
    const { epoch } = agent.outbox;
    agent.outbox.append({ kind: "agent_started", watcher: null, data: {} });
    await waitFor(() => beats.length >= 3 && pictures.length === 1, { what: "three beats and a snapshot" });
    expect(beats.at(-1)).toMatchObject({ epoch, seq: 1, interval: 50 });
    expect(pictures[0]).toMatchObject({ epoch, seq: 1 });
    const envelope = { v: 1, id: "p1", issued: Date.now(), ttl: 30_000, command: "heartbeat" };
    const slower = subjects.command(web1, "ctl1" as UserName, "heartbeat");
    const told = await eyes.request(slower, { ...envelope, properties: { interval: 1000 } }, 5000);
    expect(told).toMatchObject({ kind: "answer" });
    await waitFor(() => beats.at(-1)?.interval === 1000, { what: "a beat that says the new time" });
    await server.kill9();
    agent.outbox.append({ kind: "watcher_stopped", watcher: "web", data: {} });
    await waitFor(() => !agent.door.isConnected, { what: "the loss to be noticed" });
    await server.restart();
    await waitFor(() => pictures.length === 2, { what: "a new snapshot", deadlineMs: 20_000 });
    await waitFor(() => agent.outbox.backlog === 0, { what: "the outbox to be empty" });
    agent.outbox.append({ kind: "agent_stopped", watcher: null, data: {} });
    await agent.end();
    await waitFor(() => beats.at(-1)?.leaving === true, { what: "the goodbye" });
    expect(beats.at(-1)).toMatchObject({ seq: 3, backlog: 0 });
    expect(await eyes.streamInfo("EVENTS")).toMatchObject({ messages: 3 });
  });

  it("says in one line that NATS is unreachable, keeps trying quietly, and ends at once when asked", async () => {
    await server.stop();
    const agent = await host();
    agent.outbox.append({ kind: "agent_started", watcher: null, data: {} });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(agent.lines).toEqual([expect.stringMatching(/^warning the fleet is unreachable; trying again .*refused/)]);
    expect(agent.outbox.backlog).toBe(1);
    const begun = performance.now();
    await agent.end();
    expect(performance.now() - begun).toBeLessThan(500);
  });

  it("does not start with credentials of somebody else, and says whose they are", async () => {
    await using dir = await tempDir("circus-door-");
    const seed = createSeed();
    const path = await dir.write(
      "web2.json",
      JSON.stringify({ v: 1, fleet: "main", role: "agent", name: "web2", seed }),
      0o600,
    );
    expect(() => agentCredentials({ ...config(server.url), credentials: path })).toThrow(
      `credentials ${path}: they are of the agent web2 of fleet main, not of the agent web1 of fleet main`,
    );
  });
});
