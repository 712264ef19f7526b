/** `circus-controller check | backup | prune | rebuild`: real programs, files and a real nats-server. */
import { chmod, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { EVENTS_STREAM, type UsageAnswer } from "@circus-cluster/proto";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSqlite } from "../../controller/src/store/sqlite.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { type Program, type Result, run, startProgram } from "../support/process.ts";
import { storedEvents } from "../support/stored-events.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Asker, CONTROLLER, FakeAgent, startController, subjects, writeIni } from "./controller-fixture.ts";

let server: NatsServer;
let dir: TempDir;
let ini: string;
let state: string;
let controller: Program | null = null;
let agent: FakeAgent | null = null;

beforeEach(async () => {
  server = await startNatsServer();
  dir = await tempDir();
  ini = await writeIni(dir, server);
  state = dir.file("state");
});
afterEach(async () => {
  await controller?.stop();
  controller = null;
  await agent?.[Symbol.asyncDispose]();
  agent = null;
  await server[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});
afterAll(() => assertNoLeaks());

const operate = (...words: string[]): Promise<Result> => run(CONTROLLER, words, { deadlineMs: 60_000 });

interface Check {
  readonly ok: boolean;
  readonly checks: readonly { readonly check: string; readonly state: string; readonly text: string }[];
}

async function check(): Promise<{ code: number | null; doc: Check; of: (name: string) => string }> {
  const { code, stdout } = await operate("check", ini, "--json");
  const doc = JSON.parse(stdout) as Check;
  return {
    code,
    doc,
    of: (name) =>
      doc.checks
        .filter((one) => one.check === name)
        .map((one) => `${one.state}: ${one.text}`)
        .join("\n"),
  };
}

/** A controller that has taken so many events of web1. */
async function withEvents(count: number): Promise<FakeAgent> {
  const made = await FakeAgent.start(server, "web1");
  agent = made;
  await made.connection.ensureStream({ name: EVENTS_STREAM, subjects: [subjects.all.events()] });
  controller = await startController(ini);
  await made.emit("agent_started", null);
  for (let i = 1; i < count; i++) await made.emit(i % 2 === 0 ? "watcher_stopped" : "watcher_started", "web");
  await waitFor(() => storedEvents(state).byHost.get("web1") === count, { what: `${count} events` });
  return made;
}

async function stopController(): Promise<void> {
  expect(await controller?.stop()).toEqual({ code: 0, signal: null });
  controller = null;
}

/** A day of long ago, as an older controller left it. */
function addOldDay(file: string, day: string, rows: number): void {
  const db = openSqlite(file);
  const [today] = db
    .prepare("SELECT name, sql FROM sqlite_schema WHERE name GLOB 'ev_[0-9]*' AND type = 'table'")
    .all() as {
    name: string;
    sql: string;
  }[];
  db.exec(today!.sql.replace(today!.name, `ev_${day}`));
  const insert = db.prepare(
    `INSERT INTO ev_${day} SELECT ?, host_id, 1, ?, 1, 1, NULL, NULL, NULL, kind_id, NULL, NULL, '{}', NULL FROM ${today!.name} LIMIT 1`,
  );
  for (let i = 1; i <= rows; i++) insert.run(i, i);
  db.close();
}

/** Names in a directory, without what readers of a database leave beside it. */
const names = async (path: string): Promise<string[]> =>
  (await readdir(path)).filter((name) => !/-(wal|shm)$/.test(name)).sort();

/** Of web on all hosts, in the last hour. */
async function usage(): Promise<UsageAnswer["total"]> {
  await using asker = await Asker.connect(server);
  const now = Date.now();
  const window = { since: now - 3_600_000, until: now + 1000, points: 60, limit: 10 };
  const query = { hosts: null, watcher: "web", by: "none", ...window };
  return (await asker.ask<UsageAnswer>("q", "usage", query)).total;
}

const days = async (): Promise<string> => (await check()).of("events.db").replace(/.*?(\d+ days? of events).*/, "$1");

describe("circus-controller check", () => {
  it("says that there is nothing yet, then what there is, whether or not a controller runs", async () => {
    const fresh = await check();
    expect(fresh.code).toBe(0);
    expect(fresh.of("state_dir")).toMatch(/^ok: .*not there yet/);
    expect(fresh.of("credentials")).toMatch(/^warning: none/);
    await withEvents(5);
    const running = await check();
    expect(running.code).toBe(0);
    expect(running.of("state_dir")).toMatch(/in use by a running controller$/);
    expect(running.of("events.db")).toMatch(/^ok: schema \d+, position \d+ of stream 1, 1 day of events, no gaps, /);
    expect(running.of("rollouts.db")).toMatch(/^ok: schema \d+, 0 rollouts, 0 running, /);
    expect(running.of("usage.db")).toMatch(/^ok: schema \d+, 0 hosts, nothing yet, /);
    await stopController();
    const stopped = await check();
    expect(stopped.of("state_dir")).toMatch(/no controller runs on it$/);
    const text = await operate("check", ini);
    expect(text.stdout.split("\n")[0]).toBe(`ok       settings     ${ini}: ctl1 of fleet main`);
    expect(await names(state)).toEqual(["events.db", "lock", "rollouts.db", "usage.db"]);
  });

  it("finds damage, a newer schema, open doors and bad settings; each line says what to do", async () => {
    await withEvents(5);
    await stopController();
    const newer = openSqlite(dir.file("state", "rollouts.db"));
    newer.pragma("user_version = 99");
    newer.close();
    await writeFile(dir.file("state", "events.db"), "this is no database, whatever its name says".repeat(200));
    const bad = await check();
    expect(bad.code).toBe(1);
    expect(bad.doc.ok).toBe(false);
    expect(bad.of("events.db")).toMatch(
      /^wrong: damaged: file is not a database; stop the controller and make it anew: circus-controller rebuild/,
    );
    expect(bad.of("rollouts.db")).toMatch(/^wrong: of a newer version of circus-controller \(schema 99, known \d+\)/);
    await chmod(state, 0o755);
    expect((await check()).of("state_dir")).toMatch(/^wrong: .*chmod 700 it$/);
    await chmod(state, 0o700);
    await writeFile(ini, "[controller]\nflet = x\n");
    expect((await check()).of("settings")).toContain("unknown key 'flet'");
  });
});

describe("circus-controller backup", () => {
  it("copies a running controller's databases; a controller goes on from the copy", async () => {
    const web1 = await withEvents(20);
    const target = dir.file("copy");
    const made = await operate("backup", ini, target);
    expect(made).toMatchObject({ code: 0, stderr: "" });
    expect(made.stdout).toMatch(
      /events\.db: schema \d+, position \d+, read back and found whole\n.*rollouts\.db: schema \d+, read back.*\n.*usage\.db: schema \d+, read back/,
    );
    expect(storedEvents(target).byHost.get("web1")).toBe(20);
    expect(await names(target)).toEqual(["events.db", "rollouts.db", "usage.db"]);
    const again = await operate("backup", ini, target);
    expect(again).toMatchObject({
      code: 1,
      stderr: `circus-controller: ${target} is there already; name a directory that is not\n`,
    });
    for (let i = 0; i < 10; i++) await web1.emit("watcher_updated", "web");
    await stopController();
    await rm(state, { recursive: true });
    await rename(target, state);
    controller = await startController(ini);
    await waitFor(() => storedEvents(state).byHost.get("web1") === 30, { what: "the events since the copy" });
    const { total, distinct } = storedEvents(state);
    expect(distinct).toBe(total);
  });

  it("is whole or not there, and says what is missing", async () => {
    expect(await operate("backup", ini, dir.file("copy"))).toMatchObject({
      code: 1,
      stderr: `circus-controller: ${state}/events.db is not there: nothing to back up\n`,
    });
    expect(await readdir(dir.path)).toEqual(["controller.ini"]);
  });
});

describe("circus-controller prune", () => {
  it("drops old days by hand, also while the controller runs", async () => {
    const web1 = await withEvents(5);
    for (const day of ["20260101", "20260102"]) addOldDay(dir.file("state", "events.db"), day, 3);
    expect(await days()).toBe("3 days of events");
    const pruned = await operate("prune", ini, "--keep", "7d");
    expect(pruned).toMatchObject({ code: 0, stderr: "" });
    expect(pruned.stdout).toMatch(
      /^dropped the events of 2026-01-01\ndropped the events of 2026-01-02\n2 days and \d+ intervals dropped; /,
    );
    await web1.emit("watcher_updated", "web");
    await waitFor(() => storedEvents(state).byHost.get("web1") === 6, { what: "the controller to go on" });
    await using asker = await Asker.connect(server);
    const window = {
      hosts: null,
      watcher: null,
      kinds: null,
      actor: null,
      since: 0,
      until: Date.now() + 1000,
      limit: 100,
    };
    const { rows } = await asker.ask<{ rows: { host: string }[] }>("q", "events", window);
    expect(rows.filter(({ host }) => host === "web1")).toHaveLength(6);
  });

  it("happens by itself in a running controller, by `keep`", async () => {
    await withEvents(5);
    await stopController();
    addOldDay(dir.file("state", "events.db"), "20260101", 3);
    await writeFile(ini, (await readFile(ini, "utf8")).replace("tick=20ms", "tick=20ms prune=50ms"));
    controller = await startController(ini);
    await controller.waitForLine(/"old days were dropped".*2026-01-01/);
    expect(await days()).toBe("1 day of events");
  });
});

describe("circus-controller rebuild", () => {
  it("refuses beside a running controller, then makes the same database from the stream; usage stays", async () => {
    const web1 = await withEvents(40);
    const report = { v: 1, kind: "usage", span: 10_000, watchers: [["web", 2500, 5_242_880, 2]] };
    web1.connection.publish(subjects.heartbeat(web1.host), report);
    await waitFor(async () => (await usage()).now !== null, { what: "the report" });
    expect((await usage()).now).toMatchObject({ cpu: 25, rss: 5_242_880, processes: 2 });
    expect(await operate("rebuild", ini)).toMatchObject({
      code: 1,
      stderr: `circus-controller: state directory ${state} is in use by another controller\n`,
    });
    await stopController();
    const before = storedEvents(state);
    await writeFile(dir.file("state", "events.db"), "damaged beyond repair".repeat(1000));
    const made = await operate("rebuild", ini);
    expect(made.stderr).toBe("");
    expect(made.code).toBe(0);
    expect(made.stdout).toMatch(/events\.db is made anew from \d+ events\n$/);
    const after = storedEvents(state);
    expect(after.total).toBe(before.total);
    expect(after.byHost).toEqual(before.byHost);
    expect(await names(state)).toEqual(["events.db", "lock", "rollouts.db", "usage.db"]);
    expect((await check()).of("usage.db")).toMatch(/^ok: schema \d+, 1 host, since 20/);
    controller = await startController(ini);
    expect(await usage()).toMatchObject({ now: null, topCpu: { host: "web1", value: 25 } });
    await agent!.emit("watcher_updated", "web");
    await waitFor(() => storedEvents(state).byHost.get("web1") === 41, { what: "the next event" });
  });

  it("leaves everything as it was where NATS or the stream is missing", async () => {
    await withEvents(5);
    await stopController();
    await server.stop();
    const failed = await operate("rebuild", ini);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/^circus-controller: rebuild: cannot connect to .*; the database is as it was\n$/);
    expect(storedEvents(state).byHost.get("web1")).toBe(5);
    await using other = await startNatsServer();
    await writeIni(dir, other);
    expect((await operate("rebuild", ini)).stderr).toMatch(
      /there is no stream EVENTS to make it from; the database is as it was/,
    );
    expect((await readdir(state)).filter((name) => name.includes("new"))).toEqual([]);
  });

  it("begins anew where one before it was killed in the middle", async () => {
    await withEvents(5);
    await stopController();
    await writeFile(dir.file("state", "events.db.new"), "left by a kill");
    const program = await startProgram(CONTROLLER, ["rebuild", ini]);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    await program.stop();
    expect(storedEvents(state).byHost.get("web1")).toBe(5);
  });
});
