/** FIFOs that outlive whoever reads them, with real processes. The agent that "is gone" is a folder nobody reads from. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeLogger } from "@circus-cluster/proto";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { resolveStream } from "../config/streams.ts";
import type { WatcherConfig } from "../config/types.ts";
import { TEST_CONFIG } from "../watcher/world.fixture.ts";
import { FifoDir, watcherToken } from "./fifo-dir.ts";
import { Outputs } from "./outputs.ts";
import { Trays } from "./trays/trays.ts";

const root = mkdtempSync(join(tmpdir(), "fifo-test-"));
const agents: Outputs[] = [];
afterAll(async () => {
  await Promise.all(agents.map((one) => one.close()));
  rmSync(root, { recursive: true });
});
let stateDir = "";
let log = "";
let told: string[] = [];
beforeEach(() => {
  stateDir = mkdtempSync(join(root, "state-"));
  log = join(stateDir, "web.log");
  told = [];
});

const fifos = (): readonly string[] => readdirSync(join(stateDir, "output"));
function agent(): Outputs {
  const own = makeLogger((level, text, fields) => void told.push(`${level} ${text} ${JSON.stringify(fields)}`));
  const outputs = new Outputs({ emit: () => 0 }, own, stateDir);
  agents.push(outputs);
  return outputs;
}

/** The beginning of a line that would outlive a kill. */
const heldInMemory = (path: string): string | undefined =>
  new Trays(
    join(stateDir, "output"),
    makeLogger(() => undefined),
  )
    .leftOf(path)
    ?.held.toString();
const config = (filename: string | null, options: Record<string, string> = {}): WatcherConfig => ({
  ...TEST_CONFIG,
  stdoutStream: filename === null ? null : resolveStream({ filename, ...options }).stream,
});

/** A worker whose agent is gone before it has read anything. */
function leftBehind(
  script: string,
  watcher = TEST_CONFIG.name,
): { readonly path: string; readonly worker: ChildProcess } {
  const { path, writeEnd, readEnd } = FifoDir.open(stateDir).create({ watcher, wid: 1, stream: "stdout" });
  const worker = spawn("sh", ["-c", script], { stdio: ["pipe", writeEnd, "inherit"] });
  closeSync(writeEnd);
  closeSync(readEnd);
  return { path, worker };
}

async function end(worker: ChildProcess): Promise<void> {
  const ended = once(worker, "exit");
  worker.stdin?.end();
  await ended;
}

describe("Outputs.adopt", () => {
  it("goes on with what a living process wrote while nobody read, and removes the FIFO at its end", async () => {
    const { path, worker } = leftBehind("seq 1 5000; read -r _; seq 5001 6000");
    const outputs = agent();
    const exited = outputs.adopt(config(log, { time_format: "at" }), 4711, { stdout: path, stderr: null });
    const lines = (count: number) => Array.from({ length: count }, (_, i) => `at [4711] | ${i + 1}\n`).join("");
    await expect.poll(() => readFileSync(log, "utf8"), { timeout: 15_000 }).toBe(lines(5000));
    worker.stdin?.write("\n");
    await once(worker, "exit");
    exited();
    await outputs.close();
    expect(readFileSync(log, "utf8")).toBe(lines(6000));
    expect(fifos()).toEqual([]);
    expect(told).toEqual([]);
  });

  it("goes on in the middle of a line, for the agent that ends and for the one that is killed", async () => {
    const { path, worker } = leftBehind("printf 'one\\ntw'; read -r _; printf o; read -r _; echo; echo three");
    const first = agent();
    first.adopt(config(log), 1, { stdout: path, stderr: null });
    await expect.poll(() => readFileSync(log, "utf8"), { timeout: 15_000 }).toBe("one\n");
    await first.close(true);
    expect(readFileSync(`${path}.rest`, "utf8")).toBe("tw");
    const killed = agent();
    killed.adopt(config(log), 1, { stdout: path, stderr: null });
    worker.stdin?.write("\n");
    await expect.poll(() => heldInMemory(path), { timeout: 15_000 }).toBe("o");
    // Not as a kill would do it, but what is left is the same.
    const last = agent();
    const exited = last.adopt(config(log), 1, { stdout: path, stderr: null });
    await killed.close(true);
    await end(worker);
    exited();
    await last.close();
    expect(readFileSync(log, "utf8")).toBe("one\ntwo\nthree\n");
    expect(fifos()).toEqual([]);
  });

  it("does not leave a process to a full pipe where its file cannot be opened", async () => {
    const { path, worker } = leftBehind("read -r _");
    const outputs = agent();
    const exited = outputs.adopt(config("/no/such/dir/f"), 1, { stdout: path, stderr: null });
    expect(told.join()).toContain("output goes to circusd's stdout");
    await end(worker);
    exited();
    await outputs.close();
    expect(fifos()).toEqual([]);
  });

  it("says what it cannot find", () => {
    agent().adopt(config(log), 1, { stdout: join(stateDir, "output", "gone"), stderr: null })();
    expect(told.join()).toContain("cannot read the output of a process any more");
  });
});

