/**
 * Configuration files as a user has them: our own samples have the values written here, and with CIRCUS_SRC (a
 * checkout of Circus 0.19) every file of its examples, docs and tests is read by both, and so are the samples. What
 * differs on purpose is named below.
 */
import { readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../agent/src/config/load.ts";
import type { AgentConfig, WatcherConfig } from "../../agent/src/config/types.ts";
import { projectRoot, run } from "../support/process.ts";
import { runPython } from "../support/python.ts";

const INI = join(projectRoot, "test/fixtures/ini");
const ENV: Record<string, string> = {
  PATH: process.env["PATH"] ?? "",
  HOME: "/root",
  FIXTURE_PORT: "6544",
  FIXTURE_HOME: "/srv/home",
  FIXTURE_COUNT: "3",
  // What Circus's own tests set.
  circus_stats_endpoint: "tcp://127.0.0.1:6545",
  circus_statsd: "True",
};

function load(file: string): ReturnType<typeof loadConfig> {
  return loadConfig(file, { osEnv: ENV, cwd: "/", shortHostName: "box" });
}

function sample(name: string): AgentConfig {
  const { config, diagnostics } = load(join(INI, name));
  if (config === null) throw new Error(JSON.stringify(diagnostics));
  return config;
}

function watcher(config: AgentConfig, name: string): WatcherConfig {
  const found = config.watchers.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no watcher ${name}`);
  return found;
}

describe("our samples", () => {
  it("dialect.ini", () => {
    const config = sample("dialect.ini");
    expect(config.circus).toMatchObject({
      checkDelayS: 1.5,
      warmupDelayS: 2,
      endpoint: "tcp://127.0.0.1:6555",
      pubsubEndpoint: "tcp://127.0.0.1:6556",
      umask: 0o27,
      loglevel: "warning",
    });
    expect(config.watchers.map(({ name }) => name)).toEqual(["Shop Front", "renamed"]);
    expect(watcher(config, "Shop Front")).toMatchObject({
      cmd: "serve --url http://h:80/x;y ; kept, since the first semicolon cuts nothing",
      args: "one\ntwo   # part of the value\nthree = 3",
      numprocesses: 2,
      warmupDelayS: 2,
      workingDir: "/srv",
      stopSignal: 10,
      gracefulTimeoutS: 0.5,
      maxRetry: 7,
      priority: -3,
      copyEnv: true,
      extra: { colour: "blue", note: "", percent: "100%% %(nothing)s", quoted: '"kept"' },
    });
    expect(watcher(config, "renamed")).toMatchObject({
      cmd: "sleep 1",
      singleton: false,
      autostart: false,
      stopSignal: 36,
    });
  });

  it("env.ini", () => {
    const config = sample("env.ini");
    expect(config.circus.endpoint).toBe("tcp://127.0.0.1:6544");
    expect(watcher(config, "web1")).toMatchObject({
      cmd: "run --at exact --to /srv/home/x $(circus.env.missing) $(circus.wid)",
      numprocesses: 3,
      env: {
        SHARED: "exact",
        HOMEWARD: "/srv/home/x",
        DOLLAR: "/srv/home::$fixture_home",
        LITERAL: "$(circus.env.FIXTURE_HOME)",
        ONLY: "/srv/home",
      },
    });
    expect(watcher(config, "web2")).toMatchObject({ cmd: "run --at pattern", workingDir: "/srv/home/x" });
    // Patterns are case-sensitive and look at the name that holds.
    for (const name of ["API", "api-two"]) expect(watcher(config, name).cmd).toBe("run base");
  });

  it("includes.ini: the main file, then include, then include_dir; the first definition wins", () => {
    const config = sample("includes.ini");
    expect(config.circus.checkDelayS).toBe(8);
    expect(config.watchers.map(({ name, cmd, priority, uid }) => [name, cmd, priority, uid])).toEqual([
      ["one", "main", 4, null],
      ["three", "second", 0, null],
      ["two", "first", 0, "nobody"],
    ]);
    const { diagnostics } = load(join(INI, "includes.ini"));
    expect(diagnostics.map(({ message }) => message).sort()).toEqual([
      expect.stringMatching(/^include: conf\.d\/none-\*\.ini matches no file/),
      "include: only the main file's has an effect",
    ]);
  });

  it("sockets.ini", () => {
    const config = sample("sockets.ini");
    expect(config.sockets).toMatchObject([
      { name: "files", family: "AF_UNIX", path: "/tmp/circus-fixture.sock", umask: 0, replace: true },
      { name: "many", host: "localhost", port: 6702, soReuseport: true },
      { name: "six", family: "AF_INET6", type: "SOCK_DGRAM", host: "::1", port: 6701 },
      { name: "web", host: "127.0.0.1", port: 0, backlog: 12 },
    ]);
    expect(watcher(config, "app")).toMatchObject({ useSockets: true, stdinSocket: "files" });
    expect(watcher(config, "limited")).toMatchObject({
      rlimits: { nofile: 100, core: null },
      closeChildStdin: false,
      closeChildStdout: true,
      maxAgeS: 60,
      sendHup: true,
      stopChildren: true,
      shell: false,
      stdoutStream: { class: "FileStream", filename: "/tmp/circus-fixture-3.log" },
    });
  });

  it("`circusd --check --json` says the same, with the values of environments masked", async () => {
    const { code, stdout } = await run("circusd", ["--check", "--json", join(INI, "env.ini")], { cwd: "/", env: ENV });
    const mask = (one: WatcherConfig) => ({
      ...one,
      env: Object.fromEntries(Object.keys(one.env).map((k) => [k, "***"])),
    });
    const config = sample("env.ini");
    const masked = JSON.parse(JSON.stringify({ ...config, watchers: config.watchers.map(mask) })) as unknown;
    expect([code, JSON.parse(stdout)]).toEqual([0, { ok: true, diagnostics: [], config: masked }]);
  });
});

type Dict = Readonly<Record<string, unknown>>;
interface PythonConfig extends Dict {
  readonly watchers: readonly Dict[];
  readonly plugins: readonly Dict[];
  readonly sockets: readonly Dict[];
}

/** What Circus loads and cannot run: refused by us, with the line. */
const REFUSED_ON_PURPOSE = [
  /has no 'cmd'/, // it would fail at each spawn
  /cannot be split into words/, // so would this
  /virtualenv: it needs 'copy_env/, // that watcher would be left out (reference §2.9)
  /no socket '.*' for \$\(circus\.sockets\./, // the text would reach the process
  /have the same address/, // the second could not be bound
];

/** What only the Python program has in its environment. */
const FOREIGN = new Set(["__name__", "CIRCUS_TEST_MARK", "PYTHONPATH", "LC_CTYPE", "XDG_STATE_HOME"]);

/** Keys of a watcher in Circus's dictionary that are ours under another name, with our value. */
const WATCHER: Readonly<Record<string, (ours: WatcherConfig) => unknown>> = {
  numprocesses: (w) => w.numprocesses,
  cmd: (w) => w.cmd,
  args: (w) => w.args,
  warmup_delay: (w) => w.warmupDelayS,
  executable: (w) => w.executable,
  on_demand: (w) => w.onDemand,
  shell: (w) => w.shell,
  shell_args: (w) => w.shellArgs,
  uid: (w) => w.uid,
  gid: (w) => w.gid,
  send_hup: (w) => w.sendHup,
  stop_signal: (w) => w.stopSignal,
  stop_children: (w) => w.stopChildren,
  max_retry: (w) => w.maxRetry,
  max_age: (w) => w.maxAgeS,
  max_age_variance: (w) => w.maxAgeVarianceS,
  graceful_timeout: (w) => w.gracefulTimeoutS,
  rlimits: (w) => w.rlimits,
  priority: (w) => w.priority,
  use_sockets: (w) => w.useSockets,
  stdin_socket: (w) => w.stdinSocket,
  singleton: (w) => w.singleton,
  copy_env: (w) => w.copyEnv,
  copy_path: (w) => w.copyPath,
  respawn: (w) => w.respawn,
  autostart: (w) => w.autostart,
  close_child_stdin: (w) => w.closeChildStdin,
  close_child_stdout: (w) => w.closeChildStdout,
  close_child_stderr: (w) => w.closeChildStderr,
  virtualenv: (w) => w.virtualenv,
  virtualenv_py_ver: (w) => w.virtualenvPyVer,
  working_dir: (w) => w.workingDir,
  env: (w) => w.env,
};

/** Compared elsewhere, or no value at all: hooks and streams have tests of their own, D3 is not copied. */
const NOT_COMPARED = new Set(["name", "__name__", "hooks", "stdout_stream", "stderr_stream", "check_flapping"]);

function differences(python: PythonConfig, ours: AgentConfig): string[] {
  const found: string[] = [];
  const compare = (what: string, theirs: unknown, mine: unknown): void => {
    const [a, b] = [normal(theirs), normal(mine)];
    if (a !== b) found.push(`${what}: Circus ${a}, circusd ${b}`);
  };
  const { circus } = ours;
  compare("check_delay", python["check_delay"], circus.checkDelayS);
  compare("endpoint", python["endpoint"], circus.endpoint);
  compare("pubsub_endpoint", python["pubsub_endpoint"], circus.pubsubEndpoint);
  compare("stats_endpoint", python["stats_endpoint"], circus.statsEndpoint);
  compare("multicast_endpoint", python["multicast_endpoint"], circus.multicastEndpoint);
  compare("warmup_delay", python["warmup_delay"], circus.warmupDelayS);
  compare("umask", python["umask"], circus.umask);
  compare("pidfile", python["pidfile"], circus.pidfile);
  compare("logoutput", python["logoutput"], circus.logoutput);
  // A plugin is a watcher.
  const named = [...python.watchers, ...python.plugins];
  compare("watchers", named.map((w) => w["name"]).sort(), ours.watchers.map((w) => w.name).sort());
  for (const theirs of python.watchers) {
    const mine = ours.watchers.find(({ name }) => name === theirs["name"]);
    for (const [key, value] of mine === undefined ? [] : Object.entries(theirs)) {
      if (NOT_COMPARED.has(key)) continue;
      // The daemon's directory stands in ours from the beginning.
      if (key === "working_dir" && value === null) compare(`${mine!.name} working_dir`, "/", mine!.workingDir);
      else compare(`${mine!.name} ${key}`, value, WATCHER[key] === undefined ? mine!.extra[key] : WATCHER[key](mine!));
    }
  }
  compare(
    "sockets",
    python.sockets.map((s) => s["name"]),
    ours.sockets.map((s) => s.name),
  );
  for (const theirs of python.sockets) {
    const mine = ours.sockets.find(({ name }) => name === theirs["name"]);
    if (mine === undefined) continue;
    compare(`socket ${mine.name}`, [theirs["so_reuseport"], theirs["replace"]], [mine.soReuseport, mine.replace]);
    for (const key of ["host", "port", "path", "backlog"] as const) {
      if (theirs[key] !== undefined) compare(`socket ${mine.name} ${key}`, theirs[key], mine[key]);
    }
  }
  return found;
}

/** Circus keeps many numbers as text; names of limits keep their case, infinity is -1, `__name__` leaks (D3). */
function normal(value: unknown): string {
  if (value === null || value === undefined || value === "") return "null";
  if (typeof value !== "object") return typeof value === "string" ? value : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(normal).join(", ")}]`;
  const entries = Object.entries(value).filter(([key]) => !FOREIGN.has(key));
  const texts = entries.map(([key, one]) => `${key.toLowerCase()}=${one === -1 ? "null" : normal(one)}`);
  return `{${texts.sort().join(", ")}}`;
}

const source = process.env["CIRCUS_SRC"];
if (source !== undefined) {
  describe("beside real Circus", () => {
    const theirs = ["examples", "docs", "tests"].flatMap((folder) =>
      readdirSync(join(source, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ini"))
        .map((name) => resolve(source, folder, name)),
    );
    const samples = ["dialect.ini", "env.ini", "includes.ini", "sockets.ini"].map((name) => join(INI, name));

    it("every file is read alike", async () => {
      const files = [...theirs, ...samples];
      const { stdout, code, stderr } = await runPython("dump_config.py", files, {
        cwd: "/",
        env: { ...Object.fromEntries(Object.keys(process.env).map((k) => [k, undefined])), ...ENV, PYTHONPATH: source },
      });
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const python = JSON.parse(stdout) as Readonly<Record<string, PythonConfig>>;
      const found: string[] = [];
      let compared = 0;
      for (const file of files) {
        const { config, diagnostics } = load(file);
        const name = relative(source, file);
        const errors = diagnostics.filter(({ severity }) => severity === "error").map(({ message }) => message);
        found.push(
          ...errors
            .filter((text) => !REFUSED_ON_PURPOSE.some((rule) => rule.test(text)))
            .map((text) => `${name}: ${text}`),
        );
        if (config === null) continue;
        compared++;
        found.push(...differences(python[file]!, config).map((text) => `${name}: ${text}`));
      }
      expect(found).toEqual([]);
      expect(compared).toBeGreaterThan(30);
    });
  });
}
