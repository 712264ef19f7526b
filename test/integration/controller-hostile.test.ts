/**
 * Payloads that nobody should send: over HTTP and NATS to a real controller, over NATS to a real circusd. Each gets a
 * clear error, or nothing where nobody can be answered; in the end all is as it was.
 */
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { EVENTS_STREAM, TTL_DEFAULT_MS } from "@circus-cluster/proto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { freePort } from "../support/ports.ts";
import { type Program, run } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Asker, CONTROLLER, startController, subjects, writeIni } from "./controller-fixture.ts";

let dir: TempDir;
let server: NatsServer;
let controller: Program;
let agent: Agent;
let alice: Asker;
let token: string;
let port: number;
let before: string;

/** All that a hostile payload might change. */
async function state(): Promise<string> {
  const status = await alice.ask<{ hosts: { host: string; watchers: object[] }[] }>("q", "status", {
    hosts: null,
    watcher: null,
  });
  const { rollouts } = await alice.ask<{ rollouts: object[] }>("q", "rollout-list", { limit: 100 });
  const watchers = status.hosts.map(({ host, watchers }) => ({ host, watchers }));
  const own = await agent.call("list", { name: "web" });
  const text = await readFile(dir.file("tokens"), "utf8");
  return JSON.stringify({
    watchers,
    rollouts,
    pids: own["pids"],
    options: (await agent.call("options", { name: "web" }))["options"],
    text,
  });
}

beforeAll(async () => {
  dir = await tempDir();
  server = await startNatsServer();
  port = await freePort();
  const ini = await writeIni(dir, server, `http = 127.0.0.1:${port}\nhttp_tokens = ${dir.file("tokens")}\n`);
  token = (await run(CONTROLLER, ["token", "--name", "alice", "--role", "operator", ini])).stdout.trim();
  controller = await startController(ini);
  alice = await Asker.connect(server, "alice");
  agent = await startAgent({
    sections: {
      fleet: { nats_url: server.url, fleet: "main", host: "web1" },
      "watcher:web": { cmd: "sleep 600", numprocesses: 2 },
    },
  });
  await waitFor(async () => (await state()).includes('"healthy":2'), {
    what: "web1 to be seen whole",
    deadlineMs: 30_000,
  });
  before = await state();
});
afterAll(async () => {
  try {
    expect(await state()).toBe(before);
    expect([controller.isRunning, agent.isRunning]).toEqual([true, true]);
  } finally {
    await agent[Symbol.asyncDispose]();
    await alice[Symbol.asyncDispose]();
    await controller.stop();
    await server[Symbol.asyncDispose]();
    await dir[Symbol.asyncDispose]();
    await assertNoLeaks();
  }
});

/** Bytes as they are over one connection. @returns status, and the reason of the error */
async function http(text: string | Buffer): Promise<{ status: number; reason: string }> {
  const answer = await new Promise<string>((resolve, reject) => {
    let got = "";
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write(text));
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      got += chunk;
      const [head = "", body] = got.split("\r\n\r\n");
      const length = /content-length: (\d+)/i.exec(head)?.[1];
      if (body !== undefined && length !== undefined && Buffer.byteLength(body) >= Number(length)) socket.destroy();
    });
    socket.once("close", () => resolve(got));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error);
    });
  });
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  const { error } = JSON.parse(body) as { error: { code: string; reason: string } };
  expect(error.reason).not.toMatch(/\n|at .*\.js:|undefined/);
  return { status, reason: error.reason };
}