describe("Outputs.sweep", () => {
  it("takes what is left into the sink, and goes on while a grandchild holds it", async () => {
    const { worker } = leftBehind("echo one; read -r _; echo two");
    const outputs = agent();
    outputs.sweep([config(log)], () => true);
    await expect.poll(() => readFileSync(log, "utf8"), { timeout: 15_000 }).toBe("one\n");
    await end(worker);
    await expect.poll(() => readFileSync(log, "utf8"), { timeout: 15_000 }).toBe("one\ntwo\n");
    await expect.poll(fifos).toEqual([]);
    await outputs.close();
  });

  it("lets go at once of what nobody holds any more", async () => {
    const { worker } = leftBehind("read -r _");
    await end(worker);
    const outputs = agent();
    outputs.sweep([config(log)], () => true);
    await expect.poll(fifos, { timeout: 15_000 }).toEqual([]);
    await outputs.close();
    expect(told).toEqual([]);
  });

  it("takes what is there once where the watcher is not to run, and closes its file", async () => {
    const { worker } = leftBehind("echo one; read -r _");
    const outputs = agent();
    await expect.poll(() => statSync(`/proc/${worker.pid ?? 0}/fd/1`).isFIFO()).toBe(true);
    outputs.sweep([config(log)], () => false);
    await outputs.atRest(TEST_CONFIG.name);
    expect(fifos()).toEqual([]);
    await end(worker);
  });

  it("removes what has no watcher or no stream any more, and leaves alone what was adopted or is no FIFO of ours", async () => {
    const { path, worker } = leftBehind("read -r _");
    const other = leftBehind("read -r _", "of old");
    const outputs = agent();
    const exited = outputs.adopt(config(log), 1, { stdout: path, stderr: null });
    outputs.sweep([config(null)], () => true);
    expect(fifos().map((name) => join(stateDir, "output", name))).toEqual([path]);
    await Promise.all([end(worker), end(other.worker)]);
    exited();
    await outputs.close();
    expect(fifos()).toEqual([]);
  });
});

it("A FIFO is for its owner alone, whatever the umask", () => {
  const folder = FifoDir.open(stateDir);
  const before = process.umask(0o277);
  try {
    const { path, writeEnd, readEnd } = folder.create({ watcher: "a/b ü", wid: 2, stream: "stderr" });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(path).toMatch(/\/output\/a_2Fb_20_C3_BC\.2\.stderr\.[0-9a-f]{12}$/);
    closeSync(writeEnd);
    closeSync(readEnd);
  } finally {
    process.umask(before);
  }
});

it("Watchers of any name have names of files of their own", () => {
  const names = ["a", "a.b", "a b", "=a", "x".repeat(61), "x".repeat(62), "ü".repeat(60), "/".repeat(60), ""];
  const tokens = names.map(watcherToken);
  expect(new Set(tokens).size).toBe(names.length);
  for (const token of tokens) expect(token).toMatch(/^[=A-Za-z0-9_-]{1,180}$/);
});
