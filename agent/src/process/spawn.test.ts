import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { SocketRegistry } from "../sockets/registry.ts";
import { nofileLimit } from "../sockets/syscalls.ts";
import { sealInheritedDescriptors } from "./inherited.ts";
import { type ExitFact, exitCodeOf, type SpawnSpec, spawnProcess } from "./spawn.ts";

const dir = mkdtempSync(join(tmpdir(), "spawn-test-"));
afterAll(() => rmSync(dir, { recursive: true }));

const base: SpawnSpec = {
  argv: [],
  env: { PATH: process.env["PATH"] ?? "" },
  cwd: dir,
  uid: null,
  gid: null,
  stdin: "ignore",
  stdout: "ignore",
  stderr: "ignore",
  fds: [],
  nofile: null,
};

/** Runs it to its end. */
async function run(spec: Partial<SpawnSpec>): Promise<ExitFact> {
  return new Promise((resolve, reject) => {
    const result = spawnProcess({ ...base, ...spec }, resolve);
    if (!result.ok) reject(new Error(result.reason));
  });
}

const sh = (script: string) => ["sh", "-c", script];
const read = (name: string) => readFileSync(join(dir, name), "utf8").trim();

describe("spawnProcess", () => {
  it("reports exit status and signal once", async () => {
    expect(await run({ argv: sh("exit 3") })).toMatchObject({ code: 3, signal: null });
    const exit = await run({ argv: sh("kill -USR1 $$") });
    expect(exit).toMatchObject({ code: null, signal: "SIGUSR1" });
    expect(exitCodeOf(exit, { SIGUSR1: 10 })).toBe(-10);
  });

  it("gives exactly the environment, the directory and a group of its own", async () => {
    await run({
      argv: sh("env | sort > env; pwd > pwd; ps -o pgid= -p $$ > pgid; echo $$ > pid"),
      env: { PATH: base.env["PATH"]!, A: "1" },
    });
    expect(
      read("env")
        .split("\n")
        .filter((line) => !/^(PWD|SHLVL|_|OLDPWD)=/.test(line)),
    ).toEqual(["A=1", `PATH=${base.env["PATH"]}`]);
    expect(read("pwd")).toBe(dir);
    expect(read("pgid")).toBe(read("pid"));
  });

  it("hands a socket over under its own number, and no other descriptor", async () => {
    using sockets = await SocketRegistry.open([
      {
        name: "web",
        host: "127.0.0.1",
        port: 0,
        family: "AF_INET",
        type: "SOCK_STREAM",
        backlog: 8,
        path: null,
        umask: 0,
        replace: false,
        interface: null,
        soReuseport: false,
        blocking: true,
      },
    ]);
    const { fd, address } = sockets.get("WEB")!;
    sealInheritedDescriptors(); // what the test runner was started with
    const sleeper = spawnProcess({ ...base, argv: ["sleep", "300"], fds: [fd] }, () => undefined);
    const { pid } = sleeper as { pid: number };
    const given = readdirSync(`/proc/${pid}/fd`).map(Number);
    process.kill(pid, "SIGKILL");
    expect(given.sort((a, b) => a - b)).toEqual([0, 1, 2, fd]);

    const server = `import socket; s = socket.socket(fileno=${fd}); c, _ = s.accept(); c.sendall(b"hello"); c.close()`;
    const ended = run({ argv: ["/usr/bin/python3", "-c", server], fds: [fd] });
    const answer = await new Promise<string>((resolve, reject) => {
      // It waits in the queue of a socket that nobody may accept from yet.
      connect((address as { port: number }).port, "127.0.0.1")
        .once("error", reject)
        .once("data", (data) => resolve(data.toString()));
    });
    expect(answer).toBe("hello");
    expect(await ended).toMatchObject({ code: 0 });
  });

  it("gives the descriptor limit of the agent's start, not Node's own", async () => {
    const mine = nofileLimit(0);
    await run({ argv: sh("ulimit -Sn > soft; ulimit -Hn > hard"), nofile: { soft: 300, hard: mine.hard } });
    expect(read("soft")).toBe("300");
    expect(Number(read("hard"))).toBe(mine.hard);
    expect(nofileLimit(0)).toEqual(mine);
  });

  it.each([
    [{ argv: ["nosuch-program"], env: { PATH: "/bin" } }, "cannot run 'nosuch-program': not found in PATH /bin"],
    [{ argv: ["./nosuch"] }, "cannot run './nosuch': no such file"],
    [{ argv: ["./plain"] }, "cannot run './plain': permission denied"],
    [{ argv: ["./script"] }, "cannot run './script': its interpreter '/no/such/interpreter' does not exist"],
    [{ argv: ["sh"], cwd: "/no/such/dir" }, "working_dir '/no/such/dir' does not exist"],
  ])("says in one line why it cannot: %j", (spec, reason) => {
    writeFileSync(join(dir, "plain"), "", { mode: 0o600 });
    writeFileSync(join(dir, "script"), "#!/no/such/interpreter\n", { mode: 0o700 });
    expect(spawnProcess({ ...base, ...spec }, () => undefined)).toEqual({ ok: false, reason });
  });

  it("looks a program up in the child's PATH, or in /bin:/usr/bin without one", async () => {
    writeFileSync(join(dir, "mine"), "#!/bin/sh\n: > ran\n", { mode: 0o700 });
    await run({ argv: ["mine"], env: { PATH: dir } });
    expect(existsSync(join(dir, "ran"))).toBe(true);
    expect(await run({ argv: ["true"], env: {} })).toMatchObject({ code: 0 });
  });
});