function request(line: string, body: string | null = null, headers: Readonly<Record<string, string>> = {}): string {
  const all = {
    host: "127.0.0.1",
    authorization: `Bearer ${token}`,
    ...(body === null ? {} : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) }),
    ...headers,
  };
  const lines = Object.entries(all)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}: ${value}`);
  return `${line} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body ?? ""}`;
}
const start = (body: string, headers = {}): string => request("POST /api/v1/rollout-start", body, headers);
const change = (more: object): string =>
  JSON.stringify({ command: "restart", watcher: "web", hosts: null, options: {}, ...more });
/** What is deep enough for a parser that calls itself to run out of stack. */
const deep = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;

describe("over HTTP", () => {
  const cases: readonly (readonly [what: string, sent: () => string | Buffer, status: number, reason: RegExp])[] = [
    ["no HTTP", () => "\0\x01\x02\r\n\r\n", 400, /no HTTP\/1\.1 request/],
    ["HTTP/0.9", () => "GET /api/v1/status\r\n\r\n", 401, /a token is needed/],
    ["a header without a name", () => "GET / HTTP/1.1\r\n: x\r\n\r\n", 400, /no HTTP\/1\.1 request/],
    ["two lengths", () => start("{}", { "Content-Length": "5" }), 400, /no HTTP\/1\.1 request/],
    ["a length and chunks", () => start("{}", { "transfer-encoding": "chunked" }), 400, /no HTTP\/1\.1 request/],
    ["a negative length", () => start("{}", { "content-length": "-1" }), 400, /no HTTP\/1\.1 request/],
    [
      "headers without end",
      () => request("GET /healthz", null, { x: "y".repeat(20_000) }),
      431,
      /larger than 16384 bytes/,
    ],
    ["no token", () => request("GET /api/v1/status", null, { authorization: "" }), 401, /a token is needed/],
    [
      "another's scheme",
      () => request("GET /api/v1/status", null, { authorization: "Basic YTpi" }),
      401,
      /a token is needed/,
    ],
    [
      "a token too many",
      () => request("GET /api/v1/status", null, { authorization: `Bearer ${token} x` }),
      401,
      /a token is needed/,
    ],
    [
      "a token cut short",
      () => request("GET /api/v1/status", null, { authorization: `Bearer ${token.slice(0, -1)}` }),
      401,
      /not valid/,
    ],
    ["a path up", () => request("GET /api/v1/../../etc/passwd"), 404, /nothing is here/],
    ["an escaped path", () => request("GET /%2e%2e/%2e%2e/etc/passwd"), 404, /nothing is here/],
    ["a NUL in the path", () => request("GET /api/v1/status%00.json"), 404, /nothing is here/],
    ["another verb", () => request("GET /api/v1/__proto__"), 404, /nothing is here/],
    ["an agent's command", () => request("POST /api/v1/quit", "{}"), 404, /nothing is here/],
    ["GET of a change", () => request("GET /api/v1/rollout-start"), 405, /takes POST/],
    ["DELETE", () => request("DELETE /api/v1/status"), 405, /takes GET/],
    ["TRACE", () => request("TRACE /healthz"), 405, /takes GET/],
    ["an unknown property", () => request("GET /api/v1/status?hosts=web1&evil=1"), 400, /evil/],
    ["a limit of a word", () => request("GET /api/v1/events?limit=all"), 400, /limit/],
    ["a limit beyond all", () => request("GET /api/v1/events?limit=99999999999999999999"), 400, /limit/],
    ["a negative limit", () => request("GET /api/v1/history?limit=-1"), 400, /limit/],
    ["SQL for a host", () => request("GET /api/v1/status?hosts=web1'%20OR%201=1--"), 404, /no host/],
    [
      "SQL for a watcher",
      () => request("GET /api/v1/history?watcher=web'%3BDROP%20TABLE%20itv--"),
      404,
      /no watcher|never had/,
    ],
    ["a window backwards", () => request("GET /api/v1/events?since=2&until=1"), 400, /ends before it begins/],
    ["no time", () => request("GET /api/v1/history-at?at=noon"), 400, /at/],
    ["an empty body", () => start(""), 400, /not JSON/],
    ["half a body of JSON", () => start('{"command": "restart"'), 400, /not JSON/],
    ["no UTF-8", () => Buffer.from(start("\u00ff", { "content-length": "1" }), "latin1"), 400, /not JSON/],
    ["depth", () => start(deep(200_000)), 400, /command: is missing/],
    ["a list", () => start("[]"), 400, /./],
    ["null", () => start("null"), 400, /./],
    [
      "a form",
      () => start("command=restart", { "content-type": "application/x-www-form-urlencoded" }),
      415,
      /Content-Type/,
    ],
    ["a body that is packed", () => start("{}", { "content-encoding": "gzip" }), 415, /Content-Type/],
    ["a body beyond all", () => start("", { "content-length": "1048577" }), 413, /larger than 1048576 bytes/],
    ["nothing that is needed", () => start("{}"), 400, /command: is missing/],
    ["a command that does not roll", () => start(change({ command: "quit" })), 400, /command/],
    ["a key more", () => start(change({ as: "root" })), 400, /as: is unknown/],
    ["a prototype", () => start(`{"__proto__": {"x": 1}, ${change({}).slice(1)}`), 400, /__proto__|unknown/],
    ["a watcher without name", () => start(change({ watcher: "" })), 400, /watcher/],
    ["a watcher of a novel", () => start(change({ watcher: "w".repeat(10_000) })), 400, /watcher/],
    ["hosts that are none", () => start(change({ hosts: "web1" })), 400, /hosts/],
    ["a share of nothing", () => start(change({ options: { batch: [{ kind: "percent", p: -5 }] } })), 400, /batch/],
    ["a wave of half a host", () => start(change({ options: { batch: [{ kind: "count", n: 0.5 }] } })), 400, /batch/],
    ["no wave", () => start(change({ options: { batch: [] } })), 400, /batch/],
    ["an option that is none", () => start(change({ options: { force: true } })), 400, /force/],
    ["a time before all", () => start(change({ options: { soakMs: -1 } })), 400, /soakMs/],
    [
      "an option of set that is none",
      () => start(change({ command: "set", properties: { options: { uid: [] } } })),
      400,
      /uid/,
    ],
    ["hosts that nobody has", () => start(change({ hosts: ["nobody"] })), 404, /nobody/],
    ["a rollout that is none", () => request("POST /api/v1/rollout-abort", '{"id": "r0-0"}'), 404, /no rollout/],
    ["an id that is none", () => request("POST /api/v1/rollout-abort", '{"id": "../../x y"}'), 404, /no rollout/],
  ];

  it.each(cases.map(([what, sent, status, reason]) => ({ what, sent, status, reason })))(
    "$what: $status",
    async (one) => {
      const { status, reason } = await http(one.sent());
      expect({ status, reason }).toEqual({ status: one.status, reason: expect.stringMatching(one.reason) as string });
    },
  );
});

const encoder = new TextEncoder();
const bytes = (value: unknown): Uint8Array =>
  typeof value === "string" ? encoder.encode(value) : encoder.encode(JSON.stringify(value));

describe("over NATS, to the controller", () => {
  const ask = async (subject: string, payload: Uint8Array): Promise<{ code?: string; reason?: string } | string> => {
    const result = await alice.connection.request(subject, payload, 3000);
    return result.kind === "answer" ? (result.message.json() as object) : result.kind;
  };
  const q = subjects.query("alice" as never, "status");
  const ctl = subjects.control("alice" as never, "rollout-start");
  const asked = (properties: unknown): Uint8Array => bytes({ v: 1, id: "x", properties });
  const cases: readonly (readonly [what: string, subject: string, payload: Uint8Array, reason: RegExp])[] = [
    ["nothing", q, new Uint8Array(), /^not a request/],
    ["bytes", q, new Uint8Array([0xff, 0xfe, 0]), /^not a request/],
    ["half of JSON", q, bytes('{"v":1,"id":"x"'), /^not a request/],
    ["depth", q, bytes(deep(100_000)), /^not a request/],
    ["another version", q, bytes({ v: 2, id: "x", properties: {} }), /^not a request: v/],
    ["no id", q, bytes({ v: 1, properties: {} }), /^not a request: id: is missing$/],
    ["an id of a list", q, bytes({ v: 1, id: ["x"], properties: {} }), /^not a request: id/],
    ["properties of a list", q, bytes({ v: 1, id: "x", properties: [1] }), /properties|hosts/],
    ["an actor", q, bytes({ v: 1, id: "x", properties: {}, actor: "root" }), /^not a request: actor: is unknown$/],
    ["a question without words", q, asked({}), /hosts: is missing/],
    ["hosts of numbers", q, asked({ hosts: [1], watcher: null }), /hosts/],
    [
      "a question that is none",
      subjects.query("alice" as never, "secrets"),
      asked({}),
      /^no question 'secrets' is known$/,
    ],
    [
      "a question of every object",
      subjects.query("alice" as never, "constructor"),
      asked({}),
      /^no question 'constructor' is known$/,
    ],
    [
      "a change as a question",
      subjects.query("alice" as never, "rollout-start"),
      asked({}),
      /^no question 'rollout-start' is known$/,
    ],
    ["a change that is none", subjects.control("alice" as never, "drop"), asked({}), /^no change 'drop' is known$/],
    ["a change of nothing", ctl, asked({}), /command: is missing/],
    [
      "a change in a hurry",
      ctl,
      asked({ command: "restart", watcher: "web", hosts: null, options: { soakMs: 1e300 } }),
      /soakMs/,
    ],
    [
      "conditions of air",
      ctl,
      asked({ command: "restart", watcher: "web", hosts: null, where: [{}], options: {} }),
      /where/,
    ],
    ["a reflected PubAck", ctl, bytes({ stream: EVENTS_STREAM, seq: 1 }), /^not a request/],
  ];
  it.each(cases.map(([what, subject, payload, reason]) => ({ what, subject, payload, reason })))(
    "$what",
    async (one) => {
      const answer = await ask(one.subject, one.payload);
      expect(answer).toMatchObject({ ok: false, reason: expect.stringMatching(one.reason) as string });
      expect(JSON.stringify(answer)).not.toMatch(/\\n|internal error/);
    },
  );

  it("heartbeats, snapshots and events that are none leave what is known as it is, and the log says so", async () => {
    const event = { v: 1, epoch: 1, seq: 1, time: 1, kind: "watcher_stopped", watcher: "web", data: {} };
    const F = subjects.root;
    const strange: readonly (readonly [string, unknown])[] = [
      [`${F}.hb.web1`, "x"],
      [`${F}.hb.web1`, { v: 1, epoch: -1, seq: 0, time: 0, interval: 0 }],
      [`${F}.hb.web1`, { v: 1, epoch: 1e300, seq: 1, time: 1, interval: 1, version: "x", load: 0, backlog: 0 }],
      [`${F}.hb._all`, { v: 1, epoch: 1, seq: 1, time: 1, interval: 5000, version: "x", load: 0, backlog: 0 }],
      [`${F}.snap.web1`, { v: 1 }],
      [`${F}.snap.web1`, { v: 1, epoch: 1, seq: 1, time: 1, version: "x", labels: {}, watchers: [] }],
      [`${F}.evt.web1.web.watcher_stopped`, "not json"],
      [`${F}.evt.web1.web.watcher_stopped`, { ...event, watcher: "other" }],
      [`${F}.evt.web1.web.watcher_stopped`, { ...event, kind: "watcher_failed" }],
      [`${F}.evt.web1.web.watcher_stopped`, { ...event, seq: 0 }],
      [`${F}.evt.web1.web.watcher_stopped`, { ...event, epoch: 1e300 }],
      [`${F}.evt.web1.web_.watcher_stopped`, event],
      [`${F}.evt.we%b1.web.watcher_stopped`, event],
    ];
    for (const [subject, payload] of strange) alice.connection.publish(subject, bytes(payload));
    await controller.waitForLine(/events that cannot be read were left out/, 30_000);
    await controller.waitForLine(/a snapshot cannot be read/, 30_000);
    expect(await state()).toBe(before);
  });
});

describe("over NATS, to circusd", () => {
  const envelope = (more: object): object => ({
    ...{ v: 1, id: `h${Math.random()}`.replace(".", ""), issued: Date.now(), ttl: TTL_DEFAULT_MS },
    ...{ command: "stop", properties: { name: "web" } },
    ...more,
  });
  const cases: readonly (readonly [what: string, payload: () => unknown, reason: RegExp])[] = [
    ["nothing", () => "", /./],
    ["no JSON", () => "stop", /./],
    ["a list", () => [], /./],
    ["a reflected PubAck", () => ({ stream: EVENTS_STREAM, domain: "x", seq: 9 }), /./],
    ["another version", () => envelope({ v: 9 }), /v/],
    ["an actor of its own", () => envelope({ actor: "root" }), /actor: is unknown/],
    ["an id that is none", () => envelope({ id: "a b" }), /id/],
    ["an id of a novel", () => envelope({ id: "x".repeat(129) }), /id/],
    ["no time", () => envelope({ issued: null }), /issued/],
    ["of yesterday", () => envelope({ issued: Date.now() - 86_400_000 }), /./],
    ["of tomorrow", () => envelope({ issued: Date.now() + 86_400_000 }), /./],
    ["for ever", () => envelope({ ttl: 1e12 }), /ttl/],
    ["another command than its subject says", () => envelope({ command: "restart" }), /./],
    ["properties of a string", () => envelope({ properties: "name=web" }), /properties/],
    ["a fence of words", () => envelope({ fence: { bucket: "a", revision: 1 } }), /fence/],
    ["a pattern that never ends", () => envelope({ properties: { name: "(a+)+$", match: "regex" } }), /./],
    ["a name of a novel", () => envelope({ properties: { name: "n".repeat(100_000) } }), /./],
    ["no watcher", () => envelope({ properties: { name: "nope" } }), /nope/],
    ["a name that is a list", () => envelope({ properties: { name: ["web"] } }), /name/],
  ];
  it.each(cases.map(([what, payload, reason]) => ({ what, payload, reason })))("$what", async ({ payload, reason }) => {
    const subject = subjects.command("web1" as never, "alice" as never, "stop");
    const result = await alice.connection.request(subject, bytes(payload()), 3000);
    expect(result.kind).toBe("answer");
    if (result.kind !== "answer") return;
    const answer = result.message.json() as { outcome: string; reply: { reason: string } };
    expect(answer.outcome).toBe("refused");
    expect(answer.reply.reason).toMatch(reason);
    expect(answer.reply.reason).not.toMatch(/\n|internal error/);
  });
});
