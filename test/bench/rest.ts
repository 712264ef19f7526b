/** What a supervisor costs while nothing happens: resident memory and processor time with 100 workers, from /proc. */
import { setTimeout as delay } from "node:timers/promises";
import { cpuMsOf, type Row, ratio, residentOf, table, workersOf } from "./measure.ts";
import { inFleet, type Supervisor } from "./supervisors.ts";

const WORKERS = 100;
const IDLE_MS = Number(process.env["BENCH_IDLE_MS"] ?? 20_000);
const SETTLE_MS = 5000;
/** Workers killed, all at once, this often: what is still held afterwards is held for good. */
const CHURNS = Number(process.env["BENCH_CHURNS"] ?? 20);

interface Rest {
  readonly name: string;
  readonly freshMiB: number;
  readonly churnedMiB: number;
  readonly cpuPercent: number;
}

async function atRest(supervisor: Supervisor): Promise<Rest> {
  const running = await supervisor.start(WORKERS);
  await delay(SETTLE_MS);
  const before = cpuMsOf(running.pid);
  await delay(IDLE_MS);
  const cpuPercent = (100 * (cpuMsOf(running.pid) - before)) / IDLE_MS;
  const freshMiB = residentOf(running.pid).now;
  for (let churn = 0; churn < CHURNS; churn++) {
    for (const pid of workersOf(running.pid)) process.kill(pid, "SIGKILL");
    // Back-off makes some come late; what matters is that many have come and gone.
    await delay(500);
  }
  await delay(SETTLE_MS);
  const churnedMiB = residentOf(running.pid).now;
  await running.stop();
  return { name: supervisor.name, freshMiB, churnedMiB, cpuPercent };
}

/**
 * @param dir for files of the fleet
 * @param root of the project
 */
export async function benchRest(list: readonly Supervisor[], dir: string, root: string): Promise<string> {
  const rests: Rest[] = [];
  const measure = async (supervisor: Supervisor): Promise<void> => {
    console.error(`at rest: ${supervisor.name}`);
    rests.push(await atRest(supervisor));
  };
  for (const [i, supervisor] of list.entries()) {
    await measure(supervisor);
    if (i === 0) await inFleet(dir, root, measure);
  }
  const ours = rests[0]?.freshMiB ?? Number.NaN;
  const rows = rests.map(({ name, freshMiB, churnedMiB, cpuPercent }): Row => {
    const cells = [freshMiB.toFixed(1), churnedMiB.toFixed(1), `${cpuPercent.toFixed(2)} %`, ratio(freshMiB, ours)];
    return { name, cells };
  });
  const title = `at rest with ${WORKERS} workers: MiB resident, after ${CHURNS} rounds of kill -9 on all, processor over ${IDLE_MS / 1000} s`;
  return table(title, ["MiB", "MiB after", "processor", "MiB to ours"], rows);
}
