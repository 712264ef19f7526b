/**
 * `npm run bench -- fleet`: what a fleet costs its controller, from 10 hosts to thousands, each with 20 watchers. The
 * agents are simulated in one process; nats-server, configured as `circusctl fleet init` does, and circus-controller
 * are real. BENCH_HOSTS names the sizes.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasEnded, type RolloutRecord } from "@circus-cluster/proto";
import { projectRoot } from "../support/process.ts";
import { waitFor } from "../support/wait.ts";
import { type Series, svgPlot } from "./fleet/plot.ts";
import { type Cost, SimulatedFleet, WATCHERS } from "./fleet/world.ts";
import { ms, quantile, type Resident, type Row, table } from "./measure.ts";

const SIZES = (process.env["BENCH_HOSTS"] ?? "10,100,1000,5000").split(",").map(Number);
const ROUNDS = 10;
const ROUNDS_LARGE = 3;
const IDLE_MS = 5000;
const ROLLOUT_MS = 900_000;

interface Figures {
  readonly hosts: number;
  readonly comingUp: Cost;
  readonly status: Cost;
  readonly statusBytes: number;
  readonly plan: Cost;
  readonly list: Cost;
  readonly bareMs: number;
  readonly eachMs: number;
  readonly eachBareMs: number;
  readonly atOnce: Cost;
  readonly idlePercent: number;
  readonly memoryMiB: Resident;
  readonly serverMiB: Resident;
  readonly serverCpuMs: number;
  readonly databaseMiB: number;
}

async function typical(what: string, fleet: SimulatedFleet, work: () => Promise<unknown>): Promise<Cost> {
  console.error(`  ${what}`);
  await work(); // warm
  const costs: Cost[] = [];
  const rounds = fleet.hosts.length > 1000 ? ROUNDS_LARGE : ROUNDS;
  for (let round = 0; round < rounds; round++) costs.push(await fleet.cost(work));
  const cpuMs = costs.reduce((sum, cost) => sum + cost.cpuMs, 0) / rounds; // the kernel counts in steps of 10 ms
  return {
    wallMs: quantile(
      costs.map(({ wallMs }) => wallMs),
      0.5,
    ),
    cpuMs,
  };
}

async function restartAtOnce(fleet: SimulatedFleet): Promise<void> {
  const options = { batch: [{ kind: "percent", p: 100 }], soakMs: 0, healthTimeoutMs: ROLLOUT_MS };
  const request = { command: "restart", watcher: "w0", properties: {}, hosts: null, options };
  const { result: begun } = await fleet.ask("control", "rollout-start", request);
  let record: RolloutRecord = begun;
  await waitFor(
    async () => {
      ({ result: record } = await fleet.ask("query", "rollout-show", { id: begun.id }));
      return hasEnded(record.state);
    },
    { what: "the rollout to end", deadlineMs: ROLLOUT_MS, everyMs: Math.max(20, fleet.hosts.length / 2) },
  );
  if (record.state !== "done") throw new Error(`the rollout is ${record.state}: ${record.reason?.slice(0, 300) ?? ""}`);
}

async function measure(hosts: number): Promise<Figures> {
  console.error(`fleet: ${hosts} hosts`);
  await using fleet = await SimulatedFleet.start(hosts);
  const idle = await fleet.cost(() => new Promise((resolve) => setTimeout(resolve, IDLE_MS)));
  const all = { hosts: null, watcher: null };
  const { bytes: statusBytes } = await fleet.ask("query", "status", all);
  const status = await typical("status", fleet, () => fleet.ask("query", "status", all));
  const request = { command: "restart", watcher: "w0", properties: {}, hosts: null, options: {} };
  const plan = await typical("plan", fleet, () => fleet.ask("control", "rollout-plan", request));
  const list = await typical("list", fleet, () => fleet.broadcast("list", false));
  const { wallMs: bareMs } = await typical("broadcast", fleet, () => fleet.broadcast("ping", true));
  const { wallMs: eachMs } = await typical("each", fleet, () => fleet.tellEach("list", {}));
  const { wallMs: eachBareMs } = await typical("each, bare", fleet, () => fleet.tellEach("ping", {}));
  console.error("  restart");
  const atOnce = await fleet.cost(() => restartAtOnce(fleet));
  const idlePercent = (100 * idle.cpuMs) / idle.wallMs;
  return {
    hosts,
    comingUp: fleet.comingUp,
    status,
    statusBytes,
    plan,
    list,
    bareMs,
    eachMs,
    eachBareMs,
    atOnce,
    idlePercent,
    memoryMiB: fleet.controllerMiB,
    serverMiB: fleet.serverMiB,
    serverCpuMs: fleet.serverCpuMs,
    databaseMiB: fleet.databaseMiB,
  };
}

const costText = ({ wallMs, cpuMs }: Cost): string => `${ms(wallMs)} (${ms(cpuMs)})`;

export async function benchFleet(): Promise<string> {
  const found: Figures[] = [];
  for (const size of SIZES) found.push(await measure(size));
  const row = (name: string, cell: (figures: Figures) => string): Row => ({ name, cells: found.map(cell) });
  const plotFile = plot(found);
  return [
    table(
      `a fleet, ${WATCHERS} watchers a host: time (of it CPU of the controller)`,
      found.map(({ hosts }) => `${hosts} hosts`),
      [
        row("all come up, 21 events each", ({ comingUp }) => costText(comingUp)),
        row("--all status, from the controller", ({ status }) => costText(status)),
        row("  bytes of the answer", ({ statusBytes }) => String(statusBytes)),
        row("rollout --dry-run", ({ plan }) => costText(plan)),
        row("--all restart --at-once, to its end", ({ atOnce }) => costText(atOnce)),
        row("--all list, one broadcast to the agents", ({ list }) => ms(list.wallMs)),
        row("  to bare NATS fan-out", ({ list, bareMs }) => `×${(list.wallMs / bareMs).toFixed(2)} of ${ms(bareMs)}`),
        row("  one question to each agent instead", ({ eachMs }) => ms(eachMs)),
        row(
          "  to bare NATS requests",
          ({ eachMs, eachBareMs }) => `×${(eachMs / eachBareMs).toFixed(2)} of ${ms(eachBareMs)}`,
        ),
        row("controller at rest, of one core", ({ idlePercent }) => `${idlePercent.toFixed(1)} %`),
        row(
          "controller, resident (at most)",
          ({ memoryMiB: { now, peak } }) => `${now.toFixed(0)} (${peak.toFixed(0)}) MiB`,
        ),
        row("its databases", ({ databaseMiB }) => `${databaseMiB.toFixed(0)} MiB`),
        row(
          "nats-server, resident (at most)",
          ({ serverMiB: { now, peak } }) => `${now.toFixed(0)} (${peak.toFixed(0)}) MiB`,
        ),
        row("nats-server, CPU of all this", ({ serverCpuMs }) => ms(serverCpuMs)),
      ],
    ),
    `plot: ${plotFile}`,
  ].join("\n");
}

/** @returns where it is, seen from the project */
function plot(found: readonly Figures[]): string {
  const line = (name: string, value: (figures: Figures) => number): Series => ({
    name,
    points: found.map((figures) => [figures.hosts, value(figures)]),
  });
  const svg = svgPlot("What a fleet costs (20 watchers a host)", "hosts", "ms, MiB or % of a core", [
    line("all come up, ms", ({ comingUp }) => comingUp.wallMs),
    line("--all status, ms", ({ status }) => status.wallMs),
    line("--all restart --at-once, ms", ({ atOnce }) => atOnce.wallMs),
    line("--all list of the agents, ms", ({ list }) => list.wallMs),
    line("controller at rest, % of a core", ({ idlePercent }) => idlePercent),
    line("controller, MiB", ({ memoryMiB }) => memoryMiB.now),
    line("its databases, MiB", ({ databaseMiB }) => databaseMiB),
  ]);
  const dir = join(projectRoot, "test/artefacts");
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "fleet.svg"), svg);
  return "test/artefacts/fleet.svg";
}
