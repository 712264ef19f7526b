import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeLogger } from "@circus-cluster/proto";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Dealer, Request, Subscriber } from "zeromq";
import type { CommandRequest, Dispatch } from "../commands/agent-view.ts";
import { ZmqDoor } from "./zmq.ts";
import { ZmqPub } from "./zmq-pub.ts";
import { SendQueue } from "./zmq-queue.ts";

const log = makeLogger(() => undefined);
let dir: string;
let ends: (() => unknown)[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "zmq-door-"));
  ends = [];
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
  rmSync(dir, { recursive: true });
});

const ipc = (name = "endpoint") => `ipc://${join(dir, name)}`;

async function door(endpoint: string, dispatch: Dispatch): Promise<ZmqDoor> {
  const bound = await ZmqDoor.bind(endpoint, null, log);
  ends.push(() => bound.close());
  bound.serve(dispatch);
  return bound;
}

function dealer(endpoint: string): Dealer {
  const socket = new Dealer({ linger: 0, receiveTimeout: 10_000 });
  socket.connect(endpoint);
  ends.push(() => socket.close());
  return socket;
}

const echo: Dispatch = ({ command, properties }: CommandRequest) =>
  Promise.resolve({ status: "ok", time: 1.5, command, properties });

/** Many clients in a process of their own: asks with all, says so, and closes them at the next line of input. */
const CLIENTS = `
const { Dealer } = require("zeromq");
const { createInterface } = require("node:readline");
(async () => {
  for await (const endpoint of createInterface({ input: process.stdin })) {
    const clients = Array.from({ length: 20 }, () => new Dealer({ linger: 0 }));
    await Promise.all(clients.map(async (client) => {
      client.connect(endpoint);
      await client.send('{"command":"a"}');
      await client.receive();
    }));
    process.stdout.write("answered\\n");
    for (const client of clients) client.close();
  }
})();`;

const parse = (frames: Buffer[]): unknown => JSON.parse(frames.map(String).join("|"));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("the command channel", () => {
  it("answers one frame of JSON with the id untouched, in order, and never a cast", async () => {
    await door(ipc(), echo);
    const client = dealer(ipc());
    await client.send('{"command":"a","msg_type":"cast","id":1}');
    for (let i = 0; i < 100; i++) await client.send(`{"command":"c${i}","id":${i}.0}`);
    for (let i = 0; i < 100; i++) {
      const frames = await client.receive();
      expect(frames.map(String)).toEqual([`{"status":"ok","time":1.5,"command":"c${i}","id":${i}.0}`]);
    }
  });

  it("closes while its clients do, and can be bound anew at once", async () => {
    // What this guards against, an assertion of libzmq, ends the whole program: it shows as a dead test worker.
    const endpoint = `tcp://127.0.0.1:${await freePort()}`;
    const program = spawn(process.execPath, ["-e", CLIENTS], { stdio: ["pipe", "pipe", "inherit"] });
    ends.push(() => program.kill());
    for (let round = 0; round < 100; round++) {
      const bound = await door(endpoint, echo);
      program.stdin.write(`${endpoint}\n`);
      await once(program.stdout, "data");
      await bound.close();
    }
  });

  it("serves REQ clients", async () => {
    await door(ipc(), echo);
    const client = new Request({ linger: 0, receiveTimeout: 10_000 });
    ends.push(() => client.close());
    client.connect(ipc());
    for (const command of ["a", "b"]) {
      await client.send(JSON.stringify({ command }));
      expect(parse(await client.receive())).toMatchObject({ command, id: null });
    }
  });

  it("still answers after thousands of malformed messages", { timeout: 120_000 }, async () => {
    await door(ipc(), echo);
    const client = dealer(ipc());
    const frame = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .record({ id: fc.jsonValue(), command: fc.jsonValue(), properties: fc.jsonValue() })
        .map((value) => Buffer.from(JSON.stringify(value))),
      fc.constant(Buffer.from("[".repeat(50_000))),
    );
    const messages = fc.sample(fc.array(frame, { minLength: 1, maxLength: 4 }), { numRuns: 5000, seed: 1 });
    const other = dealer(ipc());
    let answers = 0;
    const reading = (async () => {
      for await (const frames of client) {
        expect(parse(frames.slice(-1))).toHaveProperty("status");
        answers++;
      }
    })();
    for (const message of messages) await client.send(message);
    await other.send('{"command":"alive","id":"x"}');
    expect(parse(await other.receive())).toMatchObject({ command: "alive", id: "x" });
    await expect.poll(() => answers).toBeGreaterThan(1000);
    client.close();
    await reading;
  });

  it("survives bytes that are no ZeroMQ, and a frame above the limit", async () => {
    const endpoint = `tcp://127.0.0.1:${await freePort()}`;
    await door(endpoint, echo);
    const raw = connect(Number(endpoint.split(":")[2]), "127.0.0.1");
    await new Promise((resolve) => raw.once("connect", resolve));
    raw.on("error", () => undefined);
    raw.write("GET / HTTP/1.1\r\n\r\n".repeat(100));
    const big = dealer(endpoint);
    await big.send(Buffer.alloc(2 * 1024 * 1024, 32));
    const client = dealer(endpoint);
    await client.send('{"command":"alive"}');
    expect(parse(await client.receive())).toMatchObject({ command: "alive" });
    raw.destroy();
  });

  it("answers what is under way before it closes, and is closed twice without harm", async () => {
    let finish: () => void = () => undefined;
    const slow: Dispatch = () =>
      new Promise((resolve) => {
        finish = () => resolve({ status: "ok", time: 1 });
      });
    const bound = await door(ipc(), slow);
    const client = dealer(ipc());
    await client.send('{"command":"quit","id":"q"}');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const closing = bound.close();
    finish();
    await closing;
    await bound.close();
    expect(parse(await client.receive())).toMatchObject({ status: "ok", id: "q" });
  });

  it("an ipc file is for its owner only; what was left behind is replaced, what is in use is not", async () => {
    writeFileSync(join(dir, "other"), "");
    await door(ipc(), echo);
    expect(statSync(join(dir, "endpoint")).mode & 0o777).toBe(0o600);
    await expect(ZmqDoor.bind(ipc(), null, log)).rejects.toThrow(`endpoint ${ipc()} is in use by another program`);
    const client = dealer(ipc());
    await client.send('{"command":"alive"}');
    expect(parse(await client.receive())).toMatchObject({ command: "alive" });
  });

  it("a taken port and an unknown owner are one clear line", async () => {
    const endpoint = `tcp://127.0.0.1:${await freePort()}`;
    await door(endpoint, echo);
    await expect(ZmqDoor.bind(endpoint, null, log)).rejects.toThrow(
      `endpoint ${endpoint} is in use by another program`,
    );
    await expect(ZmqDoor.bind(ipc("x"), "no-such-user", log)).rejects.toThrow(
      "endpoint_owner 'no-such-user' is no user of this host",
    );
    await expect(ZmqDoor.bind(`ipc://${dir}/no/such`, null, log)).rejects.toThrow("cannot bind endpoint ipc://");
  });
});

