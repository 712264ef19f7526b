/** The HTTP door over real connections, in front of answers that are made up. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FLEET_CONTROLS, FLEET_QUERIES, gauge, makeLogger, type UserName } from "@circus-cluster/proto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FeedEntry } from "../live/feed.ts";
import type { Readiness } from "../readiness.ts";
import type { AnswerResult, Question } from "./answers.ts";
import { openApi } from "./http/openapi.ts";
import { ROUTES } from "./http/routes.ts";
import { addToken } from "./http/tokens.ts";
import { type HttpBackend, HttpDoor, type HttpLimits } from "./http.ts";

let dir: string;
let tokens: string;
let operator: string;
let viewer: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "circus-http-"));
  tokens = join(dir, "tokens");
  operator = addToken(tokens, { name: "admin" as UserName, role: "operator" });
  viewer = addToken(tokens, { name: "eve" as UserName, role: "viewer" });
});
afterEach(() => rmSync(dir, { recursive: true }));

const log = makeLogger(() => undefined);

class World implements AsyncDisposable {
  readonly door: HttpDoor;
  readonly asked: Question[] = [];
  readonly listeners = new Set<(entry: FeedEntry) => void>();
  readonly lastIds: (string | null)[] = [];
  answer: (question: Question) => AnswerResult = () => ({ ok: true, result: { fine: true } });
  readiness: Readiness = { ready: true, reasons: [] };
  service: Disposable;

  private constructor(door: HttpDoor) {
    this.door = door;
    this.service = door.serve(this.backend);
  }

  static async open({ open = false, limits }: { open?: boolean; limits?: HttpLimits } = {}): Promise<World> {
    const address = { host: "127.0.0.1", port: 0 };
    const door = await HttpDoor.open({ address, tokens: open ? null : tokens, tls: null }, log, limits);
    return new World(door);
  }

  get backend(): HttpBackend {
    return {
      controller: "ctl1",
      fleet: "main",
      answers: {
        answer: (question) => {
          this.asked.push(question);
          return this.answer(question);
        },
      },
      feed: {
        subscribe: (lastId, listener) => {
          this.lastIds.push(lastId);
          this.listeners.add(listener);
          return { missed: [], [Symbol.dispose]: () => this.listeners.delete(listener) };
        },
      },
      logs: {
        view: { hostsWith: () => [] },
        commander: { ask: () => Promise.resolve({ kind: "refused", reason: "not in this test" }) },
      },
      readiness: () => this.readiness,
      metrics: () => [gauge("circus_test", "A test.", 7)],
    };
  }

  async fetch(path: string, { token = viewer, ...init }: RequestInit & { token?: string | null } = {}) {
    const headers = new Headers(init.headers);
    if (token !== null) headers.set("authorization", `Bearer ${token}`);
    const response = await fetch(`http://127.0.0.1:${this.door.port}${path}`, { ...init, headers });
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.startsWith("application/json") === true && text !== "";
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson ? (JSON.parse(text) as unknown) : null,
    };
  }

  post(
    path: string,
    body: string | Uint8Array<ArrayBuffer>,
    token: string | null = operator,
    type = "application/json",
  ) {
    return this.fetch(path, { method: "POST", body, token, headers: { "content-type": type } });
  }

  /** Sends bytes as they are; resolves with all that comes until the server closes. */
  raw(text: string): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect(this.door.port, "127.0.0.1", () => socket.write(text));
      let got = "";
      socket.on("data", (chunk: Buffer) => {
        got += chunk.toString();
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(got));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.service[Symbol.dispose]();
    await this.door[Symbol.asyncDispose]();
  }
}

const error = (code: string, reason: unknown = expect.any(String)): object => ({ error: { code, reason } });

