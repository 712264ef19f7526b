import { splitWords } from "@circus-cluster/proto";
import { describe, expect, it } from "vitest";
import { parseFile } from "./lines.ts";
import { resolve } from "./resolve.ts";
import type { WatcherConfig } from "./types.ts";

const load = (text: string) =>
  resolve([parseFile("/etc/circus.ini", text)], {
    ...{ osEnv: { HOME: "/root", RATE: "3" }, cwd: "/srv", shortHostName: "box" },
    pluginProgram: ["/usr/bin/node", "/opt/circus-plugin.js"],
  });

const messages = (text: string) =>
  load(`[watcher:web]\ncmd = x\n${text}`).diagnostics.map(
    ({ at, severity, message }) => `${at?.line ?? 0} ${severity}: ${message}`,
  );

function plugin(text: string): WatcherConfig {
  const { config, diagnostics } = load(`[watcher:web]\ncmd = x\n${text}`);
  expect(diagnostics).toEqual([]);
  return config!.watchers.find(({ name }) => name.startsWith("plugin:"))!;
}

function words({ cmd }: WatcherConfig): readonly string[] {
  const split = splitWords(cmd);
  if (!split.ok) throw new Error(split.reason);
  return split.words;
}

const FLAPPING = "[plugin:flapping]\nuse = circus.plugins.flapping.Flapping\n";

describe("the watcher of a plugin (§9.1)", () => {
  it("is a singleton of priority 1 with the daemon's environment, its output put away", () => {
    expect(plugin(FLAPPING)).toMatchObject({
      ...{ name: "plugin:flapping", priority: 1, singleton: true, numprocesses: 1, copyEnv: true, copyPath: true },
      ...{ closeChildStdout: true, closeChildStderr: false, autostart: true, env: { HOME: "/root", RATE: "3" } },
    });
  });

  it("takes what the section says of a watcher, and shows the plugin's options", () => {
    const { priority, gracefulTimeoutS, extra, env } = plugin(
      `${FLAPPING}priority = 7\ngraceful_timeout = 2.5\nwindow = 9\n[env:plugin:*]\nA = b\n`,
    );
    expect({ priority, gracefulTimeoutS, extra, a: env["A"] }).toEqual({
      ...{ priority: 7, gracefulTimeoutS: 2.5, a: "b" },
      extra: { use: "circus.plugins.flapping.Flapping", window: "9" },
    });
  });

  it("writes to the daemon's own output with debug", () => {
    expect(plugin(`${FLAPPING}[circus]\ndebug = yes\n`)).toMatchObject({
      ...{ closeChildStdout: false, closeChildStderr: false },
    });
  });

  it("rests where it is not active, and is not brought back when it ends", () => {
    expect(plugin(`${FLAPPING}active = off`)).toMatchObject({ autostart: false, respawn: false });
  });

  it("may be depended on", () => {
    const { config } = load(`[watcher:web]\ncmd = x\ndepends_on = plugin:flapping\n${FLAPPING}`);
    expect(config?.watchers.map(({ lifecycle }) => lifecycle.dependsOn)).toEqual([[], ["plugin:flapping"]]);
  });
});

describe("the launch line", () => {
  const circus = "[circus]\nendpoint = ipc:///run/c\ncheck_delay = 2.5\nloglevel = debug\nlogoutput = /var/log/c.log\n";
  const common = ["--endpoint", "ipc:///run/c", "--pubsub", "tcp://127.0.0.1:5556", "--check-delay", "2.5"];
  const log = ["--log-level", "debug", "--log-output", "/var/log/c.log"];

  it("of one that is built in names our program and its own options only", () => {
    const config = "max_retry:-1:::name:plugin:flapping:::retry_in:3";
    expect(words(plugin(`${circus}${FLAPPING}max_retry = -1\nretry_in = $(circus.env.RATE)\npriority = 4\n`))).toEqual([
      ...["/usr/bin/node", "/opt/circus-plugin.js", ...common, "--config", config, ...log],
      "circus.plugins.flapping.Flapping",
    ]);
  });

  it("of any other class is Circus's, with all options in one word", () => {
    const own =
      "[plugin:my plugin]\nuse = my.pkg.Thing\ntext = it's a b; $(x)\nurl = http://h:1/\npriority = 4\nempty =\n";
    expect(words(plugin(circus + own))).toEqual([
      ...["python3", "-c", "from circus import plugins;plugins.main()", ...common],
      ...["--config", "name:plugin:my plugin:::priority:4:::text:it's a b; $(x):::url:http://h:1/"],
      ...[...log, "my.pkg.Thing"],
    ]);
  });

  it.each([
    ["python = /opt/py/bin/python3.11", "/opt/py/bin/python3.11"],
    ["virtualenv = venv/", "/srv/venv/bin/python"],
    ["virtualenv = /venv\npython = pypy3", "pypy3"],
  ])("runs the real class where a Python is named: %s", (key, python) => {
    expect(words(plugin(`${FLAPPING}${key}`)).slice(0, 2)).toEqual([python, "-c"]);
  });

  it("has nothing of [DEFAULT] in it (D3)", () => {
    const [, ...config] =
      /--config (\S+)/.exec(plugin(`${FLAPPING}[DEFAULT]\ngraceful_timeout = 3\npriority = 2\n`).cmd) ?? [];
    expect(config).toEqual(["name:plugin:flapping"]);
  });
});

