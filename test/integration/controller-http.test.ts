/** circus-controller's HTTP door as a program: the same answers as over NATS, live changes, metrics, readiness. */
import { chmod, readFile } from "node:fs/promises";
import { FLEET_CONTROLS, FLEET_QUERIES, type RolloutRecord } from "@circus-cluster/proto";
import { afterAll, describe, expect, it } from "vitest";
import { assertNoLeaks } from "../support/leaks.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { freePort } from "../support/ports.ts";
import { type Program, run, startProgram } from "../support/process.ts";
import { metricFaults } from "../support/prometheus.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Asker, CONTROLLER, FakeAgent, startController, writeIni } from "./controller-fixture.ts";

afterAll(() => assertNoLeaks());

interface HttpAnswer {
  readonly status: number;
  readonly text: string;
  readonly body: unknown;
}

/** A controller with its door and two tokens. */
class Site implements AsyncDisposable {
  readonly ini: string;
  readonly #port: number;
  readonly #tokens = new Map<string, string>();
  controller: Program | null = null;

  private constructor(ini: string, port: number) {
    this.ini = ini;
    this.#port = port;
  }

  /** Not started yet. */
  static async prepare(dir: TempDir, server: Pick<NatsServer, "url">): Promise<Site> {
    const port = await freePort();
    const ini = await writeIni(dir, server, `http = 127.0.0.1:${port}\nhttp_tokens = ${dir.file("tokens")}\n`);
    const site = new Site(ini, port);
    for (const [name, role] of [
      ["alice", "operator"],
      ["eve", "viewer"],
    ] as const) {
      const made = await run(CONTROLLER, ["token", "--name", name, "--role", role, ini]);
      expect(made).toMatchObject({ code: 0, stderr: "" });
      site.#tokens.set(name, made.stdout.trim());
    }
    return site;
  }

  static async start(dir: TempDir, server: Pick<NatsServer, "url">): Promise<Site> {
    const site = await Site.prepare(dir, server);
    site.controller = await startController(site.ini);
    return site;
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.#port}${path}`;
  }

  headers(name: string): Record<string, string> {
    return { authorization: `Bearer ${this.#tokens.get(name)}` };
  }

  async get(path: string, name = "eve"): Promise<HttpAnswer> {
    return await answerOf(await fetch(this.url(path), { headers: this.headers(name) }));
  }

  async post(path: string, properties: object, name = "alice"): Promise<HttpAnswer> {
    const headers = { ...this.headers(name), "content-type": "application/json" };
    return await answerOf(await fetch(this.url(path), { method: "POST", headers, body: JSON.stringify(properties) }));
  }

  async ready(): Promise<void> {
    await waitFor(async () => (await this.get("/readyz")).status === 200, { what: "readiness", deadlineMs: 30_000 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.controller?.stop();
  }
}

async function answerOf(response: Response): Promise<HttpAnswer> {
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  return { status: response.status, text, body: isJson ? (JSON.parse(text) as unknown) : null };
}

/** Events of the live stream, as they come. */
class Reader implements AsyncDisposable {
  readonly events: { readonly id: string; readonly event: string; readonly data: Record<string, unknown> }[] = [];
  readonly #abort = new AbortController();
  #reading: Promise<void> = Promise.resolve();

  static async open(site: Site, lastId: string | null = null): Promise<Reader> {
    const reader = new Reader();
    const headers = { ...site.headers("eve"), ...(lastId === null ? {} : { "last-event-id": lastId }) };
    const response = await fetch(site.url("/api/v1/stream"), { headers, signal: reader.#abort.signal });
    expect(response.status).toBe(200);
    reader.#reading = reader.#read(response).catch(() => undefined);
    return reader;
  }

  find(event: string, part: Record<string, unknown>): boolean {
    return this.events.some(
      (one) => one.event === event && Object.entries(part).every(([key, value]) => one.data[key] === value),
    );
  }

  async until(event: string, part: Record<string, unknown>): Promise<void> {
    await waitFor(() => this.find(event, part), { what: `${event} ${JSON.stringify(part)}`, deadlineMs: 60_000 });
  }

  async #read(response: Response): Promise<void> {
    let text = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const fields = new Map(
          text
            .slice(0, end)
            .split("\n")
            .map((line) => line.split(/: (.*)/s) as [string, string]),
        );
        text = text.slice(end + 2);
        const [id, event, data] = ["id", "event", "data"].map((name) => fields.get(name));
        if (event === undefined || data === undefined) continue;
        this.events.push({ id: id ?? "", event, data: JSON.parse(data) as Record<string, unknown> });
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#reading;
  }
}

/** What differs between two looks at one moment's state. */
function settled(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, one: unknown) =>
      ["ageMs", "time", "upMs", "freeBytes", "usedBytes"].includes(key) ? null : one,
    ),
  );
}