describe("a question", () => {
  it("comes with properties by its schema, and who asks", async () => {
    await using world = await World.open();
    const { status, body, headers } = await world.fetch("/api/v1/status?hosts=a,b&watcher=web");
    expect(status).toBe(200);
    expect(body).toEqual({ controller: "ctl1", time: expect.any(Number) as unknown, result: { fine: true } });
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("access-control-allow-origin")).toBeNull();
    const properties = { hosts: ["a", "b"], watcher: "web" };
    expect(world.asked).toEqual([{ door: "q", verb: "status", properties, actor: "eve" }]);
  });

  it("that is refused has the status of its code", async () => {
    await using world = await World.open();
    world.answer = () => ({ ok: false, code: "not-found", reason: "no host 'x'" });
    expect(await world.fetch("/api/v1/hosts")).toMatchObject({ status: 404, body: error("not-found", "no host 'x'") });
    world.answer = () => ({ ok: false, code: "conflict", reason: "rollout r1 runs" });
    const start = await world.post("/api/v1/rollout-start", "{}");
    expect(start).toMatchObject({ status: 409, body: error("conflict", "rollout r1 runs") });
    world.answer = () => {
      throw new Error("secret detail");
    };
    const broken = await world.fetch("/api/v1/hosts");
    expect(broken).toMatchObject({
      status: 500,
      body: error("internal", expect.stringMatching(/^internal error [0-9a-f]{8}/)),
    });
    expect(broken.text).not.toContain("secret");
  });

  it("takes HEAD and OPTIONS as HTTP wants them, and no other method", async () => {
    await using world = await World.open();
    expect(await world.fetch("/api/v1/hosts", { method: "HEAD" })).toMatchObject({ status: 200, text: "" });
    const options = await world.fetch("/api/v1/hosts", { method: "OPTIONS", token: null });
    expect([options.status, options.headers.get("allow")]).toEqual([204, "GET, HEAD, OPTIONS"]);
    for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
      const refused = await world.fetch("/api/v1/hosts", { method, token: operator });
      expect([method, refused.status, refused.headers.get("allow")]).toEqual([method, 405, "GET, HEAD, OPTIONS"]);
    }
    expect(await world.fetch("/api/v1/rollout-start")).toMatchObject({
      status: 405,
      body: error("method-not-allowed"),
    });
    expect(await world.raw("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).toMatch(/^HTTP\/1.1 204 /);
  });
});

