import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, describe, expect, it } from "vitest";
import { SocketRegistry } from "../sockets/registry.ts";
import { close, isNonBlocking, nofileLimit, pipe } from "../sockets/syscalls.ts";
import type { SocketConfig } from "../sockets/types.ts";
import { sealInheritedDescriptors } from "./inherited.ts";
import { type ExitFact, exitCodeOf, type SpawnSpec, spawnProcess } from "./spawn.ts";
import { groupsOf } from "./thread-rights.ts";

const dir = mkdtempSync(join(tmpdir(), "spawn-test-"));
afterAll(() => rmSync(dir, { recursive: true }));

const base: SpawnSpec = {
  argv: [],
  executable: null,
  env: { PATH: process.env["PATH"] ?? "" },
  cwd: dir,
  uid: null,
  gid: null,
  groups: null,
  rlimits: {},
  stdin: "ignore",
  stdout: "ignore",
  stderr: "ignore",
  fds: [],
  activation: null,
  nofile: null,
};

const web: SocketConfig = {
  name: "web",
  host: "127.0.0.1",
  port: 0,
  family: "AF_INET",
  type: "SOCK_STREAM",
  backlog: 8,
  path: null,
  umask: 0,
  owner: null,
  group: null,
  replace: false,
  interface: null,
  soReuseport: false,
  proto: null,
  blocking: true,
};
/** What a server that nobody started yet says: until then we wait in the queue of the socket. */
async function ask(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    connect(port, "127.0.0.1")
      .once("error", reject)
      .once("data", (data) => resolve(data.toString()));
  });
}

/** Spawned with a pipe for its stdout, whose text comes when the last has closed it. */
function spawnSpeaking(spec: SpawnSpec) {
  const { readEnd, writeEnd } = pipe();
  const result = spawnProcess({ ...spec, stdout: writeEnd }, () => undefined);
  close(writeEnd);
  const stdout = new Socket({ fd: readEnd, readable: true, writable: false });
  return { result, stdout, text: () => text(stdout) };
}

/** Runs it to its end. */
async function run(spec: Partial<SpawnSpec>): Promise<ExitFact> {
  return new Promise((resolve, reject) => {
    const result = spawnProcess({ ...base, ...spec }, resolve);
    if (!result.ok) reject(new Error(result.reason));
  });
}

const sh = (script: string) => ["sh", "-c", script];
const read = (name: string) => readFileSync(join(dir, name), "utf8").trim();

it("executes `executable` in place of the first word, which the program still sees as its name (D6)", async () => {
  const file = join(dir, "zero");
  const argv = ["known-as", "-c", `echo "$0" > ${file}; exec sleep 0`];
  const ended = await new Promise<ExitFact>((resolve, reject) => {
    const result = spawnProcess({ ...base, argv, executable: "/bin/sh" }, resolve);
    if (!result.ok) reject(new Error(result.reason));
  });
  expect(ended.code).toBe(0);
  expect(readFileSync(file, "utf8")).toBe("known-as\n");
  const missing = spawnProcess({ ...base, argv: ["sleep", "1"], executable: "/no/such" }, () => undefined);
  expect(missing).toMatchObject({ ok: false, reason: "cannot run '/no/such': no such file" });
});

