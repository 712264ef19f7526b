/**
 * What `circusctl logs -f` costs a worker that writes 100 MB a second, and one that writes as fast as it can: bytes that
 * it wrote in a second without a reader, with one that takes all that it gets, with one that reads 100 kB a second, and
 * with one that stands still; and the agent's memory. Rounds are interleaved.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../support/ports.ts";
import { projectRoot } from "../support/process.ts";
import { childrenOf, quantile, type Row, ratio, table, until } from "./measure.ts";
import { cleanEnv, ended } from "./supervisors.ts";

const ROUNDS = Number(process.env["BENCH_ROUNDS"] ?? 3);
const MEASURED_MS = 4000;
const SETTLE_MS = 1000;
const SLOW_BYTES = 10_000;
const SLOW_MS = 100;

interface Outcome {
  readonly perSecond: number;
  /** CPU time of the agent for each MB, ms: what counts where others have the machine too. */
  readonly cpuMs: number;
  readonly agentBytes: number;
}

interface Reader {
  readonly name: string;
  /** Begins to read what circusctl prints. */
  readonly read: ((child: ChildProcess) => void) | null;
}

const READERS: readonly Reader[] = [
  { name: "nobody follows", read: null },
  { name: "takes all", read: (child) => child.stdout?.resume() },
  { name: "takes 100 kB/s", read: (child) => void readSlowly(child) },
  { name: "stands still", read: (child) => child.kill("SIGSTOP") },
];

interface Writer {
  readonly title: string;
  readonly cmd: string;
  /** What it is called by /proc, from the beginning. */
  readonly isIt: RegExp;
}

const WRITERS: readonly Writer[] = [
  {
    title: "a worker that writes 100 MB/s, and who follows it",
    cmd: `python3 ${join(projectRoot, "test/fixtures/paced_writer.py")} 100`,
    isIt: /paced_writer/,
  },
  {
    title: "a worker that writes as fast as it can, and who follows it",
    cmd: `yes ${"x".repeat(99)}`,
    isIt: /^yes\0/,
  },
];

/** @param ours circusd */
export async function benchFollowers(dir: string, ours: string): Promise<string> {
  const texts: string[] = [];
  for (const [index, writer] of WRITERS.entries())
    texts.push(await benchWriter(join(dir, String(index)), ours, writer));
  return texts.join("\n");
}

async function benchWriter(dir: string, ours: string, { title, cmd, isIt }: Writer): Promise<string> {
  mkdirSync(dir, { recursive: true });
  const [endpoint, pubsub] = [await freePort(), await freePort()].map((port) => `tcp://127.0.0.1:${port}`);
  const ini = join(dir, "circus.ini");
  writeFileSync(
    ini,
    `[circus]\nendpoint = ${endpoint}\npubsub_endpoint = ${pubsub}\nstate_dir = ${dir}/state\n` +
      `[watcher:flood]\ncmd = ${cmd}\ncopy_env = True\n` +
      `stdout_stream.filename = ${dir}/flood.log\nstdout_stream.max_bytes = 50000000\n`,
  );
  const agent = spawn(ours, [ini], { env: cleanEnv(), stdio: "ignore" });
  const pid = agent.pid ?? 0;
  try {
    // The launcher has children of its own for a moment.
    const isWorker = (child: number): boolean => isIt.test(readIfThere(`/proc/${child}/cmdline`));
    const worker = await until("the worker", 30_000, () => childrenOf(pid).find(isWorker));
    return await compare(title, pid, worker, join(dirname(ours), "circusctl"), String(endpoint));
  } finally {
    await ended(agent);
  }
}

async function compare(
  title: string,
  pid: number,
  worker: number,
  circusctl: string,
  endpoint: string,
): Promise<string> {
  const outcomes = new Map<string, Outcome[]>();
  const notes: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, read } of READERS) {
      console.error(`followers, round ${round + 1}: ${name}`);
      const child = read === null ? null : follow(circusctl, endpoint, notes);
      await delay(SETTLE_MS);
      if (child !== null) read?.(child);
      const [begunMs, before, cpuBefore] = [performance.now(), written(worker), cpuMsOf(pid)];
      await delay(MEASURED_MS);
      const bytes = written(worker) - before;
      const outcome: Outcome = {
        perSecond: (bytes / (performance.now() - begunMs)) * 1000,
        cpuMs: (cpuMsOf(pid) - cpuBefore) / (bytes / 1e6),
        agentBytes: residentBytes(pid),
      };
      outcomes.set(name, [...(outcomes.get(name) ?? []), outcome]);
      child?.kill("SIGCONT");
      child?.stdout?.resume();
      await delay(SLOW_MS * 5);
      if (child !== null) await ended(child);
    }
  }
  const median = (values: readonly number[]): number => quantile(values, 0.5);
  const without = median((outcomes.get("nobody follows") ?? []).map(({ perSecond }) => perSecond));
  const rows = [...outcomes].map(([name, all]): Row => {
    const perSecond = median(all.map((one) => one.perSecond));
    const cpuMs = median(all.map((one) => one.cpuMs));
    const memory = Math.max(...all.map(({ agentBytes }) => agentBytes)) / 2 ** 20;
    return {
      name,
      cells: [(perSecond / 1e6).toFixed(1), ratio(perSecond, without), cpuMs.toFixed(2), memory.toFixed(0)],
    };
  });
  const text = table(`${title} (${ROUNDS} rounds)`, ["MB/s", "to nobody", "agent ms/MB", "agent MiB"], rows);
  return `${text}\nnotices: ${notes.length}, such as "${notes.at(-1) ?? "none"}"`;
}

function follow(circusctl: string, endpoint: string, notes: string[]): ChildProcess {
  const args = ["--endpoint", endpoint, "logs", "flood", "-f"];
  const child = spawn(circusctl, args, { env: cleanEnv(), stdio: ["ignore", "pipe", "pipe"] });
  child.stderr.setEncoding("utf8").on("data", (text: string) => notes.push(...text.trim().split("\n")));
  child.stdout.on("error", () => undefined);
  return child;
}

async function readSlowly({ stdout, exitCode }: ChildProcess): Promise<void> {
  while (stdout?.destroyed === false && exitCode === null && !stdout.readableFlowing) {
    stdout.read(SLOW_BYTES);
    await delay(SLOW_MS);
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function written(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
}

/** The kernel counts in steps of 10 ms. */
function cpuMsOf(pid: number): number {
  const [, ...fields] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
  const numbers = fields.join(") ").split(" ");
  return (Number(numbers[11]) + Number(numbers[12])) * 10;
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}