describe("who may do what", () => {
  it("a viewer asks, an operator changes too, under their own names", async () => {
    await using world = await World.open();
    expect(await world.post("/api/v1/rollout-start", '{"a":1}', viewer)).toMatchObject({
      status: 403,
      body: error("forbidden", "'eve' is a viewer; changes are for operators"),
    });
    expect(world.asked).toEqual([]);
    expect(await world.post("/api/v1/rollout-start", '{"a":1}')).toMatchObject({ status: 200 });
    expect(world.asked).toEqual([{ door: "ctl", verb: "rollout-start", properties: { a: 1 }, actor: "admin" }]);
  });

  it("nobody gets anything but health without a valid token", async () => {
    await using world = await World.open();
    const paths = ROUTES.filter(({ right }) => right !== "open");
    for (const { path, method } of paths) {
      for (const token of [null, "circus_wrong", "", `${viewer}x`]) {
        const init = method === "POST" ? { method, body: "{}", headers: { "content-type": "application/json" } } : {};
        const refused = await world.fetch(path, { ...init, token });
        expect([path, refused.status, refused.body]).toEqual([path, 401, error("unauthenticated")]);
        expect(refused.headers.get("www-authenticate")).toMatch(/^Bearer realm="circus"/);
      }
    }
    expect(world.asked).toEqual([]);
    expect(await world.fetch("/healthz", { token: null })).toMatchObject({ status: 200, body: { alive: true } });
    expect(await world.fetch("/readyz", { token: null })).toMatchObject({ status: 200 });
  });

  it("without a file of tokens this machine may read, and nobody change", async () => {
    await using world = await World.open({ open: true });
    expect(await world.fetch("/api/v1/hosts", { token: null })).toMatchObject({ status: 200 });
    expect(world.asked).toMatchObject([{ actor: "anonymous" }]);
    for (const token of [null, operator]) {
      expect(await world.post("/api/v1/rollout-start", "{}", token)).toMatchObject({
        status: 403,
        body: error("forbidden", expect.stringMatching(/^changes need a token/)),
      });
    }
    expect(world.asked).toHaveLength(1);
  });

  it("without a file of tokens a name that was pointed at loopback reads nothing", async () => {
    await using world = await World.open({ open: true });
    const ask = (host: string): Promise<string> =>
      world.raw(`GET /api/v1/hosts HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(await ask("evil.example:8090")).toMatch(/^HTTP\/1.1 421 /);
    expect(await ask("127.0.0.1.evil.example")).toMatch(/^HTTP\/1.1 421 /);
    expect(world.asked).toEqual([]);
    for (const host of ["127.0.0.1", "localhost:8090", "[::1]:8090"])
      expect(await ask(host)).toMatch(/^HTTP\/1.1 200 /);
  });
});

describe("hostile input", () => {
  it.each([
    "//",
    "/index.htm",
    "/app.js/",
    "/./app.js",
    "/../dist/web/app.js",
    "/api/v1",
    "/api/v1/",
    "/api/v1/status/",
    "/api/v1/Status",
    "/api/v1/%73tatus",
    "/api/v1/../v1/status",
    "/api/v1/..%2f..%2fetc%2fpasswd",
    "//api/v1/status",
    "/api/v1/status%00",
    "/api/v1/status;x",
    "/api/v1/__proto__",
    "/api/v1/constructor",
    "http://127.0.0.1/api/v1/status",
  ])("the path %s is nothing", async (path) => {
    await using world = await World.open();
    const head = `Host: a\r\nAuthorization: Bearer ${operator}\r\nConnection: close`;
    const got = await world.raw(`GET ${path} HTTP/1.1\r\n${head}\r\n\r\n`);
    expect(got).toMatch(/^HTTP\/1.1 404 /);
    expect(got).toContain('{"error":{"code":"not-found"');
    expect(world.asked).toEqual([]);
  });

  it.each([
    ["{", "json-invalid", 400],
    ["", "json-invalid", 400],
    [new Uint8Array([0x22, 0xff, 0x22]), "json-invalid", 400],
    ["[".repeat(500_000), "json-invalid", 400],
  ])("a body that is no JSON changes nothing", async (body, code, status) => {
    await using world = await World.open();
    expect(await world.post("/api/v1/rollout-start", body)).toMatchObject({ status, body: error(code) });
    expect(world.asked).toEqual([]);
  });

  it("a body of another type, or packed, is not read", async () => {
    await using world = await World.open();
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"]) {
      const refused = await world.post("/api/v1/rollout-start", "{}", operator, type);
      expect(refused).toMatchObject({ status: 415, body: error("media-type") });
    }
    expect(world.asked).toEqual([]);
  });

  it("a huge body is refused by its announced size, or where it passes the limit", async () => {
    await using world = await World.open();
    const head = `POST /api/v1/rollout-start HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${operator}\r\nContent-Type: application/json`;
    const announced = await world.raw(`${head}\r\nContent-Length: 999999999999\r\n\r\n{`);
    expect(announced).toMatch(/^HTTP\/1.1 413 /);
    const chunk = `${(65_536).toString(16)}\r\n${" ".repeat(65_536)}\r\n`;
    const streamed = await world.raw(`${head}\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(17)}`);
    expect(streamed).toMatch(/^HTTP\/1.1 413 /);
    expect(world.asked).toEqual([]);
  });

  it.each([
    ["huge headers", `GET /healthz HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, 431],
    ["a long query", `GET /api/v1/status?${"x".repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431],
    ["no HTTP", "\x16\x03\x01\x02\x00\x01\x00", 400],
    ["two lengths", "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400],
    [
      "a length and chunks",
      "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      400,
    ],
    ["no host", "GET /healthz HTTP/1.1\r\n\r\n", 400],
  ])("%s ends with an error and the connection", async (_what, text, status) => {
    await using world = await World.open();
    expect(await world.raw(text)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(await world.fetch("/healthz")).toMatchObject({ status: 200 });
  });

  it("a tunnel is not built, and a switch of protocols not made", async () => {
    await using world = await World.open();
    expect(await world.raw("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")).toBe("");
    const upgrade = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n";
    expect(await world.raw(upgrade)).toMatch(/^HTTP\/1.1 200 /);
  });

  it("who sends slowly is cut off, while others are answered", async () => {
    await using world = await World.open({ limits: { headersMs: 400, requestMs: 800, idleMs: 5000 } });
    const slow = world.raw("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    const head = `Host: a\r\nAuthorization: Bearer ${operator}\r\nContent-Type: application/json`;
    const slowBody = world.raw(`POST /api/v1/rollout-start HTTP/1.1\r\n${head}\r\nContent-Length: 10\r\n\r\n{`);
    expect(await world.fetch("/healthz")).toMatchObject({ status: 200 });
    expect(await slow).toMatch(/^HTTP\/1.1 408 /);
    expect(await slowBody).toMatch(/^HTTP\/1.1 408 |^$/);
    expect(world.asked).toEqual([]);
  });

  it("who says nothing at all is cut off too", async () => {
    await using world = await World.open({ limits: { headersMs: 300, requestMs: 600, idleMs: 300 } });
    expect(await world.raw("")).toMatch(/^(HTTP\/1.1 408 |$)/);
  });
});

describe("before and after the connection to NATS", () => {
  it("only health answers; readyz says why", async () => {
    await using world = await World.open();
    world.service[Symbol.dispose]();
    const starting = { status: 503, body: error("starting") };
    expect(await world.fetch("/healthz")).toMatchObject({ status: 200 });
    expect(await world.fetch("/readyz")).toMatchObject({
      status: 503,
      body: { ready: false, reasons: ["not connected to NATS"] },
    });
    for (const path of ["/metrics", "/api/v1/status", "/api/v1/stream"]) {
      expect(await world.fetch(path)).toMatchObject(starting);
    }
    world.service = world.door.serve(world.backend);
    world.readiness = { ready: false, reasons: ["events are stored 12 s late"] };
    expect(await world.fetch("/readyz")).toMatchObject({ status: 503, body: world.readiness });
    expect(await world.fetch("/api/v1/status")).toMatchObject({ status: 200 });
  });

  it("a port in use is one line", async () => {
    await using world = await World.open();
    const config = { address: { host: "127.0.0.1", port: world.door.port }, tokens: null, tls: null };
    await expect(HttpDoor.open(config, log)).rejects.toThrow(
      /^cannot listen on 127\.0\.0\.1:\d+ \(http\): listen EADDRINUSE/,
    );
  });

  it("a certificate that cannot be read is one line", async () => {
    writeFileSync(join(dir, "key.pem"), "");
    const tls = { cert: join(dir, "none.pem"), key: join(dir, "key.pem") };
    const config = { address: { host: "127.0.0.1", port: 0 }, tokens, tls };
    await expect(HttpDoor.open(config, log)).rejects.toThrow(/^http_tls_cert, http_tls_key: ENOENT/);
  });
});

describe("metrics", () => {
  it("are text for Prometheus, with the door's own", async () => {
    await using world = await World.open();
    await world.fetch("/api/v1/nothing");
    const { status, headers, text } = await world.fetch("/metrics");
    expect([status, headers.get("content-type")]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    expect(text).toContain("\ncircus_test 7\n");
    expect(text).toContain('\ncircus_http_answers_total{status="404"} 1\n');
    expect(text).toContain("\ncircus_http_stream_readers 0\n");
  });
});

describe("the web page", () => {
  it("is there for everybody, brings its rules, and is sent again only where it changed", async () => {
    await using world = await World.open();
    const head = async (path: string, headers: Record<string, string> = {}): Promise<Response> =>
      await fetch(`http://127.0.0.1:${world.door.port}${path}`, { headers });
    const index = await head("/");
    expect(index.status).toBe(200);
    expect(index.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(index.headers.get("content-security-policy")).toMatch(/^default-src 'none'; script-src 'self';/);
    const html = await index.text();
    for (const [, file = ""] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const { status, headers } = await head(`/${file}`);
      expect([file, status]).toEqual([file, 200]);
      const again = await head(`/${file}`, { "If-None-Match": headers.get("etag") ?? "" });
      expect([again.status, await again.text()]).toEqual([304, ""]);
    }
    const posted = await fetch(`http://127.0.0.1:${world.door.port}/`, { method: "POST" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  it("comes compressed to who takes that, under a tag of its own, as do large answers", async () => {
    await using world = await World.open();
    world.answer = () => ({ ok: true, result: { long: "x".repeat(9000) } });
    for (const [path, isPackable] of [
      ["/app.js", true],
      ["/api/v1/hosts", true],
      ["/api/v1/whoami", false],
    ] as const) {
      const get = async (encoding: string): Promise<Response> =>
        await fetch(`http://127.0.0.1:${world.door.port}${path}`, {
          headers: { "accept-encoding": encoding, authorization: `Bearer ${viewer}` },
        });
      const [plain, refused, packed] = [await get("identity"), await get("br, gzip;q=0"), await get("br, gzip;q=0.5")];
      const encodings = [plain, refused, packed].map(({ headers }) => headers.get("content-encoding"));
      expect([path, ...encodings]).toEqual([path, null, null, isPackable ? "gzip" : null]);
      const sizes = [plain, packed].map(({ headers }) => Number(headers.get("content-length")));
      expect([path, (sizes[1] ?? 0) < (sizes[0] ?? 0) / 2]).toEqual([path, isPackable]);
      if (path === "/app.js") expect(packed.headers.get("etag")).not.toBe(plain.headers.get("etag"));
      const results = [await plain.text(), await packed.text()].map((text) => text.replace(/"time":\d+/, ""));
      expect([path, results[1]]).toEqual([path, results[0]]);
    }
  });

  it("can ask who it speaks for before anybody has signed in", async () => {
    await using world = await World.open();
    const common = { controller: "ctl1", fleet: "main" };
    const ask = async (token: string | null): Promise<unknown> => (await world.fetch("/api/v1/whoami", { token })).body;
    expect(await ask(viewer)).toEqual({ ...common, name: "eve", role: "viewer", refused: null });
    expect(await ask(null)).toEqual({
      ...common,
      name: null,
      role: null,
      refused: expect.stringMatching(/^a token/) as unknown,
    });
    expect(await ask("circus_x")).toMatchObject({ name: null, refused: "the token is not valid" });
    await using open = await World.open({ open: true });
    expect((await open.fetch("/api/v1/whoami", { token: null })).body).toEqual({
      ...common,
      ...{ name: "anonymous", role: null, refused: null },
    });
  });
});

describe("the OpenAPI document", () => {
  it("has every route of the door, and no other", async () => {
    await using world = await World.open();
    const { body } = await world.fetch("/api/v1/openapi.json");
    expect(body).toEqual(JSON.parse(JSON.stringify(openApi())));
    const { paths } = body as { paths: Record<string, Record<string, object>> };
    const documented = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const table = [
      ...["/healthz", "/readyz", "/metrics"].map((path) => `GET ${path}`),
      ...["openapi.json", "stream", "logs", "whoami"].map((page) => `GET /api/v1/${page}`),
      ...Object.keys(FLEET_QUERIES).map((verb) => `GET /api/v1/${verb}`),
      ...Object.keys(FLEET_CONTROLS).map((verb) => `POST /api/v1/${verb}`),
    ];
    expect(documented.sort()).toEqual(table.sort());
    for (const line of documented.filter((one) => !/(?:stream|logs)$/.test(one))) {
      const [method = "", path = ""] = line.split(" ");
      const { status } = method === "GET" ? await world.fetch(path) : await world.post(path, "{}");
      expect([line, status]).toEqual([line, 200]);
    }
  });
});

describe("the live stream", () => {
  it("is server-sent events, and takes up where the reader was", async () => {
    await using world = await World.open();
    const abort = new AbortController();
    const response = await fetch(`http://127.0.0.1:${world.door.port}/api/v1/stream`, {
      headers: { authorization: `Bearer ${viewer}`, "last-event-id": "L-7" },
      signal: abort.signal,
    });
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(world.lastIds).toEqual(["L-7"]);
    for (const listener of world.listeners) listener({ id: "L-8", event: "host", data: '{"host":"a"}' });
    let text = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes("L-8")) break;
    }
    expect(text).toBe('retry: 3000\n\nid: L-8\nevent: host\ndata: {"host":"a"}\n\n');
    abort.abort();
    await expect.poll(() => world.listeners.size).toBe(0);
  });

  it("lets a reader go who does not read, and never waits for one", async () => {
    await using world = await World.open();
    const socket = connect(world.door.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.pause();
    socket.write(`GET /api/v1/stream HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${viewer}\r\n\r\n`);
    await expect.poll(() => world.listeners.size).toBe(1);
    const data = JSON.stringify("x".repeat(100_000));
    const begun = performance.now();
    let told = 0;
    while (world.listeners.size > 0 && told < 1000) {
      for (const listener of world.listeners) listener({ id: `L-${++told}`, event: "host", data });
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(world.listeners.size).toBe(0);
    expect(told).toBeLessThan(300); // 1 MiB of ours and what the kernel takes
    expect(performance.now() - begun).toBeLessThan(10_000);
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-400);
    });
    socket.resume();
    await new Promise((resolve) => socket.once("close", resolve));
    expect(text).toContain('event: dropped\ndata: {"reason":"too slow: reconnect with the last id"}\n\n');
  });

  it("takes a bounded number of readers, and tells them when the controller goes", async () => {
    await using world = await World.open();
    const open = async () => {
      const headers = { authorization: `Bearer ${viewer}` };
      return await fetch(`http://127.0.0.1:${world.door.port}/api/v1/stream`, { headers });
    };
    const readers = await Promise.all(Array.from({ length: 64 }, open));
    expect(readers.map(({ status }) => status)).toEqual(Array.from({ length: 64 }, () => 200));
    const refused = await open();
    expect([refused.status, await refused.json()]).toEqual([503, error("busy")]);
    world.service[Symbol.dispose]();
    const texts = await Promise.all(readers.map((reader) => reader.text()));
    for (const text of texts) expect(text).toContain('event: dropped\ndata: {"reason":"the controller stops"}');
  });
});
