/** Programs one minor version apart: what was recorded of each released version is read by the present one. */
import { chmodSync, cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type CommandEnvelope,
  EVENTS_STREAM,
  type FleetEvent,
  heartbeat,
  hostSnapshot,
  makeLogger,
  messageId,
  parse,
  Subjects,
} from "@circus-cluster/proto";
import { connectFleet, createSeed } from "@circus-cluster/proto/nats";
import { afterAll, describe, expect, it } from "vitest";
import { Answers } from "../../agent/src/commands/answers.ts";
import { Outbox } from "../../agent/src/events/outbox.ts";
import { takeSnapshot } from "../../controller/src/live/model.ts";
import { openDatabase } from "../../controller/src/store/database.ts";
import { EVENTS_MIGRATIONS, migrate, ROLLOUTS_MIGRATIONS } from "../../controller/src/store/migrations.ts";
import { openSqlite } from "../../controller/src/store/sqlite.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { projectRoot, run } from "../support/process.ts";
import { storedEvents } from "../support/stored-events.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Asker, CONTROLLER, FakeAgent, startController, subjects, writeIni } from "./controller-fixture.ts";

afterAll(() => assertNoLeaks());

const ROOT = join(projectRoot, "test/fixtures/skew");
const VERSIONS = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const log = makeLogger(() => undefined);
const clock = { wall: () => Date.now(), monotonic: () => performance.now() };

interface Recorded {
  readonly subject: string;
  readonly event: FleetEvent;
}

function recorded(version: string): readonly Recorded[] {
  const text = readFileSync(join(ROOT, version, "events.jsonl"), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Recorded);
}

const json = (version: string, name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(ROOT, version, name), "utf8")) as Record<string, unknown>;

function restore(path: string, version: string, name: string): void {
  const db = openSqlite(path);
  db.exec(readFileSync(join(ROOT, version, name), "utf8"));
  db.close();
}

/** As a newer minor version would send it: a kind, fields and data that nobody here knows. */
function ofTomorrow({ subject, event }: Recorded): Recorded {
  if (event.kind !== "process_healthy") return { subject, event: { ...event, ...{ tint: "blue" } } };
  return {
    subject: subject.replace(/process_healthy$/, "process_radiant"),
    event: { ...event, kind: "process_radiant", data: { ...event.data, light: [1, 2] }, ...{ tint: "blue" } },
  };
}

