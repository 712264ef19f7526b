/** Notifications: a real controller, a real webhook and a real command; agents only pretend. */
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { FleetAnswers } from "@circus-cluster/proto";
import { afterAll, afterEach, beforeEach, expect, it } from "vitest";
import { assertNoLeaks } from "../support/leaks.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { type Program, run } from "../support/process.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { Asker, CONTROLLER, FakeAgent, kill9, startController, writeIni } from "./controller-fixture.ts";

interface Message {
  readonly id: string;
  readonly rule: string;
  readonly text: string;
  readonly notices: readonly { readonly condition: string; readonly state: string; readonly text: string }[];
}

let server: NatsServer;
let dir: TempDir;
let hook: Server;
/** What the webhook answers. */
let status: number;
const refused: Message[] = [];
const taken: Message[] = [];
let controller: Program | null = null;
const agents: FakeAgent[] = [];

beforeEach(async () => {
  server = await startNatsServer();
  dir = await tempDir();
  status = 200;
  hook = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => {
      (status === 200 ? taken : refused).push(JSON.parse(body) as Message);
      response.writeHead(status).end();
    });
  });
  hook.listen(0, "127.0.0.1");
  await once(hook, "listening");
});
afterEach(async () => {
  await controller?.stop();
  controller = null;
  for (const agent of agents.splice(0)) await agent[Symbol.asyncDispose]();
  hook.closeAllConnections();
  hook.close();
  await server[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});
afterAll(() => assertNoLeaks());

async function agentOf(host: string, role: string): Promise<FakeAgent> {
  const agent = await FakeAgent.start(server, host, { labels: { role } });
  agents.push(agent);
  await agent.run();
  return agent;
}

it("tells a webhook and a command, over a crash and at another controller, each thing once", async () => {
  const said = dir.file("said");
  const rules = `
[notify:oncall]
webhook = http://127.0.0.1:${(hook.address() as AddressInfo).port}/
where = role=web
[notify:file]
on = host_lost
command = "cat >> ${said}; echo >> ${said}"
`;
  const ini = await writeIni(dir, server, rules, "3000ms");
  controller = await startController(ini);
  const web1 = await agentOf("web1", "web");
  const db1 = await agentOf("db1", "db");
  await using alice = await Asker.connect(server);
  const hostsOn = async (): Promise<number> =>
    (await alice.ask<FleetAnswers["hosts"]>("q", "hosts", { hosts: null })).hosts.filter(
      ({ presence, labels }) => presence === "online" && labels["role"] !== undefined,
    ).length;
  await waitFor(async () => (await hostsOn()) === 2, { what: "both hosts with their labels" });

  // Nobody takes it; the controller dies with it.
  status = 503;
  await db1.emit("watcher_failed", "web", { data: { reason: "not of the rule" } });
  await web1.emit("watcher_failed", "web", { data: { reason: "exit 1" } });
  await web1.emit("watcher_failed", "web", { data: { reason: "exit 1" } });
  await waitFor(() => refused.length > 0, { what: "an attempt" });
  await kill9(controller);
  expect(taken).toEqual([]);

  // The next one sends it, and what comes after it.
  status = 200;
  controller = await startController(ini);
  await waitFor(() => taken.length === 1, { what: "the notice" });
  expect(taken[0]?.id).toBe(refused[0]?.id);
  expect(taken[0]).toMatchObject({
    rule: "oncall",
    text: "[main] watcher web on web1 failed: exit 1",
    notices: [{ condition: "watcher_failed", state: "begins" }],
  });
  await web1.raise(7);
  await waitFor(() => taken.length === 2, { what: "its end" });
  expect(taken[1]?.text).toBe("[main] watcher web on web1 runs again");

  db1.fallSilent();
  await waitFor(async () => (await readFile(said, "utf8").catch(() => "")).includes("\n\n"), { what: "the command" });
  const told = JSON.parse(await readFile(said, "utf8")) as Message;
  expect([told.rule, told.text]).toEqual(["file", "[main] host db1 is lost"]);

  const sent = async (): Promise<readonly string[]> => {
    const query = {
      hosts: null,
      watcher: null,
      since: 0,
      until: Date.now() + 60_000,
      limit: 100,
      kinds: ["notice_sent"],
      actor: null,
    };
    const { rows } = await alice.ask<FleetAnswers["events"]>("q", "events", query);
    return rows.map(({ data }) => `${String(data["rule"])}: ${String(data["text"])}`).sort();
  };
  await waitFor(async () => (await sent()).length === 3, { what: "the events of what was sent" });
  expect(await sent()).toEqual([
    "file: [main] host db1 is lost",
    "oncall: [main] watcher web on web1 failed: exit 1",
    "oncall: [main] watcher web on web1 runs again",
  ]);

  // One that knows nothing but the stream has nothing to add.
  await controller.stop();
  await rm(dir.file("state"), { recursive: true });
  controller = await startController(ini);
  await web1.emit("outbox_truncated", null);
  await waitFor(() => taken.length > 2, { what: "something new" });
  expect(taken.slice(2).map(({ text }) => text)).toEqual([
    "[main] host web1 had to drop events that NATS did not take in time; its history has a gap",
  ]);
  expect((await readFile(said, "utf8")).trim().split("\n")).toHaveLength(1);
});

it("sends a test by each rule, and says what did not arrive", async () => {
  const port = (hook.address() as AddressInfo).port;
  const ini = await writeIni(
    dir,
    server,
    `[notify:chat]\nwebhook = http://127.0.0.1:${port}/secret\n[notify:page]\ncommand = "echo no line >&2; exit 4"\n`,
  );
  const test = (...words: string[]) => run(CONTROLLER, ["notify-test", ini, ...words], { deadlineMs: 30_000 });
  taken.length = 0;
  const both = await test();
  expect([both.code, both.stderr]).toEqual([1, ""]);
  expect(both.stdout.split("\n").sort()).toEqual([
    "",
    expect.stringMatching(new RegExp(`^chat: 127.0.0.1:${port}: delivered in \\d+ ms$`)),
    "page: echo: failed: exit 4: no line",
  ]);
  expect(taken.map(({ text }) => text)).toEqual(["[main] a test of the rule 'chat'"]);
  expect(await test("--rule", "chat")).toMatchObject({ code: 0, stderr: "" });
  expect(await test("--rule", "none")).toMatchObject({
    code: 1,
    stderr: "circus-controller: there is no section [notify:none]; known: chat, page\n",
  });
});