describe("the HTTP door", () => {
  it("answers every question and change as the door on NATS does", async () => {
    await using dir = await tempDir();
    await using server = await startNatsServer();
    await using site = await Site.start(dir, server);
    await using alice = await Asker.connect(server, "alice");
    await using web1 = await FakeAgent.start(server, "web1");
    await using web2 = await FakeAgent.start(server, "web2", { restart: "failed" });
    await web1.run();
    await web2.run();
    await site.ready();
    await waitFor(
      async () => {
        const { body } = await site.get("/api/v1/status");
        return JSON.stringify(body).match(/"healthy":2/g)?.length === 2;
      },
      { what: "both hosts to be seen whole", deadlineMs: 30_000 },
    );
    const request = { command: "restart", watcher: "web", hosts: null, options: { soakMs: 0 } };
    const started = await site.post("/api/v1/rollout-start", request);
    expect(started).toMatchObject({ status: 200, body: { controller: "ctl1", result: { actor: "alice" } } });
    const { id } = (started.body as { result: RolloutRecord }).result;
    await waitFor(async () => (await alice.ask<RolloutRecord>("q", "rollout-show", { id })).ended !== null, {
      what: "the rollout to end",
      deadlineMs: 30_000,
    });
    // Beats alone change nothing that is compared, but for the age.
    await waitFor(
      async () => {
        const { rows } = await alice.ask<{ rows: readonly object[] }>("q", "events", events(["rollout_ended"]));
        return rows.length === 1;
      },
      { what: "its last event", deadlineMs: 30_000 },
    );

    const until = Date.now();
    const window = { since: until - 3_600_000, until };
    const all = ALL;
    const questions: readonly (readonly [keyof typeof FLEET_QUERIES, Record<string, unknown>])[] = [
      ["status", all],
      ["status", { hosts: ["web2", "nobody"], watcher: "web" }],
      ["status", { hosts: ["nobody"], watcher: null }],
      ["status", { hosts: null, watcher: "nothing" }],
      ["hosts", { hosts: null }],
      ["hosts", { hosts: ["web1"] }],
      ["history", { ...all, ...window, limit: 100 }],
      ["history", { hosts: ["web1"], watcher: "web", ...window, limit: 3 }],
      ["history", { ...all, since: until, until: until - 1, limit: 1 }],
      ["history", { ...all, ...window, limit: 10_001 }],
      ["history-at", { ...all, at: until }],
      ["events", events(null)],
      ["events", { ...events(["process_spawned", "watcher_failed"]), hosts: ["web2"] }],
      ["events", { ...events(null), actor: "alice" }],
      ["uptime", { hosts: ["web1"], watcher: "web", ...window }],
      ["uptime", { ...all, ...window }],
      ["usage", { ...all, ...window, by: "host", points: 10, limit: 10 }],
      ["usage", { hosts: ["web1"], watcher: "web", ...window, by: "none", points: 0, limit: 10 }],
      ["doctor", {}],
      ["rollout-list", { limit: 10 }],
      ["rollout-list", { limit: 1001 }],
      ["rollout-show", { id }],
      ["rollout-show", { id: "r0-none" }],
    ];
    expect(new Set(questions.map(([verb]) => verb))).toEqual(new Set(Object.keys(FLEET_QUERIES)));
    let refused = 0;
    for (const [verb, properties] of questions) {
      const [overNats, overHttp] = await Promise.all([
        alice.raw("q", verb, properties),
        site.get(`/api/v1/${verb}?${queryOf(properties)}`),
      ]);
      const what = `${verb} ${JSON.stringify(properties)}`;
      if (overNats.ok) {
        expect([what, overHttp.status]).toEqual([what, 200]);
        expect(settled(overHttp.body)).toEqual(settled({ controller: "ctl1", time: 0, result: overNats.result }));
      } else {
        refused++;
        expect([what, overHttp.status]).toEqual([what, overNats.code === "not-found" ? 404 : 400]);
        expect(overHttp.body).toEqual({ error: { code: overNats.code, reason: overNats.reason } });
      }
    }
    expect(refused).toBe(7);

    const changes: readonly (readonly [keyof typeof FLEET_CONTROLS, object])[] = [
      ["rollout-plan", request],
      ["rollout-plan", { ...request, hosts: ["nobody"] }],
      ["rollout-start", { ...request, watcher: "nothing" }],
      ["rollout-start", { ...request, extra: 1 }],
    ];
    for (const [verb, properties] of changes) {
      const overNats = await alice.raw("ctl", verb, properties);
      const overHttp = await site.post(`/api/v1/${verb}`, properties);
      if (!overNats.ok) expect(overHttp.body).toEqual({ error: { code: overNats.code, reason: overNats.reason } });
      else
        expect(planOf((overHttp.body as { result: RolloutRecord }).result)).toEqual(
          planOf(overNats.result as RolloutRecord),
        );
    }
    expect(await site.post("/api/v1/rollout-start", request, "eve")).toMatchObject({
      status: 403,
      body: { error: { code: "forbidden" } },
    });
    expect(await run(CONTROLLER, ["token", "--revoke", "eve", site.ini])).toMatchObject({
      code: 0,
      stdout: "the token of eve is revoked\n",
    });
    await waitFor(async () => (await site.get("/api/v1/status")).status === 401, { what: "eve to be refused" });
    expect((await run(CONTROLLER, ["token", site.ini, "--list"])).stdout).toBe("alice operator\n");
  });

  it("tells live what changes, and once more to who was away", async () => {
    await using dir = await tempDir();
    await using server = await startNatsServer();
    await using site = await Site.start(dir, server);
    await using web1 = await FakeAgent.start(server, "web1");
    await web1.run();
    await site.ready();
    let lastId: string;
    {
      await using reader = await Reader.open(site);
      await waitFor(() => reader.events.length > 0, { what: "the first event" });
      expect(reader.events[0]).toMatchObject({ event: "reset", data: { reason: "start" } });
      await web1.lower();
      await reader.until("watcher", { host: "web1", name: "web", state: "stopped", running: 0 });
      await web1.raise(web1.watcher.generation + 1);
      await reader.until("watcher", { host: "web1", name: "web", state: "active", healthy: 2 });
      const request = { command: "restart", watcher: "web", hosts: null, options: { soakMs: 0 } };
      expect(await site.post("/api/v1/rollout-start", request)).toMatchObject({ status: 200 });
      await reader.until("rollout", { watcher: "web", actor: "alice", state: "done" });
      lastId = reader.events.at(-1)!.id;
    }
    web1.fallSilent();
    await waitFor(async () => (await site.get("/api/v1/hosts")).text.includes('"presence":"lost"'), {
      what: "the host to be lost",
      deadlineMs: 30_000,
    });
    await using back = await Reader.open(site, lastId);
    await back.until("host", { host: "web1", presence: "lost" });
    await back.until("watcher", { host: "web1", name: "web", state: "unknown", running: 0 });
    expect(back.find("reset", {})).toBe(false);
    await site.controller!.stop();
    await back.until("dropped", { reason: "the controller stops" });
  });

  it("shows the numbers of fleet and controller, and says when it is not ready", async () => {
    await using dir = await tempDir();
    await using server = await startNatsServer();
    await using site = await Site.prepare(dir, server);
    await server.stop();
    await using program = await startProgram(CONTROLLER, [site.ini]);
    await program.waitForLine(/"serving http"/);
    expect(await site.get("/healthz")).toMatchObject({ status: 200, body: { alive: true } });
    expect(await site.get("/readyz")).toMatchObject({
      status: 503,
      body: { ready: false, reasons: ["not connected to NATS"] },
    });
    expect(await site.get("/api/v1/status")).toMatchObject({ status: 503, body: { error: { code: "starting" } } });
    await server.restart();
    await site.ready();
    await using web1 = await FakeAgent.start(server, "web1");
    await web1.run();
    await web1.emit("process_exited", "web", { pid: 101, wid: 1, data: { expected: false, code: 1 } });
    const metrics = await waitFor(
      async () => {
        const { text } = await site.get("/metrics");
        return text.includes("circus_process_crashes_total 1\n") && text.includes('{presence="online"} 1')
          ? text
          : null;
      },
      { what: "the crash to be counted", deadlineMs: 30_000 },
    );
    expect(metricFaults(metrics)).toEqual([]);
    for (const line of [
      'circus_hosts{presence="online"} 1',
      'circus_hosts{presence="lost"} 0',
      'circus_watchers{state="active"} 1',
      'circus_rollouts{state="running"} 0',
      'circus_events_total{kind="agent_started"} 1',
      'circus_events_total{kind="other"} 0',
      'circus_ingest_messages_total{result="refused"} 0',
      "circus_ingest_lag_seconds 0",
      "circus_stream_generation 1",
      "circus_nats_connected 1",
      'circus_controller_info{name="ctl1",version="0.1.0"} 1',
    ]) {
      expect(metrics).toContain(`\n${line}\n`);
    }
    expect(Number(/circus_store_bytes\{file="events\.db-wal"\} (\d+)/.exec(metrics)?.[1])).toBeGreaterThan(4096);
    await server.kill9();
    await waitFor(async () => (await site.get("/readyz")).text.includes("not connected"), { what: "the loss of NATS" });
    expect(await site.get("/healthz")).toMatchObject({ status: 200 });
    expect(await program.stop()).toEqual({ code: 0, signal: null });
    expect(program.stderr).not.toContain(site.headers("eve")["authorization"]!.slice(7));
  });

  it("refuses to be open to the network without tokens, and a port that is taken", async () => {
    await using dir = await tempDir();
    await using server = await startNatsServer();
    const open = await writeIni(dir, server, "http = 0.0.0.0:8090\n");
    expect(await run(CONTROLLER, [open])).toMatchObject({
      code: 1,
      stderr: `${open}:6: '0.0.0.0:8090' can be reached from elsewhere, so it needs 'http_tokens'; or use 127.0.0.1\n`,
    });
    const taken = await writeIni(dir, server, `http = 127.0.0.1:${server.port}\n`);
    const { code, stderr } = await run(CONTROLLER, [taken]);
    expect([code, stderr]).toEqual([
      1,
      `circus-controller: cannot listen on 127.0.0.1:${server.port} (http): listen EADDRINUSE: address already in use 127.0.0.1:${server.port}\n`,
    ]);
  });

  it("makes a token once, for a file that nobody else may read", async () => {
    await using dir = await tempDir();
    const site = await Site.prepare(dir, { url: "nats://127.0.0.1:1" });
    const words = (name: string) => ["token", "--name", name, "--role", "viewer", site.ini];
    const before = await readFile(dir.file("tokens"), "utf8");
    expect(await run(CONTROLLER, words("eve"))).toMatchObject({
      code: 1,
      stdout: "",
      stderr: `circus-controller: 'eve' has a token already; revoke it first (token --revoke eve)\n`,
    });
    await chmod(dir.file("tokens"), 0o644);
    expect(await run(CONTROLLER, words("bob"))).toMatchObject({ code: 1, stdout: "" });
    expect(await readFile(dir.file("tokens"), "utf8")).toBe(before);
    const none = await writeIni(dir, { url: "nats://127.0.0.1:1" });
    expect(await run(CONTROLLER, words("bob").with(-1, none))).toMatchObject({
      code: 1,
      stderr: "circus-controller: the file has no 'http' with 'http_tokens', the place of the tokens\n",
    });
  });
});

function queryOf(properties: Readonly<Record<string, unknown>>): string {
  const given = Object.entries(properties).filter(([, value]) => value !== null);
  return new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)])).toString();
}

const ALL = { hosts: null, watcher: null };

function events(kinds: readonly string[] | null): Record<string, unknown> {
  return { ...ALL, kinds, actor: null, since: 0, until: Date.now() + 1000, limit: 500 };
}

/** A plan without what is each plan's own. */
function planOf({ watcher, actor, state, options, steps }: RolloutRecord): object {
  return { watcher, actor, state, options, steps: steps.map(({ host, wave, state: step }) => ({ host, wave, step })) };
}