describe.each(VERSIONS)("what version %s has left", (version) => {
  it.each([
    ["as it was recorded", (one: Recorded) => one],
    ["as a newer version would send it", ofTomorrow],
  ])("events %s: a controller keeps every one, whole, and shows the same states", async (_how, change) => {
    await using server = await startNatsServer();
    await using dir = await tempDir();
    const events = recorded(version).map(change);
    await using program = await startController(await writeIni(dir, server));
    await using asker = await Asker.connect(server);
    for (const { subject, event } of events) {
      const host = subject.split(".")[3] ?? "";
      expect((await asker.connection.store(subject, event, messageId(host, event), 5000)).kind).toBe("stored");
    }
    await waitFor(
      () =>
        (storedEvents(dir.file("state")).byHost.get("web1") ?? 0) ===
        events.filter(({ subject }) => subject.includes(".web1.")).length,
      { what: "all events of web1" },
    );
    const window = { hosts: ["web1"], watcher: null, since: 0, until: Date.now() + 1e6, limit: 1000 };
    const { rows, gaps } = await asker.ask<{ rows: { kind: string; data: object }[]; gaps: object[] }>("q", "events", {
      ...window,
      ...{ kinds: null, actor: null },
    });
    expect(gaps).toEqual([]);
    const sent = events
      .filter(({ subject }) => subject.includes(".web1."))
      .map(({ event }) => [event.kind, event.data]);
    expect(rows.map(({ kind, data }) => [kind, data])).toEqual(sent);
    const { rows: states } = await asker.ask<{ rows: { watcher: string; state: string }[] }>("q", "history-at", {
      ...{ hosts: ["web1"], watcher: null },
      at: Math.max(...events.map(({ event }) => event.time)) + 1,
    });
    expect(states.map(({ watcher, state }) => `${watcher} ${state}`).sort()).toEqual([
      "flaky active",
      "odd.name stopped",
      "web active",
    ]);
    expect(program.stderr).not.toContain("cannot be read");
    const db = openSqlite(dir.file("state", "events.db"), { readonly: true });
    const table = db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'ev_[0-9]*'")
      .pluck()
      .get() as string;
    const more = db
      .prepare(`SELECT DISTINCT more FROM ${table} WHERE host_id = (SELECT id FROM host WHERE name = 'web1')`)
      .pluck()
      .all();
    db.close();
    expect(more).toEqual(change === ofTomorrow ? ['{"tint":"blue"}'] : [null]);
  });

  it("snapshot and heartbeat: read, and what is unknown in them ignored", () => {
    const snapshot = json(version, "snapshot.json");
    const beat = json(version, "heartbeat.json");
    expect(parse(heartbeat, beat).ok).toBe(true);
    expect(parse(heartbeat, { ...beat, mood: "good" }).ok).toBe(true);
    const old = parse(hostSnapshot, snapshot);
    const [first, ...rest] = snapshot["watchers"] as readonly object[];
    const newer = parse(hostSnapshot, { ...snapshot, mood: "good", watchers: [{ ...first, tint: "blue" }, ...rest] });
    if (!old.ok || !newer.ok) throw new Error("a snapshot is refused");
    const names = (value: typeof old.value): unknown[] =>
      [...takeSnapshot(null, value).watchers.values()].map(({ name, state, numprocesses }) => [
        name,
        state,
        numprocesses,
      ]);
    expect(names(newer.value)).toEqual(names(old.value));
    expect(names(old.value)).toHaveLength(3);
  });

  it("the agent's journal: its ids are still taken, unsent events come first, the epoch grows", async () => {
    await using dir = await tempDir();
    cpSync(join(ROOT, version, "agent"), dir.path, { recursive: true });
    const lines = readFileSync(dir.file("answers.jsonl"), "utf8")
      .split("\n")
      .filter((line) => line !== "");
    const results = lines
      .map((line) => JSON.parse(line) as { t: string; id: string; answer?: object })
      .filter(({ t }) => t === "result");
    expect(results.length).toBeGreaterThan(2);
    const answers = Answers.open({
      stateDir: dir.path,
      clock: { wall: () => Number(readFileSync(dir.file("epoch"), "utf8")) },
      log,
    });
    for (const { id } of results) {
      const envelope: CommandEnvelope = { v: 1, id, issued: 0, ttl: 1, command: "frobnicate", properties: {} };
      // Known: another command under its id is refused, not begun.
      expect(answers.claim(envelope)).toMatchObject({ kind: "refused", code: "conflict" });
    }
    answers.close();
    const stream = new Set(recorded(version).map(({ event }) => `${event.epoch}:${event.seq}`));
    const before = Number(readFileSync(dir.file("epoch"), "utf8"));
    const outbox = Outbox.open({ stateDir: dir.path, fleet: "main", host: "web1" as never, clock, log });
    expect(outbox.epoch).toBeGreaterThan(before);
    const unsent = outbox.backlog;
    expect(unsent).toBeGreaterThan(0);
    await using server = await startNatsServer();
    const connection = await connectFleet({ servers: [server.url], name: "web1", credentials: null, mode: "service" });
    const heard: string[] = [];
    await connection.ensureStream({ name: EVENTS_STREAM, subjects: [new Subjects("main").all.events()] });
    connection.subscribe(subjects.all.events(), (message) => {
      const { epoch, seq } = message.json() as FleetEvent;
      heard.push(`${epoch}:${seq}`);
    });
    outbox.attach(connection);
    await waitFor(() => outbox.backlog === 0, { what: "the unsent events to be taken" });
    outbox.detach();
    await outbox.close();
    await connection.close();
    expect(heard).toHaveLength(unsent);
    expect(heard.some((id) => !stream.has(id))).toBe(true); // what happened while the broker was gone
  });

  it("the controller's databases: looked at, brought up to date, gone on with", async () => {
    await using server = await startNatsServer();
    await using dir = await tempDir();
    await dir.write("state/none", "");
    chmodSync(dir.file("state"), 0o700);
    for (const name of ["events", "rollouts"]) restore(dir.file("state", `${name}.db`), version, `${name}.sql`);
    const before = storedEvents(dir.file("state")).total;
    expect(before).toBeGreaterThan(50);
    const ini = await writeIni(dir, server);
    expect((await run(CONTROLLER, ["check", ini])).code).toBe(0);
    await using _program = await startController(ini);
    await using asker = await Asker.connect(server);
    const { rollouts } = await asker.ask<{ rollouts: { command: string; watcher: string; state: string }[] }>(
      "q",
      "rollout-list",
      { limit: 10 },
    );
    expect(rollouts).toMatchObject([{ command: "restart", watcher: "web", state: "done" }]);
    await using agent = await FakeAgent.start(server, "web1");
    await agent.emit("agent_started", null);
    await waitFor(() => storedEvents(dir.file("state")).total > before, { what: "the next event" });
  });
});

