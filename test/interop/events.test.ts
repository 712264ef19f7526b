/**
 * What is heard on the event socket for each deed (reference §6, §2.10), as a Python client hears it: topics, bodies and
 * their order. With CIRCUS_SRC the same deeds are done to circusd 0.19; what differs stands beside the row with its reason.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { assertNoLeaks } from "../support/leaks.ts";
import { projectRoot } from "../support/process.ts";
import { waitFor } from "../support/wait.ts";
import { zmqCall } from "../support/zmq-call.ts";
import { PythonClient, type Reply } from "./client.ts";
import { BUSY, circusSource, circusWorld, type More, ourWorld, type World } from "./world.ts";

interface Row {
  /** A command, or a signal to the watcher's process from outside. */
  readonly deed: readonly [command: string, properties: Reply] | { readonly kill: NodeJS.Signals; readonly of: string };
  /** Behind `watcher.`, with what the body has besides times and pids. */
  readonly heard: readonly string[];
  readonly circus?: { readonly why: string; readonly heard: readonly string[] };
}

const PY = "circus_hooks_fixture";
/** `ready.min_uptime` is none of Circus's keys: a reload of ours shall not wait for it. */
const WATCHER = { cmd: "sleep 1004", autostart: "False", "ready.min_uptime": "0s" };
const MORE: More = {
  sections: {
    "watcher:Web App": WATCHER,
    "watcher:job": { ...WATCHER, cmd: "sh -c 'exit 3'", respawn: "False" },
    "watcher:hup": { ...WATCHER, send_hup: "True", cmd: "sh -c 'trap : HUP; while :; do sleep 0.1; done'" },
    "watcher:stubborn": { ...WATCHER, graceful_timeout: 0.3, cmd: "sh -c 'trap : TERM; while :; do sleep 0.1; done'" },
    "watcher:asks": {
      ...WATCHER,
      "hooks.before_start": `${PY}.environment`,
      "hooks.before_spawn": `${PY}.environment`,
      "hooks.after_spawn": `${PY}.environment`,
      "hooks.after_start": `${PY}.yes`,
      "hooks.before_stop": `${PY}.no`,
      "hooks.after_stop": `${PY}.no`,
    },
    "watcher:refused": { ...WATCHER, "hooks.before_start": `${PY}.no` },
    "watcher:vetoed": { ...WATCHER, "hooks.before_spawn": `${PY}.fails` },
    "watcher:unwanted": { ...WATCHER, "hooks.after_spawn": `${PY}.no` },
    "watcher:spared": { ...WATCHER, "hooks.before_start": `${PY}.fails, true` },
    "env:asks,refused,vetoed,unwanted,spared": { PYTHONPATH: join(projectRoot, "test/fixtures") },
  },
  env: { HOOK_LOG: "/dev/null" },
};

const ENDS = "every end is a `reap`";
const up = (name: string): string[] => [`${name}.spawn`, `${name}.start`];
const down = (name: string): string[] => [`${name}.kill`, `${name}.reap -15`, `${name}.stop`];

const ROWS: readonly Row[] = [
  { deed: ["start", { name: "web app" }], heard: up("web_app") },
  { deed: ["start", { name: "web app" }], heard: [] },
  { deed: ["restart", { name: "web app" }], heard: [...down("web_app"), ...up("web_app")] },
  {
    deed: ["reload", { name: "web app" }],
    heard: ["web_app.spawn", "web_app.kill", "web_app.reap -15", "web_app.reload"],
    circus: { why: ENDS, heard: ["web_app.spawn", "web_app.kill", "web_app.reload"] },
  },
  {
    deed: ["reload", { name: "web app", sequential: true }],
    heard: ["web_app.kill", "web_app.reap -15", "web_app.spawn", "web_app.reload"],
  },
  { deed: ["reload", { name: "web app", graceful: false }], heard: [...down("web_app"), ...up("web_app")] },
  { deed: ["stop", { name: "web app" }], heard: down("web_app") },
  { deed: ["stop", { name: "web app" }], heard: [] },
  { deed: ["reload", { name: "web app" }], heard: [...up("web_app"), "web_app.reload"] },
  { deed: { kill: "SIGKILL", of: "web app" }, heard: ["web_app.reap -9", "web_app.spawn"] },
  { deed: ["signal", { name: "web app", signum: "TERM" }], heard: ["web_app.reap -15", "web_app.spawn"] },
  {
    deed: ["kill", { name: "web app", signum: "INT" }],
    heard: ["web_app.kill", "web_app.reap -2", "web_app.spawn"],
    circus: { why: ENDS, heard: ["web_app.kill", "web_app.spawn"] },
  },
  { deed: ["incr", { name: "web app" }], heard: ["web_app.spawn"] },
  {
    deed: ["decr", { name: "web app" }],
    heard: ["web_app.kill", "web_app.reap -15"],
    circus: { why: ENDS, heard: ["web_app.kill"] },
  },
  {
    deed: ["set", { name: "web app", options: { warmup_delay: 0, stop_signal: 15 } }],
    heard: ["web_app.updated", "web_app.updated"],
  },
  { deed: ["rm", { name: "web app" }], heard: ["web_app.remove", ...down("web_app")] },
  { deed: ["add", { name: "New One", cmd: "sleep 1005", start: true }], heard: ["new_one.add", ...up("new_one")] },
  { deed: ["rm", { name: "new one" }], heard: ["new_one.remove", ...down("new_one")] },
  { deed: ["start", { name: "bad" }], heard: ["bad.stop"] },
  { deed: ["start", { name: "job" }], heard: [...up("job"), "job.reap 3", "job.stop"] },
  { deed: ["start", { name: "hup" }], heard: up("hup") },
  { deed: ["reload", { name: "hup" }], heard: ["hup.reload"] },
  { deed: ["stop", { name: "hup" }], heard: down("hup") },
  { deed: ["start", { name: "stubborn" }], heard: up("stubborn") },
  {
    deed: ["stop", { name: "stubborn" }],
    heard: ["stubborn.kill", "stubborn.kill", "stubborn.reap -9", "stubborn.stop"],
  },
  {
    deed: ["start", { name: "asks" }],
    heard: [
      ...["asks.hook_success before_start", "asks.hook_success before_spawn", "asks.hook_success after_spawn"],
      ...["asks.spawn", "asks.hook_success after_start", "asks.start"],
    ],
  },
  {
    deed: ["stop", { name: "asks" }],
    heard: ["asks.hook_success before_stop", ...down("asks"), "asks.hook_success after_stop"],
  },
  { deed: ["start", { name: "refused" }], heard: ["refused.hook_success before_start"] },
  {
    deed: ["start", { name: "vetoed" }],
    heard: ["vetoed.hook_failure before_spawn: no database", "vetoed.stop"],
  },
  {
    deed: ["start", { name: "unwanted" }],
    heard: [
      ...["unwanted.hook_success after_spawn", "unwanted.kill", "unwanted.spawn"],
      ...["unwanted.reap -15", "unwanted.stop"],
    ],
    circus: {
      why: `${ENDS}, of a process that was told of`,
      heard: ["unwanted.hook_success after_spawn", "unwanted.kill", "unwanted.stop"],
    },
  },
  {
    deed: ["start", { name: "spared" }],
    heard: ["spared.hook_failure before_start: no database", ...up("spared")],
  },
  { deed: ["stop", { name: "spared" }], heard: down("spared") },
];

