/**
 * `npm run bench`: us, the peers and the bare limit in one run, as ratios (design §8). Rounds are interleaved,
 * so that a noisy machine is noisy for all. No figure is asserted.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { benchFleet } from "./fleet.ts";
import { benchFollowers } from "./followers.ts";
import { benchHistory, benchIngest } from "./history.ts";
import { benchKill9 } from "./kill9.ts";
import { benchLogs } from "./logs.ts";
import { childrenOf, ms, quantile, type Row, ratio, table, until, workersOf } from "./measure.ts";
import { benchPage } from "./page.ts";
import { echoServer, requestsPerSecond } from "./requests.ts";
import { benchRest } from "./rest.ts";
import { cleanEnv, type Running, type StatusCommand, type Supervisor, supervisors } from "./supervisors.ts";

const ROUNDS = Number(process.env["BENCH_ROUNDS"] ?? 15);
const START_WORKERS = 100;

async function respawn(running: Running, victim: number): Promise<number> {
  const before = workersOf(running.pid);
  const known = new Set(childrenOf(running.pid));
  const start = performance.now();
  process.kill(victim, "SIGKILL");
  await until("a successor", 30_000, () => childrenOf(running.pid).find((pid) => !known.has(pid)));
  const took = performance.now() - start;
  await until("all workers", 30_000, () => (workersOf(running.pid).length >= before.length ? true : undefined));
  return took;
}

/** Each death is that of another worker, its first: supervisors back off when the same one dies again and again. */
async function benchRespawn(list: readonly Supervisor[]): Promise<string> {
  const results = new Map<string, number[]>();
  for (const supervisor of list) {
    console.error(`respawn: ${supervisor.name}`);
    const running = await supervisor.start(ROUNDS + 4);
    const times: number[] = [];
    for (const victim of workersOf(running.pid).slice(0, ROUNDS)) times.push(await respawn(running, victim));
    results.set(supervisor.name, times);
    await running.stop();
  }
  return resultTable(`kill -9 of a worker → successor's pid (${ROUNDS + 4} workers, ${ROUNDS} deaths)`, results);
}

async function benchStart(list: readonly Supervisor[]): Promise<string> {
  const results = new Map<string, number[]>();
  for (let round = 0; round < 3; round++) {
    for (const supervisor of list) {
      console.error(`start, round ${round + 1}: ${supervisor.name}`);
      const start = performance.now();
      const running = await supervisor.start(START_WORKERS);
      results.set(supervisor.name, [...(results.get(supervisor.name) ?? []), performance.now() - start]);
      await running.stop();
    }
  }
  return resultTable(`start of ${START_WORKERS} workers, from the command to the last pid (3 rounds)`, results);
}

function resultTable(title: string, results: ReadonlyMap<string, readonly number[]>): string {
  const ours = quantile(results.get("ours") ?? [], 0.5);
  const rows: Row[] = [...results].map(([name, times]) => ({
    name,
    cells: [ms(quantile(times, 0.5)), ms(quantile(times, 0.95)), ratio(quantile(times, 0.5), ours)],
  }));
  return table(title, ["p50", "p95", "to ours"], rows);
}

async function benchRequests(list: readonly Supervisor[]): Promise<string> {
  const rates: [string, number, number][] = [];
  for (const supervisor of list.filter((one) => one.name === "ours" || one.name.startsWith("circusd"))) {
    const running = await supervisor.start(4);
    if (running.endpoint !== null) {
      rates.push([
        supervisor.name,
        await requestsPerSecond(running.endpoint, 1),
        await requestsPerSecond(running.endpoint, 16),
      ]);
    }
    await running.stop();
  }
  const echo = await echoServer();
  rates.push([
    "bare zeromq echo",
    await requestsPerSecond(echo.endpoint, 1),
    await requestsPerSecond(echo.endpoint, 16),
  ]);
  echo.close();
  const ours = rates[0]?.[1] ?? Number.NaN;
  return table(
    "`status` requests per second on one connection",
    ["one at a time", "16 in flight", "to ours"],
    rates.map(([name, one, many]) => ({ name, cells: [one.toFixed(0), many.toFixed(0), ratio(one, ours)] })),
  );
}

async function timeCommand({ argv, env }: StatusCommand): Promise<number> {
  const [file = "", ...args] = argv;
  const start = performance.now();
  const code = await new Promise<number | null>((resolve, reject) => {
    spawn(file, args, { env, stdio: "ignore" }).once("error", reject).once("exit", resolve);
  });
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}`);
  return performance.now() - start;
}

async function benchCold(list: readonly Supervisor[]): Promise<string> {
  const running: Running[] = [];
  const commands: [string, StatusCommand][] = [];
  for (const supervisor of list) {
    const one = await supervisor.start(2);
    running.push(one);
    if (one.status !== null)
      commands.push([supervisor.name === "ours" ? "ours" : `${supervisor.name} status`, one.status]);
  }
  commands.push(["node -e 0", { argv: [process.execPath, "-e", "0"], env: cleanEnv() }]);
  const results = new Map<string, number[]>(commands.map(([name]) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, command] of commands) results.get(name)?.push(await timeCommand(command));
  }
  for (const one of running) await one.stop();
  return resultTable(`status command, cold start (${ROUNDS} rounds, interleaved)`, results);
}

/** `npm run bench -- respawn logs`: these sections only. */
function isWanted(section: string): boolean {
  return sections.length === 0 || sections.includes(section);
}

const sections = process.argv.slice(3);
const dir = mkdtempSync(join(tmpdir(), "circus-bench-"));
try {
  const needsPeers = ["respawn", "start", "requests", "cold", "rest"].some(isWanted);
  const { list, missing } = needsPeers ? supervisors(dir, process.cwd()) : { list: [], missing: [] };
  console.log(
    `Node ${process.version}, ${cpus().length} cores; p50 and p95; "to ours" above ×1 means slower (for rates: faster)`,
  );
  if (missing.length > 0) console.log(`not here: ${missing.join(", ")}`);
  const benches = {
    respawn: benchRespawn,
    start: benchStart,
    requests: benchRequests,
    cold: benchCold,
    rest: (all: readonly Supervisor[]) => benchRest(all, dir, process.cwd()),
    fleet: benchFleet,
    ingest: benchIngest,
    history: benchHistory,
  };
  for (const [name, bench] of Object.entries(benches)) if (isWanted(name)) console.log(await bench(list));
  if (isWanted("kill9")) console.log(await benchKill9(join(dir, "kill9"), process.cwd()));
  if (isWanted("page")) console.log(await benchPage());
  const circusd = join(process.cwd(), "node_modules/.bin/circusd");
  if (isWanted("logs")) console.log(await benchLogs(join(dir, "logs"), circusd));
  if (isWanted("followers")) console.log(await benchFollowers(join(dir, "followers"), circusd));
} finally {
  rmSync(dir, { recursive: true, force: true });
}