describe("one line per mistake, where it stands", () => {
  it.each([
    ["[plugin:x]\nwindow = 1", ["3 error: [plugin:x] has no 'use', the class name of the plugin"]],
    [
      "[plugin:x]\nuse = Flapping",
      ["4 error: use: 'Flapping' is no class name such as circus.plugins.statsd.StatsdEmitter"],
    ],
    [
      "[plugin:x]\nuse = circus.plugins.flaping.Flapping",
      [
        "4 warning: use: 'circus.plugins.flaping.Flapping' is not built in, Python is asked for it; did you mean 'circus.plugins.flapping.Flapping'?",
      ],
    ],
    [`${FLAPPING}window = soon`, ["5 error: window: 'soon' is not a number"]],
    [
      `${FLAPPING}attempts = 0\nmax_retry = -2`,
      ["5 error: attempts: 0 is less than 1", "6 error: max_retry: -2 is less than -1"],
    ],
    [`${FLAPPING}active = perhaps`, ["5 error: active: 'perhaps' is not yes or no (also true, on, 1; false, off, 0)"]],
    [`${FLAPPING}retryin = 3`, ["5 warning: retryin: unknown to this plugin; it is ignored; did you mean 'retry_in'?"]],
    [`${FLAPPING}numprocesses = 2`, ["5 error: numprocesses: a singleton has one process at most, not 2"]],
    [`${FLAPPING}cmd = mine`, ["5 warning: cmd: unknown to this plugin; it is ignored"]],
    [
      "[plugin:x]\nuse = circus.plugins.resource_watcher.ResourceWatcher",
      ["3 error: [plugin:x] watcher: it is missing: which watcher is to be looked after?"],
    ],
    [
      "[plugin:x]\nuse = circus.plugins.resource_watcher.ResourceWatcher\nwatcher = web\nmax_mem = 512KB\nchild_signal = FOO",
      [
        "6 error: max_mem: '512KB' is neither percent (90) nor a size with its unit (512M)",
        "7 error: child_signal: 'FOO' is not a signal",
      ],
    ],
    [
      "[plugin:x]\nuse = circus.plugins.watchdog.WatchDog\nwatchers_regex = (\nmsg_regex = ^\\d+$\nport = 70000",
      [
        "5 error: watchers_regex: '(' is no regular expression",
        "6 error: msg_regex: it has no group (?P<pid>…)",
        "7 error: port: 70000 is more than 65535",
      ],
    ],
    [
      "[plugin:x]\nuse = circus.plugins.http_observer.HttpObserver\ncheck_url = localhost\nsample_rate = 0",
      [
        "5 error: check_url: 'localhost' is no http:// or https:// address",
        "6 error: sample_rate: 0 would send nothing",
      ],
    ],
    [
      "[plugin:x]\nuse = circus.plugins.redis_observer.RedisObserver\nredis_url = secret@x",
      ["5 error: redis_url: it is no redis://, rediss:// or unix:// address"],
    ],
    [
      `${FLAPPING}[circus]\nendpoint = tcp://127.0.0.1:*`,
      ["3 error: [plugin:flapping] needs to know the port of [circus] endpoint, which is tcp://127.0.0.1:*"],
    ],
    [
      "[plugin:x]\nuse = my.Thing\na = b:::c",
      ["3 error: [plugin:x] has ':::' or a colon at the end of an option, which would end it there"],
    ],
    [
      "[plugin:x]\nuse = my.Thing\n[watcher:api.v2]\ncmd = x",
      ["4 warning: use: a plugin in Python does not understand events of 'api.v2': there is a dot in the name"],
    ],
    [
      "[watcher:plugin:Flapping]\ncmd = x\n[plugin:flapping]\nuse = circus.plugins.flapping.Flapping",
      ["5 error: watchers 'plugin:flapping' and 'plugin:Flapping' (line 3) have names that differ in case only"],
    ],
  ])("%j", (text, expected) => {
    expect(messages(text)).toEqual(expected);
  });
});
