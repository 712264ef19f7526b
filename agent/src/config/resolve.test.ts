import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDiagnostics } from "./check.ts";
import { NO_HOOKS } from "./hooks.ts";
import { PLAIN_LIFECYCLE } from "./lifecycle.ts";
import { parseFile } from "./lines.ts";
import { resolve } from "./resolve.ts";
import type { AgentConfig, LoadResult, WatcherConfig } from "./types.ts";

const OS_ENV = { HOME: "/root", N: "3", PYTHONPATH: "/py", SECRET: "pa$WORD" };

function load(...texts: string[]): LoadResult {
  const files = texts.map((text, index) => parseFile(index === 0 ? "/etc/circus.ini" : `/etc/inc${index}.ini`, text));
  return resolve(files, { osEnv: OS_ENV, cwd: "/etc", shortHostName: "box" });
}

function lines(...texts: string[]): readonly string[] {
  return formatDiagnostics(load(...texts).diagnostics, "/etc");
}

function config(...texts: string[]): AgentConfig {
  const result = load(...texts);
  expect(result.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return result.config!;
}

function watcher(body: string, rest = ""): WatcherConfig {
  return config(`[watcher:web]\ncmd = x\n${body}\n${rest}`).watchers[0]!;
}

test("an empty file gives Circus's defaults and a warning that nothing will run", () => {
  const result = load("");
  expect(formatDiagnostics(result.diagnostics, "/etc")).toEqual([
    "circus.ini:1: no [watcher:NAME] section: nothing will run (warning)",
  ]);
  expect(result.config).toEqual({
    path: "/etc/circus.ini",
    circus: {
      endpoint: "tcp://127.0.0.1:5555",
      endpointOwner: null,
      pubsubEndpoint: "tcp://127.0.0.1:5556",
      statsEndpoint: "tcp://127.0.0.1:5557",
      statsd: false,
      multicastEndpoint: "udp://237.219.251.97:12027",
      metrics: null,
      checkDelayS: 5,
      warmupDelayS: 0,
      umask: null,
      pidfile: null,
      python: "python3",
      loglevel: null,
      logoutput: null,
      stateDir: null,
      debug: false,
    },
    watchers: [],
    sockets: [],
    fleet: null,
  });
});

test("a watcher with a command alone has Circus's defaults", () => {
  expect(watcher("")).toEqual({
    name: "web",
    at: { file: "/etc/circus.ini", line: 1 },
    cmd: "x",
    args: "",
    numprocesses: 1,
    warmupDelayS: 0,
    workingDir: "/etc",
    shell: false,
    shellArgs: null,
    executable: null,
    uid: null,
    gid: null,
    rlimits: {},
    copyEnv: false,
    copyPath: false,
    virtualenv: null,
    virtualenvPyVer: null,
    autostart: true,
    onDemand: false,
    respawn: true,
    singleton: false,
    priority: 0,
    maxRetry: 5,
    maxAgeS: 0,
    maxAgeVarianceS: 30,
    gracefulTimeoutS: 30,
    stopSignal: 15,
    stopChildren: false,
    sendHup: false,
    useSockets: false,
    socketActivation: null,
    stdinSocket: null,
    closeChildStdin: true,
    closeChildStdout: false,
    closeChildStderr: false,
    stdoutStream: null,
    stderrStream: null,
    env: {},
    readyMinUptimeS: 2,
    lifecycle: PLAIN_LIFECYCLE,
    hooks: NO_HOOKS,
    extra: {},
  });
});

test("a socket alone has Circus's defaults, its umask octal (D5)", () => {
  const { sockets } = config(
    "[socket:Web]\nport = 0\n[socket:u]\npath = /run/u\numask = 077\n[socket:v]\nfamily = af_inet6\n",
  );
  expect(sockets).toMatchObject([
    { name: "u", family: "AF_UNIX", path: "/run/u", umask: 0o77 },
    { name: "v", family: "AF_INET6", port: 8080 },
    { name: "web", host: "localhost", port: 0, family: "AF_INET", type: "SOCK_STREAM", backlog: 2048, umask: 8 },
  ]);
});

test("a virtual environment is where the daemon sees it", () => {
  const body = "copy_env = 1\nvirtualenv = $(circus.env.HOME)/v\nvirtualenv_py_ver = 3.11";
  expect(watcher(body)).toMatchObject({ virtualenv: "/root/v", virtualenvPyVer: "3.11" });
  expect(watcher("copy_env = 1\nvirtualenv = v").virtualenv).toBe("/etc/v");
});

test("resource limits are whole numbers, in any case; nothing and -1 mean none", () => {
  const { rlimits, extra } = watcher("rlimit_NOFILE = 500\nrlimit_core =\nrlimit_stack = -1\nrlimit_cpu = 0");
  expect(rlimits).toEqual({ nofile: 500, core: null, stack: null, cpu: 0 });
  expect(extra).toEqual({});
});

describe("one line per mistake", () => {
  const web = "[watcher:web]\ncmd = x\n";
  test.each<[text: string, expected: string[]]>([
    [`${web}numprocesses = two`, ["circus.ini:3: numprocesses: 'two' is not a whole number"]],
    [`${web}numprocesses = -1`, ["circus.ini:3: numprocesses: -1 is less than 0"]],
    [`${web}graceful_timeout = inf`, ["circus.ini:3: graceful_timeout: 'inf' is not a number"]],
    [`${web}graceful_timeout = 1e9`, ["circus.ini:3: graceful_timeout: 1000000000 is more than 2147483"]],
    [`${web}shell = maybe`, ["circus.ini:3: shell: 'maybe' is not yes or no (also true, on, 1; false, off, 0)"]],
    [`${web}stop_signal = SIGNOPE`, ["circus.ini:3: stop_signal: 'SIGNOPE' is not a signal"]],
    [
      `${web}numproceses = 2`,
      ["circus.ini:3: unknown key 'numproceses' in [watcher:web]; did you mean 'numprocesses'? (warning)"],
    ],
    [`${web}colour = red`, ["circus.ini:3: unknown key 'colour' in [watcher:web]; kept as an extra option (warning)"]],
    [
      `${web}[circus]\nEndpoint = x`,
      ["circus.ini:4: unknown key 'Endpoint' in [circus]; did you mean 'endpoint'? (warning)"],
    ],
    ["[watcher:web]\nnumprocesses = 2", ["circus.ini:1: [watcher:web] has no 'cmd'"]],
    ["[watcher:web]\ncmd =", ["circus.ini:1: [watcher:web] has no 'cmd'"]],
    ["[watcher:]\ncmd = x", ["circus.ini:1: name: a watcher needs a name"]],
    [
      "[watcher:web]\ncmd = echo it's\nargs = a\\",
      [
        "circus.ini:2: cmd: it cannot be split into words: No closing quotation",
        "circus.ini:3: args: it cannot be split into words: No escaped character",
      ],
    ],
    ["[watcher:web]\ncmd = echo it's; echo \"\nshell = on", []],
    [
      `${web}args = --fd $(circus.sockets.wbe)\nuse_sockets = 1\n[socket:web]\nport = 0`,
      ["circus.ini:3: args: no socket 'wbe' for $(circus.sockets.wbe) (known: web)"],
    ],
    [`${web}stdin_socket = web`, ["circus.ini:3: stdin_socket: no socket 'web' (none is configured)"]],
    [
      `${web}args = $(circus.sockets.WEB)\n[socket:web]\nport = 0`,
      ["circus.ini:3: args: it names a socket, which processes inherit only with 'use_sockets = True' (warning)"],
    ],
    [
      `${web}singleton = 1\nnumprocesses = 2`,
      ["circus.ini:4: numprocesses: a singleton has one process at most, not 2"],
    ],
    [`${web}copy_path = 1`, ["circus.ini:3: copy_path: it needs 'copy_env = True'"]],
    [`${web}virtualenv = v`, ["circus.ini:3: virtualenv: it needs 'copy_env = True'"]],
    [
      `${web}copy_env = 1\nvirtualenv = v\nvirtualenv_py_ver = ../3`,
      ["circus.ini:5: virtualenv_py_ver: '../3' is no version such as 3.11"],
    ],
    [`${web}shell_args = a`, ["circus.ini:3: shell_args: no effect without 'shell = True' (warning)"]],
    [
      `${web}[watcher:Web]\ncmd = y`,
      ["circus.ini:3: watchers 'Web' and 'web' (line 1) have names that differ in case only"],
    ],
    [`${web}[watcher:b]\ncmd = y\nname = web`, ["circus.ini:3: watchers 'web' and 'web' (line 1) have the same name"]],
    [
      `${web}on_demand = True\n[socket:s]\nport = 0`,
      ["circus.ini:3: on_demand: it needs a socket: 'use_sockets = True' or 'stdin_socket = NAME'"],
    ],
    [
      `${web}on_demand = 1\nuse_sockets = 1\n[socket:s]\nport = 0\nso_reuseport = 1`,
      ["circus.ini:3: on_demand: socket 's' has 'so_reuseport', so nobody listens before a process does"],
    ],
    [
      `${web}on_demand = 1\nstdin_socket = s\n[socket:s]\nport = 0\n[watcher:b]\ncmd = y\ndepends_on = web`,
      ["circus.ini:9: depends_on: 'web' has 'on_demand' and may never start"],
    ],
    [
      `${web}stdout_stream.class = FileSteam`,
      ["circus.ini:3: stdout_stream.class: there is no stream class 'FileSteam'; did you mean 'FileStream'?"],
    ],
    [
      `${web}stdout_stream.class = my.Stream`,
      [
        "circus.ini:3: stdout_stream.class: a stream class of your own, 'my.Stream', cannot run here (there are " +
          "FileStream, WatchedFileStream, TimedRotatingFileStream, StdoutStream, FancyStdoutStream, QueueStream)",
      ],
    ],
    [
      `${web}stdout_stream =`,
      [
        "circus.ini:3: stdout_stream: write its options one by one: 'stdout_stream.filename = FILE' or " +
          "'stdout_stream.class = NAME'",
      ],
    ],
    [
      `${web}stderr_stream.max_bytes = 10`,
      [
        "circus.ini:1: stderr_stream: it needs a 'class' (FileStream, WatchedFileStream, TimedRotatingFileStream, " +
          "StdoutStream, FancyStdoutStream, QueueStream) or a 'filename'",
      ],
    ],
    [
      `${web}stdout_stream.filename = x\nstdout_stream.max_bytes = 10MB\nstdout_stream.backup_count = -1`,
      [
        "circus.ini:4: stdout_stream.max_bytes: '10MB' is not a whole number",
        "circus.ini:5: stdout_stream.backup_count: -1 is less than 0",
      ],
    ],
    [
      `${web}stdout_stream.filename = x\nstdout_stream.class = TimedRotatingFileStream`,
      [
        "circus.ini:4: stdout_stream.class: TimedRotatingFileStream needs 'rotate_when' " +
          "(S, M, H, D, MIDNIGHT, W0, W1, W2, W3, W4, W5, W6)",
      ],
    ],
    [`${web}rlimit_nofile =\nrlimit_core = 0`, []],
    [
      `${web}rlimit_files = 3`,
      [
        "circus.ini:3: rlimit_files: there is no resource limit 'files' (known: as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack)",
      ],
    ],
    [
      `${web}rlimit_core = 1M`,
      ["circus.ini:3: rlimit_core: '1M' is not a whole number; nothing at all means no limit"],
    ],
    [`${web}rlimit_as = -2`, ["circus.ini:3: rlimit_as: -2 is less than 0"]],
    [
      `${web}hooks.before_strat = a.b`,
      [
        "circus.ini:3: hooks.before_strat: no such hook, it is never called; did you mean 'hooks.before_start'? (warning)",
      ],
    ],
    [
      `${web}hooks.before_start = /bin/x`,
      [
        "circus.ini:3: hooks.before_start: '/bin/x' is no hook: write package.module.callable, js: MODULE#EXPORT or exec: SHELL LINE",
      ],
    ],
    [`${web}hooks.after_stop = exec:`, ["circus.ini:3: hooks.after_stop: 'exec:' needs a shell line"]],
    [`${web}hooks.timeout = soon`, ["circus.ini:3: hooks.timeout: 'soon' is no duration such as 250ms, 5s or 1m30s"]],
    [
      `${web}[plugin:flapping]\nretry_in = 3`,
      ["circus.ini:3: [plugin:flapping] has no 'use', the class name of the plugin"],
    ],
    [
      `${web}[circus]\nstatsd = maybe`,
      ["circus.ini:4: statsd: 'maybe' is not yes or no (also true, on, 1; false, off, 0)"],
    ],
    [`${web}[circus]\nstatsd = no\nhttpd = off\n[env]\nx = 1`, []],
    [`${web}on_demand = False\nvirtualenv =\nflapping.window = 3\ncheck_flapping = False`, []],
    [
      `${web}[watchers:b]\ncmd = y`,
      ["circus.ini:3: unknown section [watchers:b] is ignored; did you mean [watcher:b]? (warning)"],
    ],
    [`${web}[Circus]\nx = 1`, ["circus.ini:3: unknown section [Circus] is ignored; did you mean [circus]? (warning)"]],
    [`${web}[setup]\nx = 1`, ["circus.ini:3: unknown section [setup] is ignored (warning)"]],
    [`${web}[watcher:empty]`, ["circus.ini:3: [watcher:empty] is empty and is ignored (warning)"]],
    [`${web}[socket:a]\nport = 70000`, ["circus.ini:4: port: 70000 is more than 65535"]],
    [`${web}[socket:a]\nfamily = AF_X`, ["circus.ini:4: family: 'AF_X' is not one of AF_INET, AF_INET6, AF_UNIX"]],
    [`${web}[socket:a]\numask = 9`, ["circus.ini:4: umask: '9' is not an octal mask (000 to 777)"]],
    [
      `${web}[socket:a]\nport = 80\n[socket:b]\nhost = 127.0.0.1\nport = 80`,
      ["circus.ini:5: [socket:b] and [socket:a] (at line 3) have the same address localhost:80"],
    ],
    [`${web}[socket:a]\nport = 80\n[socket:b]\nport = 80\ntype = sock_dgram`, []],
    [`${web}[socket:a]\nport = 80\nso_reuseport = 1\n[socket:b]\nport = 80\nso_reuseport = 1`, []],
    [
      `${web}[socket:a]\nport = 0\n[socket:A]\nport = 0`,
      ["circus.ini:5: [socket:a] is also defined at line 3; names of sockets ignore case"],
    ],
    [
      `${web}[circus]\nloglevel = loud`,
      ["circus.ini:4: loglevel: 'loud' is not one of critical, error, warning, info, debug; info is used (warning)"],
    ],
    [`${web}[circus]\numask = 0999`, ["circus.ini:4: umask: '0999' is not an octal mask (000 to 777)"]],
    [`${web}[fleet]\nhost = a`, ["circus.ini:3: [fleet] has no 'nats_url'"]],
    [`${web}[fleet]\nnats_url = n:4222\nhost = _all`, ["circus.ini:5: host: '_all' is reserved"]],
    [
      `${web}[fleet]\nnats_url = nats://u:p@n:4222`,
      ["circus.ini:4: nats_url: user and password do not belong in it; use 'credentials'"],
    ],
    [
      `${web}[fleet]\nnats_url = http://n`,
      ["circus.ini:4: nats_url: 'http://n' is not nats://HOST:PORT or tls://HOST:PORT"],
    ],
    [`${web}[fleet]\nnats_url = n\nlabels = web`, ["circus.ini:5: labels: 'web' is not key:value"]],
    [`${web}[fleet]\nnats_url = n\ntls_key = k`, ["circus.ini:5: tls_key: it needs 'tls_cert'"]],
  ])("%j", (text, expected) => {
    expect(lines(text)).toEqual(expected);
    expect(load(text).config === null).toBe(expected.some((line) => !line.endsWith("(warning)")));
  });

  test("all of them at once, in the order of the file", () => {
    expect(
      lines("[watcher:a]\nshell = x\nsleep\ncmd = y\npriority = z\n[socket:s]\nport = q\n").map(
        (line) => line.split(":")[1],
      ),
    ).toEqual(["2", "3", "5", "7"]);
  });

  test("names: the limit is counted in bytes", () => {
    expect(lines(`[watcher:${"é".repeat(64)}]\ncmd = x`)).toEqual([]);
    expect(lines(`[watcher:${"é".repeat(65)}]\ncmd = x`)[0]).toMatch(/has 130 bytes, a name at most 128$/);
  });

  test("the host name of the machine is refused where it cannot name a host of a fleet", () => {
    const files = [parseFile("/etc/circus.ini", "[fleet]\nnats_url = n\n")];
    const { diagnostics } = resolve(files, { osEnv: {}, cwd: "/etc", shortHostName: "-x" });
    expect(diagnostics[0]?.message).toMatch(
      /^host: '-x', the name of this machine, cannot name a host .*; set 'host'$/,
    );
  });
});

describe("endpoints", () => {
  test("a stats_endpoint switches statistics on, as `statsd` does; without either its address is free for others", () => {
    expect(config("[circus]\nstats_endpoint = ipc:///run/s\n").circus).toMatchObject({
      statsd: true,
      statsEndpoint: "ipc:///run/s",
    });
    expect(config("[circus]\nstatsd = on\n").circus).toMatchObject({
      statsd: true,
      statsEndpoint: "tcp://127.0.0.1:5557",
    });
    const taken = "[circus]\nendpoint = tcp://127.0.0.1:5557\n";
    expect(config(taken).circus.statsd).toBe(false);
    expect(lines(`${taken}statsd = on\n`).join("\n")).toContain(
      "stats_endpoint: tcp://127.0.0.1:5557 is the endpoint too",
    );
    expect(lines("[circus]\nstats_endpoint = tcp://0.0.0.0:1\n").join("\n")).toContain("is not a loopback address");
  });

  test.each([
    "tcp://127.0.0.1:5555",
    "tcp://127.9.9.9:1",
    "tcp://localhost:1",
    "tcp://[::1]:1",
    "tcp://127.0.0.1:*",
    "ipc:///run/circus.sock",
  ])("%s is served", (endpoint) => {
    expect(config(`[circus]\nendpoint = ${endpoint}\n`).circus.endpoint).toBe(endpoint);
  });
  test.each([
    [
      "tcp://0.0.0.0:5555",
      "tcp://0.0.0.0:5555 is not a loopback address; use tcp://127.0.0.1:5555 or ipc://PATH (CURVE,",
    ],
    ["tcp://*:5555", "tcp://*:5555 is not a loopback address;"],
    ["tcp://127.0.0.1.evil.org:1", "is not a loopback address;"],
    ["tcp://127.0.0.999:1", "is not a loopback address;"],
    ["tcp://localhost:99999", "port 99999 is more than 65535"],
    ["inproc://x", "'inproc://x' is neither tcp://HOST:PORT nor ipc://PATH"],
    ["", "'' is neither"],
    [`ipc:///${"x".repeat(107)}`, "the path has 108 bytes, more than 107"],
    ["tcp://127.0.0.1:5556", "tcp://127.0.0.1:5556 is the endpoint too"],
  ])("%s is refused", (endpoint, message) => {
    expect(lines(`[circus]\nendpoint = ${endpoint}\n`).join("\n")).toContain(message);
    expect(load(`[circus]\nendpoint = ${endpoint}\n`).config).toBeNull();
  });
});

describe("several files", () => {
  test("the main file beats includes, and an earlier include a later one", () => {
    const { watchers } = config(
      "[watcher:a]\ncmd = main\n",
      "[watcher:a]\ncmd = one\npriority = 1\n[watcher:b]\ncmd = b\n",
      "[watcher:a]\npriority = 2\nmax_age = 3\n",
    );
    expect(watchers).toMatchObject([{ name: "a", cmd: "main", priority: 1, maxAgeS: 3 }, { name: "b" }]);
  });
  test("a finding names the file it is in", () => {
    expect(lines("[watcher:a]\ncmd = x\n", "[watcher:a]\npriority = x\n")).toEqual([
      "inc1.ini:2: priority: 'x' is not a whole number",
    ]);
  });
});

test("[DEFAULT] fills sections in, but no environment (D3)", () => {
  const { watchers, diagnostics } = (() => {
    const result = load(
      "[DEFAULT]\nsend_hup = 1\nmine = 2\n[watcher:a]\ncmd = x\n[watcher:b]\ncmd = y\nsend_hup = 0\n[env]\nE = 1\n",
    );
    return { watchers: result.config!.watchers, diagnostics: result.diagnostics };
  })();
  expect(watchers).toMatchObject([
    { sendHup: true, env: { E: "1" }, extra: { mine: "2" } },
    { sendHup: false, env: { E: "1" }, extra: { mine: "2" } },
  ]);
  expect(watchers[0]?.env).toEqual({ E: "1" });
  expect(formatDiagnostics(diagnostics, "/etc")).toEqual(["circus.ini:3: unknown key 'mine' in [DEFAULT] (warning)"]);
});

describe("variables and environments (§1.5)", () => {
  const env =
    "[env]\nA = $(circus.env.HOME)/a\nB = $HOME:$NOPE\nN = 4\n[env:we*, x]\nB = b $(circus.env.HOME)\nW = 1\n[env:Web]\nB = no\n";
  test("without copy_env: [env], then matching patterns, $NAME from the daemon", () => {
    expect(watcher("", env).env).toEqual({ A: "/root/a", B: "b $(circus.env.HOME)", N: "4", W: "1" });
  });
  test("with copy_env and copy_path: the daemon's below, untouched", () => {
    expect(watcher("copy_env = 1\ncopy_path = 1", env).env).toMatchObject({
      SECRET: "pa$WORD",
      PYTHONPATH: "/py",
      N: "4",
    });
  });
  test("texts see the watcher's own environment, numbers the global one first", () => {
    const found = watcher(
      "numprocesses = $(circus.env.n)\nuid = $(circus.env.W)\nargs = $(circus.env.A) $(circus.wid)",
      env,
    );
    expect(found).toMatchObject({ numprocesses: 4, uid: 1, args: "/root/a $(circus.wid)" });
  });
  test("extra keys are expanded; stop_signal is not", () => {
    expect(watcher("z = $(circus.env.HOME)\na = 1").extra).toEqual({ a: "1", z: "/root" });
    expect(lines("[watcher:a]\ncmd = x\nstop_signal = $(circus.env.N)")).toEqual([
      "circus.ini:3: stop_signal: '$(circus.env.N)' is not a signal",
    ]);
  });
  test("`name` overrides the section's, and patterns go by it", () => {
    const text = "[watcher:a]\nname = z\ncmd = x\n[env:z]\nV = 1\n[watcher:m]\ncmd = y\n";
    expect(config(text).watchers.map(({ name, env: own }) => [name, own])).toEqual([
      ["m", {}],
      ["z", { V: "1" }],
    ]);
  });
});

test("[fleet] with all it has", () => {
  const text =
    "[fleet]\nnats_url = nats://a:4222, tls://b\n  c:1\nlabels = role:web, zone:a\nhost = h1\ncredentials = /c\n";
  expect(config(text).fleet).toEqual({
    natsUrls: ["nats://a:4222", "tls://b", "c:1"],
    fleet: "main",
    host: "h1",
    labels: { role: "web", zone: "a" },
    credentials: "/c",
    tlsCa: null,
    tlsCert: null,
    tlsKey: null,
  });
});

test("hostile names make no prototype and no crash", () => {
  const text =
    "[__proto__]\na = 1\n[watcher:__proto__]\ncmd = x\n__proto__ = y\nconstructor = z\n[env]\n__proto__ = q\n";
  const found = config(text).watchers[0]!;
  expect(found.name).toBe("__proto__");
  expect(Object.entries(found.extra)).toEqual([
    ["__proto__", "y"],
    ["constructor", "z"],
  ]);
  expect(Object.entries(found.env)).toEqual([["__proto__", "q"]]);
});

test("whatever the file says: it resolves or has an error, and never throws", () => {
  const title = fc.constantFrom(
    "circus",
    "watcher:a",
    "watcher:B",
    "socket:s",
    "fleet",
    "env",
    "env:*",
    "DEFAULT",
    "plugin:p",
  );
  const key = fc.constantFrom(
    ...[
      "cmd",
      "numprocesses",
      "endpoint",
      "port",
      "path",
      "umask",
      "name",
      "nats_url",
      "host",
      "labels",
      "stop_signal",
    ],
    ...["copy_env", "stdin_socket", "x", "rlimit_core", "statsd", "include", "family", "graceful_timeout", "loglevel"],
  );
  const value = fc.oneof(
    fc.string(),
    fc.constantFrom("1", "-1", "yes", "SIGTERM", "$(circus.sockets.s)", "tcp://*:1", "a:b", ""),
  );
  const line = fc.oneof(
    title.map((name) => `[${name}]`),
    fc.tuple(key, value).map(([name, text]) => `${name} = ${text}`),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), (document) => {
      const result = load(`[circus]\n${document.join("\n")}`);
      expect(result.config === null).toBe(result.diagnostics.some(({ severity }) => severity === "error"));
      for (const text of formatDiagnostics(result.diagnostics, "/etc"))
        expect(text).toMatch(/^circus\.ini:\d+: [^\n\r]+$/);
    }),
  );
});
