/** How each kind of deed is done: it begins, holds for its time, and is made good again, whatever happens. */
import { setTimeout as delay } from "node:timers/promises";
import type { FleetAnswers } from "@circus-cluster/proto";
import type { Agent } from "../support/agent.ts";
import { killSurvivors, type ProcessInfo, processInfo } from "../support/leaks.ts";
import type { Network } from "../support/namespaces.ts";
import { within } from "../support/wait.ts";
import { ANSWER_MS, reachedBy } from "./collect.ts";
import { CLOCK_JUMPS_MS } from "./faults.ts";
import type { Notes } from "./notes.ts";
import type { Deed } from "./plan.ts";
import type { WatcherName, World } from "./world.ts";

/** Slow enough that a snapshot takes a second. */
const SLOW_KBITS = 64;
/** A controller waits for NATS, which may be away too. */
const CONTROLLER_MS = 120_000;

/** Of a change that is not taken: there may be no leader, or no NATS. */
const TRIES = 6;
const AGAIN_MS = 3000;

export interface Doing {
  readonly world: World;
  readonly notes: Notes;
  readonly deed: Deed;
  /** The time for which it lasts. */
  readonly hold: () => Promise<void>;
}

type Injector = (doing: Doing) => Promise<void>;

async function signalled(pid: number, hold: () => Promise<void>): Promise<void> {
  const stopped = processInfo(pid);
  if (stopped === null) return;
  process.kill(pid, "SIGSTOP");
  try {
    await hold();
  } finally {
    if (processInfo(pid)?.start === stopped.start) process.kill(pid, "SIGCONT");
  }
}

function victim({ world, deed, notes }: Doing): ProcessInfo | null {
  const workers = world.workers(deed.target, deed.watcher as WatcherName);
  const found = workers[(deed.nth ?? 0) % workers.length] ?? null;
  notes.say("worker", { kind: deed.kind, host: deed.target, watcher: deed.watcher, pid: found?.pid ?? null });
  return found;
}

async function killWorker(doing: Doing): Promise<void> {
  const worker = victim(doing);
  if (worker === null) return;
  const { target: host, watcher = "" } = doing.deed;
  const isAgentAlive = doing.world.isAttended(host);
  const fromMs = Date.now();
  killSurvivors([worker]);
  doing.notes.kills.push({ host, watcher, pid: worker.pid, fromMs, toMs: Date.now(), isAgentAlive });
  await Promise.resolve();
}

async function onLink({ world, deed, hold }: Doing, harm: (network: Network) => void): Promise<void> {
  const { network } = world.fleet;
  if (network === null) throw new Error("a fault of a link without a network");
  harm(network);
  try {
    await hold();
  } finally {
    network.heal(deed.target);
  }
}

async function onController({ world, deed, hold, notes }: Doing, signal: NodeJS.Signals): Promise<void> {
  const name = deed.target;
  const program = world.fleet.controller(name);
  await world.fleet.stopController(name, signal);
  notes.log(name, program?.stderr ?? "");
  await hold();
  await world.fleet.startController(name, CONTROLLER_MS);
}

/** What it had told until then must not get lost with it. */
async function onAgent({ world, deed, hold, notes }: Doing, end: (agent: Agent) => Promise<unknown>): Promise<void> {
  const { agent } = world.fleet.host(deed.target);
  notes.reached.push(...(await reachedBy(world, deed.target)));
  world.unattended.add(deed.target);
  try {
    await end(agent);
    await hold();
    await agent.restart();
  } finally {
    world.unattended.delete(deed.target);
  }
}

/** As before an upgrade: it leaves its workers to the next one. */
async function quitAlone(agent: Agent): Promise<void> {
  const reply = await agent.call("quit", { keep_workers: true }, ANSWER_MS);
  if (reply["status"] !== "ok") throw new Error(`quit: ${JSON.stringify(reply)}`);
  await within("circusd's end after quit", ANSWER_MS, agent.program.exited);
}