it.each(["tcp", "ipc"])("an endpoint can be bound again as soon as its door is closed (%s)", async (transport) => {
  const endpoint = transport === "ipc" ? ipc() : `tcp://127.0.0.1:${await freePort()}`;
  for (let i = 0; i < 20; i++) {
    const bound = await ZmqDoor.bind(endpoint, null, log);
    bound.serve(echo);
    const client = new Dealer({ linger: 0, receiveTimeout: 5000 });
    client.connect(endpoint);
    await client.send(`{"command":"c${i}"}`);
    expect(parse(await client.receive())).toMatchObject({ command: `c${i}` });
    await bound.close();
    client.close();
  }
});

describe("the event feed", () => {
  it("sends [topic, json], names in lower case with _ for blanks", async () => {
    const pub = await ZmqPub.bind(ipc(), null, log);
    ends.push(() => pub.close());
    const sub = new Subscriber({ linger: 0, receiveTimeout: 10_000 });
    ends.push(() => sub.close());
    sub.connect(ipc());
    sub.subscribe("watcher.my_app.");
    const received = sub.receive();
    const sending = setInterval(() => {
      pub.publish({ watcher: "other", event: "stop", data: {} });
      pub.publish({ watcher: "My App", event: "spawn", data: { process_pid: 5, time: 1.5 } });
    }, 20);
    ends.push(() => clearInterval(sending));
    expect((await received).map(String)).toEqual(["watcher.my_app.spawn", '{"process_pid":5,"time":1.5}']);
  });
});

describe("SendQueue", () => {
  it("sends one at a time, survives failures and drops beyond its bound", async () => {
    const sent: string[] = [];
    let isBusy = false;
    const socket = {
      send: async (frames: (string | Buffer)[]) => {
        expect(isBusy).toBe(false);
        isBusy = true;
        await Promise.resolve();
        isBusy = false;
        if (frames[0] === "2") throw new Error("EAGAIN");
        sent.push(String(frames[0]));
      },
    };
    const queue = new SendQueue(socket, log, 3);
    for (const text of ["1", "2", "3", "4", "5", "6"]) queue.push([text]);
    await queue.close(1000);
    queue.push(["late"]);
    expect(sent).toEqual(["1", "3", "4"]);
  });

  it("does not wait for ever for a socket that takes nothing", async () => {
    const queue = new SendQueue({ send: () => new Promise(() => undefined) }, log);
    queue.push(["x"]);
    await queue.close(20);
  });
});
