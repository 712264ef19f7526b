/** Each case is a real agent process of its own: what it was started with cannot be changed from inside. */
import { execFile } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nofileLimit, setCloseOnExec } from "../sockets/syscalls.ts";
import { takeStartArenas } from "./inherited.ts";

/** What the program below prints. */
interface Report {
  readonly agentSoft: number;
  readonly agentSoftAfter: number;
  readonly agentFds: readonly number[];
  readonly workerFds: readonly number[];
  readonly workerFdsUnsealed: readonly number[];
  readonly socketFd: number;
  readonly workerSoft: string;
  readonly workerHard: string;
  readonly workerUlimit: string;
  readonly isVariableLeft: boolean;
}

/** An agent in small: starts workers with and without sealing, and says what they got. */
const PROGRAM = `
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { sealInheritedDescriptors, takeStartNofile } from "./inherited.ts";
import { spawnProcess } from "./spawn.ts";
import { SocketRegistry } from "../sockets/registry.ts";
import { close, nofileLimit, pipe } from "../sockets/syscalls.ts";

const fdsOf = (pid) => readdirSync("/proc/" + pid + "/fd").map(Number).sort((a, b) => a - b);
const base = { executable: null, env: process.env, cwd: "/", uid: null, gid: null, groups: null, rlimits: {}, stdin: "ignore", stdout: "ignore", stderr: "inherit", fds: [], activation: null };
const web = { name: "web", host: "127.0.0.1", port: 0, family: "AF_INET", type: "SOCK_STREAM", backlog: 8, path: null,
  umask: 8, owner: null, group: null, replace: false, interface: null, soReuseport: false, proto: null, blocking: false };
// Says when it runs: before that its loader has descriptors of its own open.
const sleeper = (spec) => {
  const argv = ["sh", "-c", "echo; kill -STOP $$"];
  const { readEnd, writeEnd } = pipe();
  const result = spawnProcess({ ...base, argv, stdout: writeEnd, ...spec }, () => undefined);
  close(writeEnd);
  if (!result.ok) throw new Error(result.reason);
  readSync(readEnd, Buffer.alloc(1));
  close(readEnd);
  return result.pid;
};
const agentSoft = nofileLimit(0).soft;
const agentFds = fdsOf("self");
const unsealed = sleeper({ nofile: null });
const workerFdsUnsealed = fdsOf(unsealed);
process.kill(unsealed, "SIGKILL");

sealInheritedDescriptors();
const nofile = takeStartNofile(process.env);
const sockets = await SocketRegistry.open([web]);
const socketFd = sockets.get("web").fd;
const burst = Array.from({ length: Number(process.argv[2] ?? 0) }, () => openSync("/dev/null", "r"));
if (process.argv[3] === "closed") burst.forEach(closeSync);
const worker = sleeper({ nofile, fds: [socketFd] });
const [, workerSoft, workerHard] = /^Max open files\\s+(\\S+)\\s+(\\S+)/m.exec(readFileSync("/proc/" + worker + "/limits", "utf8"));
const workerFds = fdsOf(worker);
process.kill(worker, "SIGKILL");

let workerUlimit = "";
for (let i = 0; i < 10; i++) {
  const { readEnd, writeEnd } = pipe();
  spawnProcess({ ...base, argv: ["sh", "-c", "ulimit -Sn; ulimit -Hn"], nofile, stdout: writeEnd }, () => undefined);
  close(writeEnd);
  const text = readFileSync(readEnd, "utf8");
  close(readEnd);
  workerUlimit = workerUlimit === "" || workerUlimit === text ? text : workerUlimit + "then " + text;
}
console.log(JSON.stringify({ agentSoft, agentSoftAfter: nofileLimit(0).soft, agentFds, workerFds, workerFdsUnsealed, socketFd,
  workerSoft, workerHard, workerUlimit, isVariableLeft: "CIRCUSD_NOFILE" in process.env }));
process.exit(0);
`;

const dir = mkdtempSync(join(tmpdir(), "inherited-test-"));
const program = join(dir, "agent.mjs");
const LEAKED_FD = 40;
let leaked = -1;