describe("spawnProcess", () => {
  it("reports exit status and signal once", async () => {
    expect(await run({ argv: sh("exit 3") })).toMatchObject({ code: 3, signal: null });
    const exit = await run({ argv: sh("kill -USR1 $$") });
    expect(exit).toMatchObject({ code: null, signal: "SIGUSR1" });
    expect(exitCodeOf(exit)).toBe(-10);
    expect(exitCodeOf({ pid: 1, code: null, signal: null })).toBeNull();
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

  it("starts it with every signal at its default and none blocked (reference §2.9)", async () => {
    const { text: spoken } = spawnSpeaking({
      ...base,
      argv: ["/bin/grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"],
    });
    const masks = (await spoken())
      .trim()
      .split("\n")
      .map((line) => line.split(/\s+/)[1]);
    expect(masks).toEqual(["0".repeat(16), "0".repeat(16)]);
  });

  it("hands a socket over under its own number, and no other descriptor", async () => {
    using sockets = await SocketRegistry.open([web]);
    const { fd, address } = sockets.get("WEB")!;
    sealInheritedDescriptors(); // what the test runner was started with
    const argv = sh("echo; kill -STOP $$"); // says when it runs: before that its loader has files open
    const { result, stdout } = spawnSpeaking({ ...base, argv, fds: [fd] });
    if (!result.ok) throw new Error(result.reason);
    await once(stdout, "data");
    const { pid } = result;
    const given = readdirSync(`/proc/${pid}/fd`).map(Number);
    process.kill(pid, "SIGKILL");
    expect(given.sort((a, b) => a - b)).toEqual([0, 1, 2, fd]);

    const server = `import socket; s = socket.socket(fileno=${fd}); c, _ = s.accept(); c.sendall(b"hello"); c.close()`;
    const ended = run({ argv: ["/usr/bin/python3", "-c", server], fds: [fd] });
    expect(await ask((address as { port: number }).port)).toBe("hello");
    expect(await ended).toMatchObject({ code: 0 });
  });

  it("serves a worker of Node over a socket that does not block, under the agent's number", async () => {
    using sockets = await SocketRegistry.open([{ ...web, blocking: false }]);
    const { fd, address } = sockets.get("web")!;
    const server = `require("node:net").createServer((c) => { c.end("from node"); process.exitCode = 7; setTimeout(process.exit, 50); }).listen({ fd: ${fd} })`;
    const ended = run({ argv: [process.execPath, "-e", server], fds: [fd] });
    expect(await ask((address as { port: number }).port)).toBe("from node");
    expect(await ended).toMatchObject({ code: 7 });
  });

  it("gives stdin_socket as descriptor 0, and leaves the shared socket non-blocking", async () => {
    using sockets = await SocketRegistry.open([{ ...web, blocking: false }]);
    const { fd, address } = sockets.get("web")!;
    const server = `import select, socket; s = socket.socket(fileno=0); select.select([s], [], []); c, _ = s.accept(); c.sendall(b"stdin")`;
    const ended = run({ argv: ["/usr/bin/python3", "-c", server], stdin: fd });
    expect(isNonBlocking(fd)).toBe(true);
    expect(await ask((address as { port: number }).port)).toBe("stdin");
    expect(await ended).toMatchObject({ code: 0 });
  });

  it("gives it descriptors of the agent for its output, which the worker can open by name", async () => {
    const { text: spoken } = spawnSpeaking({ ...base, argv: sh("echo out > /dev/stdout; echo more") });
    expect(await spoken()).toBe("out\nmore\n");
  });

  it("names the process by pid and the kernel's start time", async () => {
    let exited: (exit: ExitFact) => void = () => undefined;
    const end = new Promise<ExitFact>((resolve) => (exited = resolve));
    const result = spawnProcess({ ...base, argv: ["sleep", "60"] }, (exit) => exited(exit));
    if (!result.ok) throw new Error(result.reason);
    const fields = readFileSync(`/proc/${result.pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    expect(result.startTicks).toBe(Number(fields[19]));
    expect(Math.abs(result.startedMs - Date.now())).toBeLessThan(1000);
    process.kill(result.pid, "SIGKILL");
    expect(await end).toEqual({ pid: result.pid, code: null, signal: "SIGKILL" });
  });

  it("runs as the user and in the groups that it is told, or says that it may not", async () => {
    const mine = () => [process.getuid!(), process.getgid!(), process.getegid!(), process.getgroups!()];
    const before = [...mine(), readFileSync("/proc/self/status", "utf8").match(/^Cap.*/gm)];
    const argv = ["/bin/grep", "-E", "^(Uid|Gid|Groups|CapEff|CapPrm):", "/proc/self/status"];
    for (const rlimits of [{}, { core: 0 }]) {
      const spec = { ...base, argv, cwd: "/", uid: 65534, gid: 65533, groups: [65533, 60001, 60002], rlimits };
      const { result: spawned, text: spoken } = spawnSpeaking(spec);
      expect([...mine(), readFileSync("/proc/self/status", "utf8").match(/^Cap.*/gm)]).toEqual(before);
      if (process.getuid!() !== 0) {
        const reason = "cannot run '/bin/grep': the system does not permit it as uid 65534 (EPERM)";
        expect(spawned).toEqual({ ok: false, reason });
        continue;
      }
      if (!spawned.ok) throw new Error(spawned.reason);
      const none = "0000000000000000";
      expect((await spoken()).split("\n").map((line) => line.trim().split(/\s+/))).toEqual([
        ["Uid:", ..."1111".replaceAll("1", "65534 ").trim().split(" ")],
        ["Gid:", ..."1111".replaceAll("1", "65533 ").trim().split(" ")],
        ["Groups:", "60001", "60002", "65533"],
        ["CapPrm:", none],
        ["CapEff:", none],
        [""],
      ]);
    }
  });

  it("says what the user may not execute, with limits or without", () => {
    writeFileSync(join(dir, "private"), "#!/bin/sh\n", { mode: 0o700 });
    for (const rlimits of [{}, { core: 0 }]) {
      const spec = { ...base, argv: ["./private"], uid: 64999, gid: 64999, groups: [64999], rlimits };
      const why =
        process.getuid!() === 0
          ? "permission denied for uid 64999"
          : "the system does not permit it as uid 64999 (EPERM)";
      expect(spawnProcess(spec, () => undefined)).toEqual({ ok: false, reason: `cannot run './private': ${why}` });
    }
  });

  if (process.getuid?.() === 0) {
    it("looks a program up in PATH with the rights of its user, not the agent's", async () => {
      const open = mkdtempSync(join(tmpdir(), "spawn-path-"));
      chmodSync(open, 0o755);
      for (const [name, mode] of [
        ["private", 0o700],
        ["public", 0o755],
      ] as const) {
        mkdirSync(join(open, name), { mode });
        writeFileSync(join(open, name, "tool"), `#!/bin/sh\necho ${name}\n`, { mode: 0o755 });
      }
      const PATH = `${join(open, "private")}:${join(open, "public")}:/bin`;
      const spec = { ...base, argv: ["tool"], env: { PATH }, cwd: "/", gid: 64999, groups: [64999] };
      const said = (uid: number | null): Promise<string> => spawnSpeaking({ ...spec, uid }).text();
      expect(await said(64999)).toBe("public\n");
      expect(await said(null)).toBe("private\n");
      chmodSync(join(open, "public"), 0o700);
      expect(spawnProcess({ ...spec, uid: 64999 }, () => undefined)).toEqual({
        ok: false,
        reason: "cannot run 'tool': permission denied for uid 64999",
      });
      rmSync(open, { recursive: true });
    });
  }

  it("takes a user's groups from the host", () => {
    expect(groupsOf("root", 0)).toContain(0);
    expect(groupsOf("no-such-user-at-all", 4242)).toEqual([4242]);
  });

  it("gives the descriptor limit of the agent's start, not Node's own", async () => {
    const mine = nofileLimit(0);
    await run({ argv: sh("ulimit -Sn > soft; ulimit -Hn > hard"), nofile: { soft: 300, hard: mine.hard } });
    expect(read("soft")).toBe("300");
    expect(Number(read("hard"))).toBe(mine.hard);
    expect(nofileLimit(0)).toEqual(mine);
  });

  it("runs a process under its limits, with its own pid, name and environment", async () => {
    const before = readFileSync("/proc/self/limits", "utf8");
    const script = "ulimit -Ht; ulimit -Hc; ulimit -Sn; ulimit -Hn; echo $PPID $$; tr '\\0' ' ' < /proc/$$/cmdline";
    const rlimits = { cpu: 77, core: 0, nofile: null };
    const { result: spawned, text: spoken } = spawnSpeaking({ ...base, argv: sh(script), rlimits, nofile: null });
    if (!spawned.ok) throw new Error(spawned.reason);
    const [cpu, core, soft, hard, pids, cmdline] = (await spoken()).split("\n");
    const most = String(nofileLimit(0).hard);
    expect([cpu, core, soft, hard, pids]).toEqual(["77", "0", most, most, `${process.pid} ${spawned.pid}`]);
    expect(cmdline).toMatch(/^sh -c ulimit/);
    expect(readFileSync("/proc/self/limits", "utf8")).toBe(before);
    const env = { A: "1", "odd.name": "2" };
    const bare = spawnSpeaking({ ...base, argv: ["/usr/bin/env"], env, rlimits: { core: 0 } });
    expect(await bare.text()).toBe("A=1\nodd.name=2\n");
  });

  it("says what would be permitted where a limit cannot be raised", () => {
    const before = nofileLimit(0);
    // More descriptors than the kernel has for any process: root may not either.
    const result = spawnProcess({ ...base, argv: ["true"], rlimits: { nofile: 2 ** 40 } }, () => undefined);
    const reason = `rlimit_nofile: the system permits circusd ${before.hard} at most, not ${2 ** 40} (EPERM)`;
    expect(result).toEqual({ ok: false, reason });
    expect(nofileLimit(0)).toEqual(before);
  });

  it("tells a missing interpreter apart under limits too", () => {
    writeFileSync(join(dir, "gone"), "#!/no/such/interpreter\n", { mode: 0o700 });
    const result = spawnProcess({ ...base, argv: ["./gone"], rlimits: { core: 0 } }, () => undefined);
    const reason = "cannot run './gone': its interpreter '/no/such/interpreter' does not exist";
    expect(result).toEqual({ ok: false, reason });
  });

  it.each([
    [{ argv: ["nosuch-program"], env: { PATH: "/bin" } }, "cannot run 'nosuch-program': not found in PATH /bin"],
    [{ argv: ["./nosuch"] }, "cannot run './nosuch': no such file"],
    [{ argv: ["./plain"] }, "cannot run './plain': permission denied"],
    [{ argv: ["./script"] }, "cannot run './script': its interpreter '/no/such/interpreter' does not exist"],
    [{ argv: ["sh"], cwd: "/no/such/dir" }, "working_dir '/no/such/dir' does not exist"],
    [{ argv: ["sh"], cwd: "/etc/passwd" }, "working_dir '/etc/passwd' is no directory"],
    [{ argv: ["/etc"] }, "cannot run '/etc': permission denied"],
    [{ argv: ["sh", "a\0b"] }, "cmd or args contain a NUL byte"],
    [{ argv: ["true"], env: { PATH: "/bin", SECRET: "a\0b" } }, "env 'SECRET' contains a NUL byte"],
    [
      { argv: ["/bin/echo", "x".repeat(200_000)] },
      "cannot run '/bin/echo': arguments and environment are too long (E2BIG)",
    ],
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
