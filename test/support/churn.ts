/** A day of an agent in small: very many spawns and exits with commands in between, and what is left of it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import * as zmq from "zeromq";
import { type Agent, type Section, startAgent } from "./agent.ts";
import { chance } from "./chance.ts";
import { children, type ProcessInfo, zombiesOf } from "./leaks.ts";
import { projectRoot } from "./process.ts";
import { tempDir } from "./temp.ts";
import { waitFor } from "./wait.ts";

/** An agent whose descriptors and processes did not change for so long is at rest; the longest thing takes a second. */
const SETTLED_MS = 1500;

/** On a machine of two cores with twenty at work a start may wait half a minute behind a restart. */
const ANSWER_MS = 90_000;

/** Of an agent at rest. */
interface Rest {
  readonly fds: number;
  readonly rssMiB: number;
  readonly zombies: number;
  readonly children: number;
  /** FIFOs for output, in the state directory. */
  readonly fifos: number;
}

export interface Churned {
  readonly spawns: number;
  readonly commands: number;
  /** Evenly over the spawns, the last one at the end. */
  readonly rests: readonly Rest[];
}

/** Between the least of some looks and the least of others, all at moments of the collector's choice. */
const SLACK_MIB = 12;

/**
 * What is there that should not be; empty: nothing. How much an agent needs shows in the first half: whatever grows with
 * what it has done is more in the second. Of memory the least is looked at, since it swings by tens of MiB with what the
 * collector has not taken yet; a leak of 2 kB a spawn lifts it by 20 MiB in 20,000.
 */
export function leftovers(rests: readonly Rest[]): readonly string[] {
  const half = Math.ceil(rests.length / 2);
  const most = (key: keyof Rest, some: readonly Rest[]): number => Math.max(...some.map((rest) => rest[key]));
  const least = (some: readonly Rest[]): number => Math.min(...some.map(({ rssMiB }) => rssMiB));
  const [first, second] = [rests.slice(0, half), rests.slice(half)];
  const before = { fds: most("fds", first), rssMiB: least(first) };
  const [fds, rssMiB] = [most("fds", second), least(second)];
  const problems = (["zombies", "children", "fifos"] as const).flatMap((key) =>
    most(key, rests) > 0 ? [`${most(key, rests)} ${key}`] : [],
  );
  if (fds > before.fds) problems.push(`${fds} descriptors, ${before.fds} in the first half`);
  if (rssMiB > before.rssMiB + SLACK_MIB) {
    problems.push(`at least ${rssMiB} MiB resident, ${before.rssMiB} in the first half`);
  }
  return problems;
}

const QUICK: Section = { "ready.min_uptime": 0, "backoff.initial": "2ms", "backoff.max": "10ms", copy_env: true };
const FIXTURES = join(projectRoot, "test/fixtures");
const PY = "circus_hooks_fixture";
/** @param dir for the output of those that write some */
const sections = (dir: string) => ({
  "watcher:brief": {
    ...{ cmd: "echo a line", numprocesses: 4, ...QUICK },
    ...{ "stdout_stream.filename": join(dir, "brief.log"), "stdout_stream.max_bytes": 1000 },
    ...{ "stdout_stream.backup_count": 2, "stderr_stream.filename": join(dir, "brief.log") },
  },
  "watcher:failing": { cmd: "false", numprocesses: 2, ...QUICK },
  "watcher:long": {
    ...{ cmd: "sleep 1000", numprocesses: 3, graceful_timeout: 0.5, ...QUICK },
    "stdout_stream.filename": join(dir, "long.log"),
  },
  "watcher:asked": {
    ...{ cmd: "sleep 1000", "healthcheck.type": "exec", "healthcheck.cmd": "exit $(($$ % 2))" },
    ...{ "healthcheck.interval": "20ms", "healthcheck.start_period": "20ms", "healthcheck.retries": 2, ...QUICK },
  },
  // One call in seven of a hook says no or fails: then it rests until somebody starts it again.
  "watcher:hooked": {
    ...{ cmd: "sleep 1000", numprocesses: 2, graceful_timeout: 0.5, ...QUICK },
    "hooks.before_spawn": `${PY}.sometimes`,
    "hooks.after_spawn": `js: ${FIXTURES}/hooks.mjs`,
    "hooks.before_signal": `${PY}.sometimes`,
    "hooks.after_reap": "exec: exit $(($$ % 2))",
    "hooks.after_stop": `${PY}.sometimes`,
  },
  "env:hooked": { PYTHONPATH: FIXTURES },
  "watcher:told": { cmd: "sleep 1000", "healthcheck.type": "notify", "healthcheck.start_period": "50ms", ...QUICK },
});

