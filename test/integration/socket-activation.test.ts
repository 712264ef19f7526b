/** `socket_activation = systemd`, with a program that reads its sockets as sd_listen_fds(3) does; and `proto`. */
import { connect, type NetConnectOpts } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, expect, it } from "vitest";
import { startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { freePorts } from "../support/ports.ts";
import { projectRoot, run } from "../support/process.ts";
import { python } from "../support/python.ts";
import { tempDir } from "../support/temp.ts";

afterAll(() => assertNoLeaks());

const ask = async (to: NetConnectOpts) =>
  JSON.parse(await text(connect(to))) as { pid: number; env: Record<string, string> } & Record<string, unknown>;

it("hands a watcher its own sockets from 3 on, with numbers, names and the pid of each process", async () => {
  await using dir = await tempDir("circus-listen-");
  const [a = 0, b = 0, other = 0] = await freePorts(3);
  const program = join(projectRoot, "test/fixtures/listen_fds.py");
  const path = dir.file("u.sock");
  const loopback = { host: "127.0.0.1" };
  await using agent = await startAgent({
    sections: {
      "env:web": { PLAIN: "yes", "odd.name": "kept", PWD: "/mine" },
      "watcher:web": {
        cmd: `${python()} ${program} $(circus.sockets.b) $(circus.sockets.a) $(circus.sockets.u)`,
        ...{ use_sockets: true, socket_activation: "systemd", numprocesses: 2, rlimit_nofile: 77 },
        "stdout_stream.class": "QueueStream",
      },
      "watcher:all": {
        cmd: `${python()} ${program}`,
        use_sockets: true,
        socket_activation: "systemd",
        numprocesses: 0,
      },
      "socket:a": { ...loopback, port: a, proto: "tcp" },
      "socket:b": { ...loopback, port: b, proto: 6 },
      "socket:other": { ...loopback, port: other },
      "socket:u": { path },
    },
  });
  const args = ["4", "3", "5"];
  expect(await ask({ port: a })).toMatchObject({ name: "a", fd: 3, args });
  expect(await ask({ port: b })).toMatchObject({ name: "b", fd: 4, args });
  const { env, pid, ...rest } = await ask({ path });
  expect(rest).toEqual({ name: "u", fd: 5, args });
  expect((await agent.call("list", { name: "web" }))["pids"]).toContain(pid);
  // Its environment is what the file says, and nothing that the way to it left behind.
  const listening = { LISTEN_PID: String(pid), LISTEN_FDS: "3", LISTEN_FDNAMES: "a:b:u" };
  const { LC_CTYPE: _ofPython, CIRCUS_SPAWN_ID: id, ...own } = env;
  expect(id).toMatch(/^\S+$/); // by which a later circusd would know it
  expect(own).toEqual({ PLAIN: "yes", "odd.name": "kept", PWD: "/mine", ...listening });

  // Whoever names none gets all, in the order of their names.
  await agent.call("incr", { name: "all", waiting: true });
  await agent.call("start", { name: "all", waiting: true });
  expect(await ask({ port: other })).toMatchObject({ name: "other", fd: 5, args: [], env: { LISTEN_FDS: "4" } });
});

it("refuses what it cannot do, in one line", async () => {
  await using dir = await tempDir("circus-listen-");
  const check = async (section: string) => {
    const file = await dir.write("circus.ini", `[watcher:w]\ncmd = sleep 1\n${section}\n`);
    return (await run("circusd", ["--check", file])).stderr + (await run("circusd", ["--check", file])).stdout;
  };
  expect(await check("socket_activation = launchd")).toMatch(/:3: socket_activation: 'launchd' is not 'systemd'/);
  expect(await check("socket_activation = systemd")).toMatch(/:3: socket_activation: it needs 'use_sockets = True'/);
  const sections = { "watcher:w": { cmd: "sleep 1" } };
  const start = (proto: string) => startAgent({ sections: { ...sections, "socket:s": { port: 0, proto } } });
  await expect(start("nonsense")).rejects.toThrow("socket 's': proto 'nonsense' is not in /etc/protocols");
  await expect(start("udp")).rejects.toThrow("its family and type have no such protocol (EPROTONOSUPPORT)");
});
