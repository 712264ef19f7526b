/** The test support itself, on real programs: what the other tests rely on. */
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import * as zmq from "zeromq";
import { iniText } from "../support/agent.ts";
import { assertNoLeaks, children, descendants, markedProcesses, processInfo } from "../support/leaks.ts";
import { startLoad } from "../support/load.ts";
import { startLoadInside } from "../support/load-inside.ts";
import { createNetwork, permitted } from "../support/namespaces.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { freePort, freePorts } from "../support/ports.ts";
import { cleanEnv, exampleDir, findProgram, run, startProgram } from "../support/process.ts";
import { python, runPython } from "../support/python.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor, within } from "../support/wait.ts";
import { zmqCall } from "../support/zmq-call.ts";

afterAll(() => assertNoLeaks());

const SH = "/bin/sh";

describe("ports, directories, waiting", () => {
  it("`freePorts()` never gives one port twice", async () => {
    const ports = await freePorts(50);
    expect(new Set(ports).size).toBe(50);
    expect(ports.every((port) => port > 1024)).toBe(true);
  });

  it("`tempDir()` is gone with what was in it", async () => {
    let path: string;
    {
      await using dir = await tempDir();
      path = dir.path;
      await dir.write("a/b.txt", "x");
      expect(existsSync(dir.file("a", "b.txt"))).toBe(true);
    }
    expect(existsSync(path)).toBe(false);
  });

  it("`waitFor()` returns the first truthy value and counts a throw as not yet", async () => {
    let calls = 0;
    const value = await waitFor(
      () => {
        calls += 1;
        if (calls === 1) throw new Error("too early");
        return calls > 2 && `after ${calls}`;
      },
      { what: "a third call" },
    );
    expect(value).toBe("after 3");
  });

  it("`waitFor()` says what it waited for and what it saw last", async () => {
    const waiting = waitFor(() => Promise.reject(new Error("no such file")), { what: "the file", deadlineMs: 30 });
    await expect(waiting).rejects.toThrow("waited 30 ms in vain for the file; last: no such file");
  });

  it("`within()` gives the value or names what was late", async () => {
    expect(await within("a value", 1000, Promise.resolve(1))).toBe(1);
    await expect(within("nothing", 20, new Promise(() => undefined))).rejects.toThrow("nothing took longer than 20 ms");
  });
});

describe("programs", () => {
  it("`run()` returns output and exit code, and gives stdin", async () => {
    const result = await run(SH, ["-c", "cat; echo err >&2; exit 3"], { input: "in" });
    expect(result).toMatchObject({ code: 3, signal: null, stdout: "in", stderr: "err\n" });
  });

  it("`run()` kills what takes too long, children included", async () => {
    await expect(run(SH, ["-c", "sleep 60; true"], { deadlineMs: 50 })).rejects.toThrow("took longer than 50 ms");
    await waitFor(() => markedProcesses().length === 0, { what: "the sleep to be gone" });
  });

  it("`waitForLine()` finds a past line, and fails at once when the program ends without it", async () => {
    await using program = await startProgram(SH, ["-c", "echo one; echo two; sleep 60; true"]);
    expect(await program.waitForLine(/^t/)).toBe("two");
    expect(await program.waitForLine(/^o/)).toBe("one");
    await using ending = await startProgram(SH, ["-c", "echo gone"]);
    await expect(ending.waitForLine(/never/, 60_000)).rejects.toThrow("ended without printing");
  });

  it("`stop()` ends a program that ignores SIGTERM, and its children", async () => {
    const program = await startProgram(SH, ["-c", "trap '' TERM; sleep 60 & echo up; while :; do wait; done"]);
    await program.waitForLine(/up/);
    const below = await waitFor(() => descendants(program.pid)[0], { what: "the child" });
    expect(children(program.pid).map(({ pid }) => pid)).toContain(below.pid);
    expect(await program.stop(50)).toEqual({ code: null, signal: "SIGKILL" });
    await waitFor(() => processInfo(below.pid) === null, { what: "the child to be gone" });
  });

  it("`cleanEnv()` leaves out what slows Node down or redirects a client, unless asked for", () => {
    process.env["CIRCUSCTL_ENDPOINT"] = "tcp://example.invalid:1";
    try {
      expect(cleanEnv()).not.toHaveProperty("CIRCUSCTL_ENDPOINT");
      expect(cleanEnv()).not.toHaveProperty("NODE_EXTRA_CA_CERTS");
      expect(cleanEnv({ CIRCUSCTL_ENDPOINT: "x", HOME: undefined })).toMatchObject({ CIRCUSCTL_ENDPOINT: "x" });
      expect(cleanEnv({ HOME: undefined })).not.toHaveProperty("HOME");
    } finally {
      delete process.env["CIRCUSCTL_ENDPOINT"];
    }
  });

  it("an unknown program is a clear error", async () => {
    expect(findProgram("no-such-program")).toBeNull();
    await expect(startProgram("no-such-program")).rejects.toThrow("neither in node_modules/.bin nor in PATH");
  });

  it("`assertNoLeaks()` names a forgotten process and ends it", async () => {
    const program = await startProgram(SH, ["-c", "setsid sleep 61 & echo up; wait"]);
    await program.waitForLine(/up/);
    await waitFor(() => descendants(program.pid).length > 0, { what: "the child" });
    await program.stop(0); // the group ends, a session of its own does not
    await expect(assertNoLeaks(100)).rejects.toThrow(/still running: sleep 61/);
    await assertNoLeaks();
  });

  it("`python()` has Debian's modules", async () => {
    await using dir = await tempDir();
    const script = await dir.write("try.py", "import sys, zmq, gevent\nprint(sys.argv[1], zmq.__name__)\n");
    expect(await runPython(script, ["hello"])).toMatchObject({ code: 0, stdout: "hello zmq\n" });
    expect(python()).toContain("python");
  });
});