describe("databases of every schema there was", () => {
  it.each([
    ["events", EVENTS_MIGRATIONS, "INSERT INTO host(name) VALUES('web1')", "SELECT count(*) FROM host"],
    [
      "rollouts",
      ROLLOUTS_MIGRATIONS,
      `INSERT INTO rollout(id, command, watcher, actor, created, state, options)
       VALUES('r1', 'restart', 'web', 'alice', 1, 'done', '{}')`,
      "SELECT count(*) FROM rollout",
    ],
  ])("%s: a file of each is brought to the present one with what is in it", async (_name, steps, insert, count) => {
    await using dir = await tempDir();
    for (let schema = 1; schema <= steps.length; schema++) {
      const path = dir.file(`${schema}.db`);
      const old = openSqlite(path);
      migrate(old, steps.slice(0, schema));
      old.exec(insert);
      old.close();
      const db = openDatabase(path, steps, "NORMAL");
      expect(db.pragma("user_version", { simple: true })).toBe(steps.length);
      expect(db.prepare(count).pluck().get()).toBe(1);
      db.close();
    }
  });
});

describe("an agent that is older than circusctl", () => {
  it("answers `unknown command`, which is told for that host; the others do it", async () => {
    await using server = await startNatsServer();
    await using dir = await tempDir();
    await using _program = await startController(await writeIni(dir, server));
    const agents = ["old1", "new1"].map((host) =>
      connectFleet({ servers: [server.url], name: host, credentials: null, mode: "service" }),
    );
    const [old, recent] = await Promise.all(agents);
    await using web1 = await FakeAgent.start(server, "old1");
    await using web2 = await FakeAgent.start(server, "new1");
    await Promise.all([web1, web2].map((agent) => agent.run()));
    const answer = (connection: typeof old, host: string, reply: object, outcome: string): void => {
      connection?.subscribe(subjects.all.commandsTo(host as never), (message) => {
        const { id, command } = message.json() as CommandEnvelope;
        if (command !== "numwatchers" || message.reply === undefined) return;
        connection.publish(message.reply, { v: 1, id, outcome, reply: { time: 0, ...reply } });
      });
    };
    answer(old, "old1", { status: "error", reason: "unknown command: 'numwatchers'", errno: 2 }, "refused");
    answer(recent, "new1", { status: "ok", numwatchers: 1 }, "done");
    await Promise.all([old?.flush(2000), recent?.flush(2000)]);
    await dir.write(
      "alice.creds",
      JSON.stringify({ v: 1, fleet: "main", role: "operator", name: "alice", seed: createSeed() }),
      0o600,
    );
    const env = { CIRCUSCTL_NATS: server.url, CIRCUSCTL_CREDS: dir.file("alice.creds") };
    const done = await run("circusctl", ["--host", "old1,new1", "numwatchers"], { env });
    expect(done).toMatchObject({
      code: 4,
      stdout: "new1: 1\n",
      stderr: "circusctl: old1: error: unknown command: 'numwatchers'\n",
    });
    await Promise.all([old?.close(), recent?.close()]);
  });
});
