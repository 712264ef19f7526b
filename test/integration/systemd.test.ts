/** Under a service manager that speaks systemd's protocol: what circusd tells it, and sockets that outlive a restart. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { iniText, type Section } from "../support/agent.ts";
import { assertNoLeaks, descendants } from "../support/leaks.ts";
import { startLoad } from "../support/load.ts";
import { freePorts } from "../support/ports.ts";
import { findProgram, type Program, projectRoot, startProgram } from "../support/process.ts";
import { python } from "../support/python.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { zmqCall } from "../support/zmq-call.ts";

afterAll(() => assertNoLeaks());

interface Heard {
  readonly started?: number;
  readonly ended?: number;
  readonly code?: number;
  readonly message?: Readonly<Record<string, string>>;
  readonly inodes?: readonly number[];
}

const BODY = "Hello, World!\n";

function heard(manager: Program): readonly Heard[] {
  return manager.stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Heard);
}

/** The `n`th message with these fields, once it has come. */
async function nth(manager: Program, n: number, fields: Readonly<Record<string, string>>): Promise<Heard> {
  const matches = ({ message }: Heard) =>
    message !== undefined && Object.entries(fields).every(([key, value]) => message[key] === value);
  return await waitFor(() => heard(manager).filter(matches)[n - 1] ?? false, {
    what: `message ${n} with ${JSON.stringify(fields)}`,
    deadlineMs: 30_000,
  });
}

function socketInodes(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      return inode === undefined ? [] : [Number(inode)];
    } catch {
      return []; // closed meanwhile
    }
  });
}

it("tells systemd how far it is, and gets its sockets back from it", { timeout: 180_000 }, async () => {
  await using dir = await tempDir("circus-systemd-");
  const [endpoint = 0, pubsub = 0, port = 0, other = 0] = await freePorts(4);
  const address = `tcp://127.0.0.1:${endpoint}`;
  const worker = join(projectRoot, "test/fixtures/small_http.py");
  const sections: Readonly<Record<string, Section>> = {
    circus: { endpoint: address, pubsub_endpoint: `tcp://127.0.0.1:${pubsub}`, multicast_endpoint: "" },
    "watcher:web": {
      cmd: `${python()} ${worker} $(circus.sockets.web)`,
      ...{ use_sockets: true, numprocesses: 2, copy_env: true, "ready.min_uptime": "100ms" },
    },
    "socket:web": { host: "127.0.0.1", port },
    "socket:näher": { host: "127.0.0.1", port: other },
  };
  const ini = await dir.write("circus.ini", iniText(sections));
  const program = join(projectRoot, "test/fixtures/service_manager.py");
  const circusd = findProgram("circusd") ?? "";
  await using manager = await startProgram(python(), [program, circusd, ini]);
  const running = (): number => heard(manager).findLast(({ started }) => started !== undefined)?.started ?? 0;
  const call = (command: string, properties = {}) => zmqCall(address, { command, properties }, 20_000);
  const change = async (sockets: Readonly<Record<string, Section>>): Promise<void> => {
    const rest = Object.entries(sections).filter(([name]) => !name.startsWith("socket:"));
    await dir.write("circus.ini", iniText({ ...Object.fromEntries(rest), ...sockets }));
  };

  await nth(manager, 1, { READY: "1" });
  const [web = 0] = (await nth(manager, 1, { FDSTORE: "1", FDNAME: "socket-web" })).inodes ?? [];
  await nth(manager, 1, { FDSTORE: "1", FDNAME: "socket-n%c3%a4her" });
  await nth(manager, 1, { STATUS: "2 processes of 1 watchers" });
  await nth(manager, 2, { WATCHDOG: "1" });
  expect(socketInodes(running())).toContain(web);
  // What is said to circusd alone does not reach a worker that copies its environment.
  const [first] = descendants(running()).filter(({ command }) => command.includes("small_http"));
  const variables = readFileSync(`/proc/${first?.pid ?? 0}/environ`, "utf8").split("\0");
  expect(variables.filter((one) => /^(NOTIFY|WATCHDOG|LISTEN|FDSTORE)/.test(one))).toEqual([]);

  await using load = startLoad({ port, workers: 2, pauseMs: 5, expect: BODY });
  const begun = running();
  manager.kill("SIGHUP");
  await nth(manager, 1, { STOPPING: "1" });
  await nth(manager, 1, { EXTEND_TIMEOUT_USEC: "30000000" });
  await nth(manager, 2, { READY: "1" });
  expect(heard(manager)).toContainEqual({ ended: begun, code: 0 });
  expect(running()).not.toBe(begun);
  expect(socketInodes(running())).toContain(web);

  // A restart of everything inside the process keeps them too.
  expect(await call("restart", { waiting: true })).toMatchObject({ status: "ok" });
  await nth(manager, 3, { READY: "1" });
  expect(socketInodes(running())).toContain(web);

  // A socket that goes is kept no longer.
  await change({ "socket:web": { host: "127.0.0.1", port } });
  expect(await call("reloadconfig", { waiting: true })).toMatchObject({ status: "ok" });
  await nth(manager, 1, { RELOADING: "1" });
  await nth(manager, 4, { READY: "1" });
  await nth(manager, 1, { FDSTOREREMOVE: "1", FDNAME: "socket-n%c3%a4her" });
  const report = await load.stop();
  expect(report.failures).toEqual([]);
  expect(report.requests).toBeGreaterThan(0);

  // Kept at the address of one that the next start wants otherwise: given back before that is bound.
  await change({ "socket:web": { host: "0.0.0.0", port } });
  manager.kill("SIGHUP");
  await nth(manager, 5, { READY: "1" });
  await nth(manager, 1, { BARRIER: "1" });
  expect(socketInodes(running())).not.toContain(web);
  expect(await call("listsockets")).toMatchObject({ sockets: [{ name: "web", host: "0.0.0.0", port }] });

  manager.kill("SIGTERM");
  expect(await manager.exited).toEqual({ code: 0, signal: null });
});