/** Which members a body has besides `time`, and how they are shown. */
const BODIES: Readonly<Record<string, readonly string[]>> = {
  spawn: ["process_pid"],
  kill: ["process_pid"],
  reap: ["exit_code", "process_pid"],
  hook_success: ["name"],
  hook_failure: ["error", "name"],
};

function told([topic, body]: readonly [string, Reply]): string {
  const [, name = "", event = ""] = topic.split(".");
  const { time, process_pid: pid, ...rest } = body;
  const members = Object.keys(body).filter((key) => key !== "time");
  expect([topic, members.sort()]).toEqual([topic, BODIES[event] ?? []]);
  expect([topic, typeof time, pid === undefined || Number.isInteger(pid)]).toEqual([topic, "number", true]);
  expect(Math.abs(Number(time) - Date.now() / 1000)).toBeLessThan(60);
  const { exit_code: exitCode, name: hook, error } = rest as { exit_code?: number; name?: string; error?: string };
  const more = exitCode ?? (error === undefined ? hook : `${hook ?? ""}: ${error}`);
  return more === undefined ? `${name}.${event}` : `${name}.${event} ${more}`;
}

async function perform({ endpoint }: World, deed: Row["deed"]): Promise<void> {
  if ("kill" in deed) {
    const { pids } = await zmqCall(endpoint, { command: "list", properties: { name: deed.of } });
    process.kill((pids as number[])[0] ?? 0, deed.kill);
    return;
  }
  const [command, properties] = deed;
  await waitFor(
    async () => {
      const reply = await zmqCall(endpoint, { command, properties });
      if (BUSY.test(String(reply["reason"]))) return false;
      expect(reply).toMatchObject({ status: "ok" });
      return true;
    },
    { what: `${command} to be taken`, everyMs: 100 },
  );
}

function events(name: string, isCircus: boolean, start: () => Promise<World>): void {
  describe(name, () => {
    let world: World;
    let client: PythonClient;
    beforeAll(async () => {
      world = await start();
      client = new PythonClient(world);
      await client.step({ subscribe: "watcher." });
      // A subscription is on its way: something is said until it is heard.
      await waitFor(
        async () => {
          await perform(world, ["set", { name: "idle", options: { graceful_timeout: 30 } }]);
          return ((await client.step({ events: 1, wait_ms: 200 })) as unknown[]).length > 0;
        },
        { what: "events to be heard" },
      );
      await client.step({ events: 1000, wait_ms: 500 }); // what was said before
    });
    afterAll(async () => {
      await client[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    });
    for (const { deed, heard, circus } of ROWS) {
      it(`${JSON.stringify(deed)}: ${heard.join(", ") || "nothing"}`, async () => {
        const wanted = isCircus ? (circus?.heard ?? heard) : heard;
        await perform(world, deed);
        const all = await client.events(wanted.length);
        // More than these would be heard now, or by the next row.
        const more = (await client.step({ events: 1, wait_ms: 100 })) as [string, string][];
        expect([...all.map(told), ...more.map(([topic]) => topic)]).toEqual(wanted);
      });
    }
  });
}

afterAll(() => assertNoLeaks());
events("our agent", false, () => ourWorld(MORE));
if (circusSource !== undefined) {
  const source = circusSource;
  events("circusd 0.19", true, () => circusWorld(source, MORE));
}
