/**
 * Captured output: numbered lines of four workers into files that rotate at 10 MB. Ours has to have every line once and
 * in order, or the bench fails; beside it circusd (Python) and `cat` with the same data, each begun when the disk has
 * nothing left to write. `BENCH_LOG_MB`: how much, 1000 by default.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { logFiles, numberedLines, readLogs } from "../support/numbered-lines.ts";
import { freePorts } from "../support/ports.ts";
import { type Row, ratio, table } from "./measure.ts";
import { ended, pythonCircus, pythonEnv } from "./supervisors.ts";

const MEGABYTES = Number(process.env["BENCH_LOG_MB"] ?? 1000);
const WORKERS = 4;
/** Without growth for so long it has written what it ever will. */
const STALL_MS = 20_000;

interface Outcome {
  readonly perSecond: number;
  /** Of the bytes that the workers wrote. */
  readonly share: number;
}

export async function benchLogs(dir: string, ours: string): Promise<string> {
  const all = await data(dir, MEGABYTES);
  const rows: [string, Outcome][] = [];
  console.error("logs: ours");
  const captured = await capture(all, [ours]);
  const counts = readLogs(join(dir, "out.log"));
  if (JSON.stringify(counts) !== JSON.stringify(all.lines)) {
    throw new Error(`lines of workers: ${JSON.stringify(counts)} in place of ${JSON.stringify(all.lines)}`);
  }
  rows.push(["ours", captured]);
  for (const file of logFiles(join(dir, "out.log"))) rmSync(file);
  const python = pythonCircus("circusd");
  if (python !== null) {
    console.error("logs: circusd (Python)");
    rows.push(["circusd (Python)", await capture(all, python)]);
    for (const file of logFiles(join(dir, "out.log"))) rmSync(file, { force: true });
  }
  execFileSync("sync");
  const start = performance.now();
  execFileSync("sh", ["-c", "cat data.* > copy"], { cwd: dir });
  rows.push(["cat", { perSecond: (all.bytes / (performance.now() - start)) * 1000, share: 1 }]);
  return table(
    `captured output, ${WORKERS} workers, ${MEGABYTES} MB of numbered lines, rotation at 10 MB`,
    ["MB/s", "written", "to ours"],
    rows.map(([name, { perSecond, share }]): Row => {
      const cells = [
        (perSecond / 1e6).toFixed(1),
        `${(share * 100).toFixed(1)} %`,
        ratio(perSecond, captured.perSecond),
      ];
      return { name, cells };
    }),
  );
}

interface Data {
  readonly dir: string;
  readonly lines: Readonly<Record<string, number>>;
  readonly bytes: number;
}

async function data(dir: string, megabytes: number): Promise<Data> {
  mkdirSync(dir, { recursive: true });
  const lines = await numberedLines(dir, WORKERS, megabytes);
  return { dir, lines, bytes: sizeOf(dir, "data.") };
}

/** From the first byte in the file to the last. */
async function capture({ dir, bytes }: Data, [file = "", ...args]: readonly string[]): Promise<Outcome> {
  const [endpoint, pubsub] = (await freePorts(2)).map((port) => `tcp://127.0.0.1:${port}`);
  const ini = join(dir, "circus.ini");
  writeFileSync(
    ini,
    `[circus]\nendpoint = ${endpoint}\npubsub_endpoint = ${pubsub}\nstate_dir = ${dir}/state\n` +
      `[watcher:w]\ncmd = cat ${dir}/data.$(circus.wid)\nnumprocesses = ${WORKERS}\nrespawn = False\ncopy_env = True\n` +
      `stdout_stream.class = FileStream\nstdout_stream.filename = ${dir}/out.log\n` +
      "stdout_stream.max_bytes = 10000000\nstdout_stream.backup_count = 999\n",
  );
  execFileSync("sync");
  const child = spawn(file, [...args, ini], { env: pythonEnv(), stdio: "ignore" });
  let first = 0;
  let last = 0;
  let size = 0;
  // A rotation between two looks may count a file twice, so the whole has to be seen twice.
  for (let whole = 0; whole < 2; ) {
    await delay(20); // a look at a hundred files costs what those who are measured need
    const now = performance.now();
    const seen = sizeOf(dir, "out.log");
    if (first === 0 && seen > 0) first = now;
    if (seen !== size && whole === 0) last = now;
    if (last > 0 && now - last > STALL_MS) break;
    if (child.exitCode !== null) throw new Error(`${file} ended with ${child.exitCode}`);
    size = seen;
    whole = size >= bytes ? whole + 1 : 0;
  }
  await ended(child);
  size = sizeOf(dir, "out.log");
  return { perSecond: (size / (last - first)) * 1000, share: size / bytes };
}

function sizeOf(dir: string, prefix: string): number {
  let size = 0;
  for (const name of readdirSync(dir)) {
    if (name.startsWith(prefix)) size += statSync(join(dir, name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return size;
}