/** By a jump, and back by another. */
async function onClock({ world, deed, hold }: Doing): Promise<void> {
  world.setClock(deed.target, CLOCK_JUMPS_MS[deed.nth ?? 0] ?? 0);
  try {
    await hold();
  } finally {
    world.setClock(deed.target, 0);
  }
}

async function onServer({ world, hold }: Doing, end: "kill9" | "stop"): Promise<void> {
  await world.fleet.server[end]();
  await hold();
  await world.fleet.server.restart();
}

const FAULTS: Readonly<Record<string, Injector>> = {
  "worker-kill": killWorker,
  "worker-stop": async (doing) => signalled(victim(doing)?.pid ?? 0, doing.hold),
  "agent-kill": (doing) => onAgent(doing, (agent) => agent.kill9()),
  "agent-upgrade": (doing) => onAgent(doing, quitAlone),
  "agent-stop": ({ world, deed, hold }) => signalled(world.fleet.host(deed.target).agent.pid, hold),
  "agent-clock": onClock,
  "controller-clock": onClock,
  "controller-kill": (doing) => onController(doing, "SIGKILL"),
  "controller-restart": (doing) => onController(doing, "SIGTERM"),
  "controller-stop": ({ world, deed, hold }) => signalled(world.fleet.controller(deed.target)?.pid ?? 0, hold),
  "nats-kill": (doing) => onServer(doing, "kill9"),
  "nats-restart": (doing) => onServer(doing, "stop"),
  "nats-stop": async ({ world, hold }) => {
    world.fleet.server.signal("SIGSTOP");
    try {
      await hold();
    } finally {
      world.fleet.server.signal("SIGCONT");
    }
  },
  "link-cut": (doing) => onLink(doing, (network) => network.cut(doing.deed.target)),
  "link-slow": (doing) => onLink(doing, (network) => network.slow(doing.deed.target, SLOW_KBITS)),
  "disk-full": async ({ world, deed, hold }) => {
    world.fill(deed.target);
    try {
      await hold();
    } finally {
      world.free(deed.target);
    }
  },
};

/** Failed hosts are tolerated, so that a rollout goes through all of them, whoever is in trouble. */
const ROLLING = "--soak 500ms --health-timeout 20s --batch 2 --max-fail 100% --min-healthy 0 --detach";

const CHANGES: Readonly<Record<string, (doing: Doing) => Promise<string>>> = {
  "rollout-web": ({ deed }) =>
    Promise.resolve(`--all restart web ${ROLLING} --mode ${deed.nth === 0 ? "restart" : "reload"}`),
  "rollout-writer": () => Promise.resolve(`--all restart writer ${ROLLING}`),
  "restart-writer": ({ deed }) => Promise.resolve(`--host ${deed.target} restart writer --at-once`),
  "restart-redis": ({ deed }) => Promise.resolve(`--host ${deed.target} restart redis --at-once`),
  status: () => Promise.resolve("--all status"),
  async retry({ world }) {
    const list = await world.fleet.ctl("rollout list --json");
    if (list.code !== 0) return "rollout list";
    const { rollouts } = JSON.parse(list.stdout) as FleetAnswers["rollout-list"];
    const failed = rollouts.find(({ state }) => state === "failed");
    return failed === undefined ? "rollout list" : `rollout retry ${failed.id} --detach`;
  },
};

/** As a person would: once more, where nobody took it. */
async function change({ world, notes }: Doing, line: string): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const { code, stdout, stderr } = await world.fleet.ctl(line);
    notes.calls.push({ line, code, stdout, stderr });
    notes.say("circusctl", { line, code, stderr });
    if (code === 0) return;
    await delay(AGAIN_MS);
  }
}

/** Resolves when it is made good. @throws where it could not be done */
export async function inject(doing: Doing): Promise<void> {
  const { deed, notes } = doing;
  notes.say("begin", deed);
  const fault = FAULTS[deed.kind];
  const asked = CHANGES[deed.kind];
  if (fault !== undefined) await fault(doing);
  else if (asked !== undefined) await change(doing, await asked(doing));
  else throw new Error(`nobody knows how to do ${deed.kind}`);
  notes.count(deed.kind);
  notes.say("end", deed);
}
