/**
 * `npm run bench -- fleet`: what a fleet costs its controller, from 10 hosts to thousands, each with 20 watchers. The
 * agents are simulated in one process; nats-server, configured as `circusctl fleet init` does, and circus-controller
 * are real. BENCH_HOSTS names the sizes, BENCH_PLOT the file of the plot.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { hasEnded, type RolloutRecord } from "@circus-cluster/proto";
import { projectRoot, run } from "../support/process.ts";
import { waitFor } from "../support/wait.ts";
import { type Series, svgPlot } from "./fleet/plot.ts";
import { type Cost, percentOf, SimulatedFleet, WATCHERS } from "./fleet/world.ts";
import { ms, quantile, type Resident, type Row, table } from "./measure.ts";

const SIZES = (process.env["BENCH_HOSTS"] ?? "10,100,1000,5000").split(",").map(Number);
const ROUNDS = 10;
const ROUNDS_LARGE = 3;
const COLD_ROUNDS = 5;
const IDLE_MS = 5000;
const ROLLOUT_MS = 900_000;

interface Figures {
  readonly hosts: number;
  readonly comingUp: Cost;
  readonly status: Cost;
  readonly statusBytes: number;
  readonly cold: Cold;
  readonly plan: Cost;
  readonly list: Cost;
  readonly bareMs: number;
  readonly eachMs: number;
  readonly eachBareMs: number;
  readonly atOnce: Cost;
  readonly restarted: number;
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

/** Medians of a process each, ms. */
interface Cold {
  readonly hostsMs: number;
  readonly statusMs: number;
  /** `node -e 0` */
  readonly nodeMs: number;
}

async function coldReads(fleet: SimulatedFleet): Promise<Cold> {
  console.error("  circusctl");
  const [hosts, status, node]: [number[], number[], number[]] = [[], [], []];
  const rounds = fleet.hosts.length > 1000 ? ROUNDS_LARGE : COLD_ROUNDS;
  for (let round = 0; round < rounds; round++) {
    hosts.push(await fleet.circusctl(["--host", fleet.hosts[0] ?? "", "status"]));
    status.push(await fleet.circusctl(["--all", "status"]));
    node.push((await run(process.execPath, ["-e", "0"])).tookMs);
  }
  const [hostsMs, statusMs, nodeMs] = [hosts, status, node].map((times) =>
    quantile(
      times.filter((time) => !Number.isNaN(time)),
      0.5,
    ),
  );
  return { hostsMs: hostsMs ?? 0, statusMs: statusMs ?? 0, nodeMs: nodeMs ?? 0 };
}

/** @returns hosts that it was done at: all, unless the machine is too busy for their heartbeats */
async function restartAtOnce(fleet: SimulatedFleet): Promise<number> {
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
  if (record.state !== "done") console.error(`  the rollout is ${record.state}: ${record.reason?.slice(0, 300) ?? ""}`);
  return record.steps.filter(({ state }) => state === "done").length;
}

async function measure(hosts: number): Promise<Figures> {
  console.error(`fleet: ${hosts} hosts`);
  await using fleet = await SimulatedFleet.start(hosts);
  const idle = await fleet.cost(() => new Promise((resolve) => setTimeout(resolve, IDLE_MS)));
  const all = { hosts: null, watcher: null };
  const { bytes: statusBytes } = await fleet.ask("query", "status", all);
  const status = await typical("status", fleet, () => fleet.ask("query", "status", all));
  const cold = await coldReads(fleet);
  const request = { command: "restart", watcher: "w0", properties: {}, hosts: null, options: {} };
  const plan = await typical("plan", fleet, () => fleet.ask("control", "rollout-plan", request));
  const list = await typical("list", fleet, () => fleet.broadcast("list", false));
  const { wallMs: bareMs } = await typical("broadcast", fleet, () => fleet.broadcast("ping", true));
  const { wallMs: eachMs } = await typical("each", fleet, () => fleet.tellEach("list", {}));
  const { wallMs: eachBareMs } = await typical("each, bare", fleet, () => fleet.tellEach("ping", {}));
  console.error("  restart");
  let restarted = 0;
  const atOnce = await fleet.cost(async () => {
    restarted = await restartAtOnce(fleet);
  });
  const idlePercent = percentOf(idle);
  return {
    hosts,
    comingUp: fleet.comingUp,
    status,
    statusBytes,
    cold,
    plan,
    list,
    bareMs,
    eachMs,
    eachBareMs,
    atOnce,
    restarted,
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
  for (const size of SIZES) {
    const figures = await measure(size);
    console.error(JSON.stringify(figures)); // not lost where a larger one cannot be had
    found.push(figures);
  }
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
        row("  by circusctl, cold", ({ cold }) => ms(cold.statusMs)),
        row("--host h0000 status by circusctl, cold", ({ cold }) => ms(cold.hostsMs)),
        row(
          "  to `node -e 0` (budget: 3.5)",
          ({ cold: { hostsMs, nodeMs } }) => `×${(hostsMs / nodeMs).toFixed(2)} of ${ms(nodeMs)}`,
        ),
        row("rollout --dry-run", ({ plan }) => costText(plan)),
        row("--all restart --at-once, to its end", ({ atOnce, restarted, hosts }) =>
          restarted === hosts ? costText(atOnce) : `${restarted} of ${hosts} done`,
        ),
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
  const svg = svgPlot(`What a fleet costs (${WATCHERS} watchers a host)`, "hosts", "ms, or MiB", [
    line("all come up, ms", ({ comingUp }) => comingUp.wallMs),
    line("restart --at-once, ms", ({ atOnce }) => atOnce.wallMs),
    line("--all status, ms", ({ status }) => status.wallMs),
    line("--all list of the agents, ms", ({ list }) => list.wallMs),
    line("bare NATS broadcast, ms", ({ bareMs }) => bareMs),
    line("controller, MiB", ({ memoryMiB }) => memoryMiB.now),
    line("its databases, MiB", ({ databaseMiB }) => databaseMiB),
  ]);
  const file = process.env["BENCH_PLOT"] ?? "test/artefacts/fleet.svg";
  mkdirSync(dirname(join(projectRoot, file)), { recursive: true });
  writeFileSync(join(projectRoot, file), svg);
  return file;
}