describe("nats-server", () => {
  it("keeps its port and store over kill -9 and restart", async () => {
    await using server = await startNatsServer();
    const { port } = server;
    await server.kill9();
    expect(server.isRunning).toBe(false);
    await server.restart();
    expect(server.port).toBe(port);
    await server.restart();
    expect(server.isRunning).toBe(true);
    expect(server.log.match(/Server is ready/g)).toHaveLength(3);
    expect(server.log).toContain("Starting JetStream");
  });

  it("takes a given configuration and its port, and reloads it", async () => {
    await using dir = await tempDir();
    const port = await freePort();
    const config = await dir.write("n.conf", `listen: 127.0.0.1:${port}\nmax_payload: 1MB\n`);
    await using server = await startNatsServer({ config });
    expect(server.url).toBe(`nats://127.0.0.1:${port}`);
    await dir.write("n.conf", `listen: 127.0.0.1:${port}\nmax_payload: 2MB\n`);
    await server.reload();
  });

  it("a broken configuration is an error with the server's words", async () => {
    await using dir = await tempDir();
    const config = await dir.write("n.conf", "listen: 127.0.0.1:1\nnonsense {\n");
    await expect(startNatsServer({ config })).rejects.toThrow("ended without printing");
  });
});

describe("ZeroMQ call", () => {
  it("gets the reply without id, and an error when none comes", async () => {
    const router = new zmq.Router({ linger: 0 });
    await router.bind("tcp://127.0.0.1:*");
    const endpoint = router.lastEndpoint ?? "";
    const serve = (async () => {
      const [identity, frame] = await router.receive();
      const { id, command, properties } = JSON.parse(String(frame)) as Record<string, unknown>;
      await router.send([identity!, JSON.stringify({ status: "ok", command, properties, id })]);
    })();
    const reply = await zmqCall(endpoint, { command: "status", properties: { name: "web" } });
    expect(reply).toEqual({ status: "ok", command: "status", properties: { name: "web" } });
    await serve;
    await expect(zmqCall(endpoint, { command: "list" }, 50)).rejects.toThrow("did not answer list within 50 ms");
    router.close();
  });
});