beforeAll(async () => {
  const koffi = createRequire(import.meta.url).resolve("koffi");
  await build({
    stdin: { contents: PROGRAM, resolveDir: import.meta.dirname, loader: "ts" },
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: program,
    // It loads a binary from beside itself.
    plugins: [
      { name: "koffi", setup: (b) => b.onResolve({ filter: /^koffi$/ }, () => ({ path: koffi, external: true })) },
    ],
  });
  leaked = openSync("/dev/null", "r");
  setCloseOnExec(leaked, false);
});
afterAll(() => {
  closeSync(leaked);
  rmSync(dir, { recursive: true });
});

/** Starts the agent from a shell, as the launcher does, with a descriptor that somebody forgot to close. */
async function agent(limits: string, env: string, argument = ""): Promise<Report> {
  // Above what Node closes by itself at its start (the first few).
  const script = `exec ${LEAKED_FD}<&${leaked}; ${limits}; ${env} "${process.execPath}" "${program}" ${argument}; exit $?`;
  const { stdout } = await promisify(execFile)("bash", ["-c", script]);
  return JSON.parse(stdout) as Report;
}

const LIMITS = "ulimit -Sn 200; ulimit -Hn 3000";

describe("sealInheritedDescriptors", () => {
  it("keeps what the agent was started with away from workers, which get 0 to 2 and their sockets", async () => {
    const report = await agent(LIMITS, "CIRCUSD_NOFILE=$(ulimit -Sn)");
    expect(report.agentFds).toContain(LEAKED_FD);
    expect(report.workerFdsUnsealed).toContain(LEAKED_FD); // so the test can fail
    expect(report.workerFds).toEqual([0, 1, 2, report.socketFd]);
  });
});

describe("takeStartArenas", () => {
  it.each([
    ["none", {}],
    ["4", { MALLOC_ARENA_MAX: "4" }],
  ])("gives workers back what the launcher was started with: %s", (before, left) => {
    const env: NodeJS.ProcessEnv = { CIRCUSD_ARENAS: before, MALLOC_ARENA_MAX: "1" };
    expect(takeStartArenas(env)).toEqual({ CIRCUSD_ARENAS: before, MALLOC_ARENA_MAX: "1" });
    expect(env).toEqual(left);
  });

  it("leaves alone what no launcher touched", () => {
    const env: NodeJS.ProcessEnv = { MALLOC_ARENA_MAX: "2" };
    expect(takeStartArenas(env)).toEqual({});
    expect(env).toEqual({ MALLOC_ARENA_MAX: "2" });
  });
});

describe("takeStartNofile", () => {
  it("gives workers the limit that the launcher saw, although Node raised the agent's", async () => {
    const report = await agent(LIMITS, "CIRCUSD_NOFILE=$(ulimit -Sn)");
    expect(report).toMatchObject({ agentSoft: 3000, agentSoftAfter: 3000, workerSoft: "200", workerHard: "3000" });
    expect(report.workerUlimit).toBe("200\n3000\n");
    expect(report.isVariableLeft).toBe(false);
  });

  it("takes the parent's limit where no launcher said one", async () => {
    const report = await agent(`${LIMITS}; unset CIRCUSD_NOFILE`, "");
    expect(report).toMatchObject({ agentSoft: 3000, workerSoft: "200", workerHard: "3000" });
  });

  it("reads `unlimited` as the hard limit", async () => {
    const report = await agent(LIMITS, "CIRCUSD_NOFILE=unlimited");
    expect(report).toMatchObject({ workerSoft: "3000", workerHard: "3000" });
  });

  it("still starts workers with their limit after a burst of descriptors, which the kernel's table remembers", async () => {
    const report = await agent(LIMITS, "CIRCUSD_NOFILE=$(ulimit -Sn)", "600 closed");
    expect(report).toMatchObject({ agentSoftAfter: 3000, workerSoft: "200", workerUlimit: "200\n3000\n" });
  });

  it("corrects the worker right after its start where the agent itself has more descriptors open", async () => {
    const report = await agent(LIMITS, "CIRCUSD_NOFILE=$(ulimit -Sn)", "300");
    expect(report).toMatchObject({ agentSoftAfter: 3000, workerSoft: "200", workerHard: "3000" });
    expect(report.workerFds).toEqual([0, 1, 2, report.socketFd]);
  });

  it("leaves this very process as it is", () => {
    const before = nofileLimit(0);
    expect(nofileLimit(process.pid, before)).toEqual(before);
    expect(nofileLimit(0)).toEqual(before);
  });
});
