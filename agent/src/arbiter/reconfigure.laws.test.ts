/**
 * The law of `reloadconfig`: from any configuration to any other, an agent ends up as one that was started with the
 * other; and whatever the two have in common was not touched on the way.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ownSocketNames } from "../config/own-sockets.ts";
import type { AgentConfig, WatcherConfig } from "../config/types.ts";
import { configOf, MadeUpArbiter, type Sections } from "./arbiter.fixture.ts";

type Keys = Sections[string];

const root = mkdtempSync(join(tmpdir(), "circus-laws-"));
afterAll(() => rmSync(root, { recursive: true }));

let freePort = 0;
beforeAll(async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  freePort = (server.address() as { port: number }).port;
  await new Promise((done) => server.close(done));
});

/** Stands for the directory of all its files. */
const DIR = "DIR";
const NAMES = ["a", "b", "c", "d"] as const;
const SOCKETS = ["one", "two", "many"] as const;

const some = <T extends Keys>(shape: { readonly [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<Keys> =>
  fc.record(shape, { requiredKeys: [] }) as fc.Arbitrary<Keys>;

/** By name: what may differ between two files. */
const sockets: Readonly<Record<string, fc.Arbitrary<Keys>>> = {
  one: some({
    path: fc.constantFrom(`${DIR}/1.sock`, `${DIR}/2.sock`),
    umask: fc.constantFrom("010", "077"),
    backlog: fc.constantFrom(5, 9),
  }).map((keys) => ({ path: `${DIR}/1.sock`, ...keys })),
  two: some({
    host: fc.constantFrom("127.0.0.1", "127.0.0.2"),
    backlog: fc.constantFrom(5, 9),
    blocking: fc.constantFrom("True", "False"),
    type: fc.constantFrom("SOCK_STREAM", "SOCK_DGRAM"),
  }).map((keys) => ({ port: 0, host: "127.0.0.1", ...keys })),
  many: some({ so_reuseport: fc.constantFrom("True", "False"), backlog: fc.constantFrom(5, 9) }).map((keys) => ({
    ...{ host: "127.0.0.1", port: "PORT" },
    ...keys,
  })),
};

const watcher = (i: number, there: readonly string[]): fc.Arbitrary<Keys> => {
  const useOf = (name: string): string => `--fd=$(circus.sockets.${name})`;
  return fc
    .tuple(
      some({
        numprocesses: fc.constantFrom(1, 2, 3),
        args: fc.constantFrom("x", "--grace $(circus.graceful_timeout)", "$(circus.env.color)"),
        priority: fc.constantFrom(1, 2),
        max_age: fc.constantFrom(300, 400),
        graceful_timeout: fc.constantFrom(3, 4),
        stop_signal: fc.constantFrom("INT", "QUIT"),
        respawn: fc.constantFrom("True", "False"),
        max_retry: fc.constantFrom(3, -1),
        working_dir: fc.constantFrom("/", "/tmp"),
        copy_env: fc.constantFrom("True", "False"),
        shell: fc.constantFrom("True", "False"),
        rlimit_nofile: fc.constantFrom(50, 60),
        close_child_stdout: fc.constantFrom("True", "False"),
        close_child_stdin: fc.constantFrom("True", "False"),
        "stdout_stream.class": fc.constantFrom("QueueStream", "FileStream"),
        "stderr_stream.class": fc.constant("QueueStream"),
        "flapping.window": fc.constantFrom(2, 3),
        send_hup: fc.constantFrom("True", "False"),
        executable: fc.constantFrom("/bin/true", "/bin/false"),
        depends_on: fc.constantFrom(...NAMES.slice(0, i), ""),
      }),
      fc.subarray([...there]),
      fc.constantFrom("named", "all", "none", "stdin"),
      fc.boolean(),
    )
    .map(([keys, named, use, isSingle]) => {
      const cmd = use === "named" ? ["run", ...named.map(useOf)].join(" ") : "run";
      const isStdin = use === "stdin" && named[0] !== undefined && named[0] !== "many";
      const dependsOn = keys["depends_on"] === "" ? [] : String(keys["depends_on"] ?? "").split(",");
      const rest = Object.fromEntries(Object.entries(keys).filter(([key]) => key !== "depends_on"));
      return {
        ...{ cmd, "ready.min_uptime": 0 },
        ...rest,
        ...(use === "none" || use === "stdin" ? {} : { use_sockets: "True" }),
        ...(isStdin ? { stdin_socket: named[0] ?? "" } : {}),
        ...(isSingle ? { singleton: "True", numprocesses: 1 } : {}),
        ...(dependsOn[0] ? { depends_on: dependsOn[0] } : {}),
        ...(keys["stdout_stream.class"] === "FileStream" ? { "stdout_stream.filename": `${DIR}/${i}.log` } : {}),
      };
    });
};

const plugin = some({
  use: fc.constantFrom("circus.plugins.flapping.Flapping", "my.own.Plugin"),
  window: fc.constantFrom(2, 3),
  priority: fc.constantFrom(1, 5),
}).map((keys) => ({ use: "my.own.Plugin", ...keys }));

const env = some({ color: fc.constantFrom("red", "blue"), TASTE: fc.constantFrom("sweet", "sour") });

const files: fc.Arbitrary<Sections> = fc.subarray([...SOCKETS]).chain((there) =>
  fc
    .record(
      {
        ...Object.fromEntries(NAMES.map((name, i) => [`watcher:${name}`, watcher(i, there)])),
        ...{ "plugin:p": plugin, "plugin:q": plugin, "env:a,b": env, circus: some({ loglevel: fc.constant("debug") }) },
      },
      { requiredKeys: [] },
    )
    .chain((sections) =>
      fc
        .record(Object.fromEntries(there.map((name) => [`socket:${name}`, sockets[name] ?? fc.constant({})])))
        .map((own): Sections => withoutStrangers({ ...sections, ...own })),
    ),
);

/** Who depends on one that is not there would be refused. */
function withoutStrangers(sections: Sections): Sections {
  return Object.fromEntries(
    Object.entries(sections).map(([name, keys]) => {
      const isStranger = "depends_on" in keys && !(`watcher:${String(keys["depends_on"])}` in sections);
      return [name, isStranger ? Object.fromEntries(Object.entries(keys).filter(([k]) => k !== "depends_on")) : keys];
    }),
  );
}

function inDir(sections: Sections, dir: string, port: number): Sections {
  return JSON.parse(
    JSON.stringify(sections).replaceAll(`${DIR}/`, `${dir}/`).replaceAll('"PORT"', String(port)),
  ) as Sections;
}

/** What a process was given, with sockets by name in place of numbers. */
function givenTo(arbiter: MadeUpArbiter, config: AgentConfig, watcher: WatcherConfig, pid: number): unknown {
  const made = arbiter.alive.get(pid);
  if (made === undefined) throw new Error(`process ${pid} is not alive`);
  const { spec } = made;
  const names = config.sockets.map(({ name }) => name);
  const byInode = new Map(names.map((name) => [arbiter.inode(name), name]));
  const nameOf = (fd: number): string => {
    const socket = made.sockets.get(fd);
    const isOwn = socket !== undefined && "host" in socket.address && watcher.cmd.includes("sockets.many");
    return byInode.get(socket?.inode ?? "") ?? (isOwn ? `own ${JSON.stringify(socket.address)}` : "another one");
  };
  const own = ownSocketNames(watcher, names);
  const has = new Set([...made.sockets.keys()].map(nameOf));
  const isReuse = (name: string): boolean => config.sockets.find((one) => one.name === name)?.soReuseport === true;
  return {
    argv: spec.argv.map((word) => word.replace(/--fd=(\d+)/g, (_, fd: string) => `--fd=${nameOf(Number(fd))}`)),
    ...{ executable: spec.executable, env: spec.env, cwd: spec.cwd, uid: spec.uid, gid: spec.gid },
    ...{ rlimits: spec.rlimits, stdin: typeof spec.stdin, isInherited: spec.stdin === "inherit" },
    stdout: typeof spec.stdout === "number" ? "pipe" : spec.stdout,
    stderr: typeof spec.stderr === "number" ? "pipe" : spec.stderr,
    sockets: watcher.useSockets ? own.filter((name) => isReuse(name) || has.has(name)) : [],
  };
}

/** All that can be seen of an agent from outside, without numbers that no two have in common. */
function view(arbiter: MadeUpArbiter, config: AgentConfig, dir: string): unknown {
  const watchers = arbiter.watchers.all().map((watcher) => ({
    config: { ...watcher.config, at: null, lifecycle: { ...watcher.config.lifecycle, dependsOnAt: null } },
    status: watcher.status,
    processes: watcher.processes().map(({ pid }) => givenTo(arbiter, config, watcher.config, pid)),
  }));
  const sockets = arbiter.sockets
    .all()
    .map((socket) => ({ ...socket.config, at: null, address: { ...socket.address, port: null } }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return { watchers, sockets, alive: arbiter.alive.size, files: socketFiles(dir) };
}

const socketFiles = (dir: string): readonly string[] =>
  readdirSync(dir)
    .filter((name) => name.includes("sock"))
    .sort();

it("reload = fresh start, and what did not change is not touched", async () => {
  await fc.assert(
    fc.asyncProperty(files, files, fc.boolean(), async (old, changed, isMixed) => {
      // Two files of the same hand: more in common than chance would give.
      const next = isMixed ? withoutStrangers(mix(old, changed)) : changed;
      const dir = mkdtempSync(join(root, "r"));
      const [before, after] = [inDir(old, dir, freePort), inDir(next, dir, freePort)];
      await using arbiter = await MadeUpArbiter.started(before);
      const [configBefore, configAfter] = [configOf(before), configOf(after)];
      const kept = untouched(configBefore, configAfter).map((name) => [name, arbiter.pids(name)] as const);
      const sameSockets = configAfter.sockets.filter((socket) =>
        configBefore.sockets.some((other) => JSON.stringify(other) === JSON.stringify(socket)),
      );
      const inodes = sameSockets.map(({ name }) => [name, arbiter.sockets.get(name)?.fd, arbiter.inode(name)]);

      const t = setTimeout(
        () =>
          console.log(
            "HANG reload",
            JSON.stringify(arbiter.plan(after).watchers),
            JSON.stringify(arbiter.watchers.all().map((w) => [w.config.name, w.status, w.snapshot()])),
            arbiter.told.join(),
          ),
        2500,
      );
      expect(await arbiter.reload(after)).toEqual([]);
      clearTimeout(t);

      const seen = view(arbiter, configAfter, dir);
      expect(kept.map(([name]) => [name, arbiter.pids(name)])).toEqual(kept);
      expect(sameSockets.map(({ name }) => [name, arbiter.sockets.get(name)?.fd, arbiter.inode(name)])).toEqual(inodes);
      // There is nothing more to do.
      const plan = arbiter.plan(after);
      expect([
        plan.applied,
        plan.deferred,
        Object.values(plan.sockets).flat(),
        Object.values(plan.watchers).flat(),
      ]).toEqual([[], [], [], []]);
      const t2 = setTimeout(
        () =>
          console.log(
            "HANG dispose",
            JSON.stringify(arbiter.watchers.allOwned().map((w) => [w.config.name, w.status, w.snapshot()])),
            arbiter.told.join(),
          ),
        2000,
      );
      await arbiter[Symbol.asyncDispose]();
      clearTimeout(t2);
      expect(socketFiles(dir)).toEqual([]);
      await using fresh = await MadeUpArbiter.started(after);
      expect(seen).toEqual(view(fresh, configAfter, dir));
    }),
    { numRuns: 60, timeout: 20_000 },
  );
}, 120_000);

/** Sections of both: each from one of them. */
function mix(old: Sections, changed: Sections): Sections {
  const names = [...new Set([...Object.keys(old), ...Object.keys(changed)])];
  const chosen = names.flatMap((name, i) => {
    const keys =
      (i % 2 === 0 ? old : changed)[name] ?? (name.startsWith("socket:") ? (changed[name] ?? old[name]) : null);
    return keys === undefined || keys === null ? [] : [[name, keys] as const];
  });
  return Object.fromEntries(chosen);
}

/** Watchers that stand in both files with the same words, and whose sockets do. */
function untouched(before: AgentConfig, after: AgentConfig): readonly string[] {
  const facts = (config: AgentConfig, watcher: WatcherConfig): string => {
    const own = ownSocketNames(
      watcher,
      config.sockets.map(({ name }) => name),
    );
    return JSON.stringify([watcher, config.sockets.filter(({ name }) => own.includes(name))]);
  };
  return after.watchers.flatMap((watcher) => {
    const old = before.watchers.find(({ name }) => name === watcher.name);
    return old !== undefined && facts(before, old) === facts(after, watcher) ? [watcher.name] : [];
  });
}