/**
 * @param spawns at least so many
 * @param restCount how often the agent is looked at, all at rest
 * @throws Error where a command is not answered or the agent ends
 */
export async function churn(spawns: number, seed: number, restCount: number): Promise<Churned> {
  const dice = chance(seed);
  await using dir = await tempDir("churn-");
  await using agent = await startAgent({ sections: sections(dir.path), args: ["--log-level", "error"] });
  let seen = 0;
  let commands = 0;
  const events = new zmq.Subscriber();
  events.connect(agent.pubsubEndpoint);
  events.subscribe("watcher.");
  const counting = (async () => {
    for await (const [topic] of events) if (String(topic).endsWith(".spawn")) seen++;
  })();
  /** Says what the agent is at where it does not answer: only a change that waits for ever takes so long. */
  const call = async (
    verb: string,
    properties: Readonly<Record<string, unknown>> = {},
  ): Promise<Record<string, unknown>> => {
    try {
      return await agent.call(verb, properties, ANSWER_MS);
    } catch (error) {
      const state = await agent.call("snapshot", {}, ANSWER_MS).catch(String);
      throw new Error(`${verb} ${JSON.stringify(properties)}: ${JSON.stringify(state)}`, { cause: error });
    }
  };
  const command = async (): Promise<void> => {
    const name = dice.pick(["brief", "failing", "long", "asked", "told", "hooked"]);
    const [verb, properties] = dice.pick([
      ["incr", {}],
      ["decr", {}],
      ["restart", {}],
      ["start", {}],
      ["stop", {}],
      ["reload", { graceful: false }],
      ["kill", {}],
      ["signal", { signum: 9 }],
      ["set", { options: { numprocesses: 3 } }],
      ["list", {}],
    ] as [string, Record<string, unknown>][]);
    const reply = await call(verb, { name, ...properties });
    if (reply["status"] !== "ok") throw new Error(`${verb} ${name}: ${JSON.stringify(reply)}`);
    commands++;
    await call("start", { name: dice.pick(["brief", "hooked"]) });
  };
  const run = async (until: number): Promise<Rest> => {
    await call("start");
    while (seen < until) {
      await command();
      await delay(dice.below(20));
    }
    return await rest(agent);
  };
  try {
    const rests: Rest[] = [];
    for (let i = 1; i <= restCount; i++) rests.push(await run((spawns * i) / restCount));
    return { spawns: seen, commands, rests };
  } finally {
    events.close();
    await counting;
  }
}

/** All children but the one Python that calls hooks, which stays. */
function workers(agent: Agent): readonly ProcessInfo[] {
  const all = children(agent.pid);
  const bridges = all.filter(({ command }) => command.includes("circus_hooks.py"));
  if (bridges.length > 1) throw new Error(`${bridges.length} Python processes call hooks`);
  return all.filter((info) => !bridges.includes(info));
}

/**
 * What hooks are called with stays for the next call: a Python and a worker thread. A stop that broke off a call has
 * ended them, so that an agent at rest has them or not; from here on it has.
 */
async function wakeHooks(agent: Agent): Promise<void> {
  const isUp = async (): Promise<boolean> => {
    await agent.call("set", { name: "hooked", options: { numprocesses: 2 }, waiting: true }, ANSWER_MS);
    // One in seven of their answers is a no.
    return (await agent.call("start", { name: "hooked", waiting: true }, ANSWER_MS))["status"] === "ok";
  };
  await waitFor(isUp, { what: "hooks that say yes", deadlineMs: 2 * ANSWER_MS });
}

async function rest(agent: Agent): Promise<Rest> {
  await wakeHooks(agent);
  await agent.call("stop", { waiting: true }, ANSWER_MS);
  const path = `/proc/${agent.pid}`;
  const count = (): number => readdirSync(`${path}/fd`).length;
  // What ends just now is seen for a moment yet: processes, connections of the calls, the wait for notify sockets.
  let [fds, sinceMs] = [count(), performance.now()];
  await waitFor(
    () => {
      const now = count();
      if (now !== fds || workers(agent).length + zombiesOf(agent.pid) > 0) [fds, sinceMs] = [now, performance.now()];
      return performance.now() - sinceMs > SETTLED_MS;
    },
    // Figures of an agent that is not at rest would be a false measure for later ones.
    { what: "the agent to be at rest, without processes or zombies", everyMs: 100 },
  );
  const rss = /^VmRSS:\s*(\d+)/m.exec(readFileSync(`${path}/status`, "utf8"))?.[1];
  return {
    fds: count(),
    rssMiB: Math.round(Number(rss) / 1024),
    zombies: zombiesOf(agent.pid),
    children: workers(agent).length,
    fifos: readdirSync(join(agent.stateDir, "output")).length,
  };
}