function listening(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

describe("load", () => {
  it("counts answers by worker and records every kind of failure", async () => {
    let n = 0;
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      n += 1;
      const answers = [
        "HTTP/1.1 200 OK\r\nX-Worker: 7\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX-Worker: 8\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        "",
      ];
      const answer = answers[(n - 1) % answers.length]!;
      socket.once("data", () => socket.end(answer));
    });
    const port = await listening(server);
    const report = await startLoad({ port, workers: 1, requests: 10, expect: "ok" }).finished;
    expect(report.requests).toBe(10);
    expect([...report.byWorker]).toEqual([
      ["7", 2],
      ["8", 2],
    ]);
    expect(report.failures.map(({ reason }) => reason).slice(0, 3)).toEqual([
      "status 503",
      "closed after 5 of 9 bytes",
      "closed without an answer",
    ]);
    server.close();
    const refused = await startLoad({ port, workers: 2, requests: 2 }).finished;
    expect(refused.failures).toHaveLength(2);
    expect(refused.failures[0]?.reason).toContain("ECONNREFUSED");
  });

  it("the example's launcher: two workers on one socket, and none of them drops a request when told to go", async () => {
    // Stands for circusd: a socket bound and listening, inherited under its number.
    await using dir = await tempDir();
    const script = await dir.write(
      "two.py",
      [
        "import os, signal, socket, subprocess, sys",
        "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(2048); s.setblocking(False)",
        "fd = s.fileno(); os.set_inheritable(fd, True)",
        "def spawn(): return subprocess.Popen(['chaussette', '--fd', str(fd), '--backend', 'gevent', 'app.app'], pass_fds=[fd])",
        "workers = [spawn(), spawn()]",
        "print('port', s.getsockname()[1], flush=True)",
        "for line in sys.stdin:",
        "    for i in range(2):",
        "        old, workers[i] = workers[i], spawn()",
        "        old.terminate(); print('left', old.wait(), flush=True)",
        "for w in workers: w.terminate()",
        "for w in workers: w.wait()",
      ].join("\n"),
    );
    const fifo = dir.file("fifo");
    await run("mkfifo", [fifo]);
    const path = `${exampleDir}/bin:${cleanEnv()["PATH"] ?? ""}`;
    await using parent = await startProgram(SH, ["-c", `exec "${python()}" "${script}" <>"${fifo}"`], {
      cwd: exampleDir,
      env: { PATH: path },
    });
    const port = Number((await parent.waitForLine(/^port /)).slice(5));
    await using load = startLoad({ port, workers: 8, expect: "Hello, World!\n" });
    await using slow = startLoad({ port, workers: 4, path: "/slow", expect: "Hello, World!\n" });
    await waitFor(() => load.byWorker.size === 2, { what: "both workers to answer", deadlineMs: 60_000 });
    await waitFor(() => slow.byWorker.size > 0, { what: "a slow answer" });
    await run(SH, ["-c", `echo >"${fifo}"`]);
    await waitFor(() => parent.stdout.match(/left 0/g)?.length === 2, { what: "both to leave with 0" });
    await waitFor(() => load.byWorker.size >= 3, { what: "a successor to answer", deadlineMs: 20_000 });
    const [fast, long] = await Promise.all([load.stop(), slow.stop()]);
    expect(fast.failures).toEqual([]);
    expect(long.failures).toEqual([]);
    expect(fast.requests).toBeGreaterThan(100);
    for (const { pid } of children(parent.pid)) process.kill(pid, "SIGTERM");
    await waitFor(() => children(parent.pid).length === 0, { what: "the workers to end" });
  });
});

describe("an ini", () => {
  it("is written as Circus reads it", () => {
    expect(iniText({ circus: { check_delay: 5 }, "watcher:web": { cmd: "sleep 1", singleton: true } })).toBe(
      "[circus]\ncheck_delay = 5\n\n[watcher:web]\ncmd = sleep 1\nsingleton = true\n",
    );
  });
});

describe.runIf(permitted())("hosts as network namespaces", () => {
  const ping = ["-c", "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).recv(4)"];

  it("reach each other, not when cut, again when healed, and nothing is left", async () => {
    const before = (await run("ip", ["link"])).stdout;
    {
      await using network = createNetwork(["nats", "web1", "web2"]);
      const port = 4222;
      const nats = network.host("nats");
      await using server = await startNatsServer({ host: nats.address, port, netns: nats.netns });
      expect(server.isRunning).toBe(true);
      const reach = async (host: string): Promise<boolean> =>
        (await network.run(host, python(), [...ping, nats.address, String(port)])).code === 0;
      await waitFor(() => reach("web1"), { what: "web1 to reach nats" });
      expect(await reach("web2")).toBe(true);
      network.cut("web1");
      expect(await reach("web1")).toBe(false);
      expect(await reach("web2")).toBe(true);
      network.heal("web1");
      await waitFor(() => reach("web1"), { what: "web1 to reach nats again" });
      expect((await run("ip", ["link"])).stdout).toBe(before);
    }
    expect((await run("ip", ["netns", "list"])).stdout).not.toContain(`cc${process.pid.toString(36)}`);
  });

  it("a load runs inside one", async () => {
    await using network = createNetwork(["web1"]);
    const { netns, address } = network.host("web1");
    await using dir = await tempDir();
    await dir.write("index.html", "hello");
    const args = ["-u", "-m", "http.server", "--bind", address, "--directory", dir.path, "8000"];
    await using server = await network.start("web1", python(), args);
    await server.waitForLine(/Serving HTTP/);
    await using load = await startLoadInside(netns, { host: address, port: 8000, workers: 2, expect: "hello" });
    await waitFor(() => (server.stderr.match(/GET/g)?.length ?? 0) > 10, { what: "ten requests" });
    const report = await load.stop();
    expect(report.failures).toEqual([]);
    expect(report.requests).toBeGreaterThan(10);
  });
});
