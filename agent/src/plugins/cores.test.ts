import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { builtinOf, readBuiltin } from "./catalog.ts";
import { fullStats } from "./full-stats-core.ts";
import { counter, datagramOf, gauge, readStatsd } from "./metrics.ts";
import { decodeOptions, encodeOptions, OptionReader } from "./options.ts";
import { pythonRegex } from "./python-regex.ts";
import { decodeReply, encodeCommand, parseRedisUrl, redisMetrics } from "./redis-core.ts";
import { changed, commandFiles, type Look } from "./reloader-core.ts";
import { lookAfter, type ResourceOptions, type ResourceState } from "./resource-core.ts";
import { parseSize } from "./sizes.ts";
import { type Sample, samplesOf } from "./statistics.ts";
import { type WatchdogInput, type WatchdogState, watchdog } from "./watchdog-core.ts";

describe("--config (§9.1)", () => {
  it("is read back as it was written, or refused", () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.stringMatching(/^[a-z_.]{1,8}$/),
          fc.string({ unit: fc.constantFrom(":", "a", " ", "é", "'") }),
        ),
        (raw) => {
          const trimmed = Object.entries(raw).map(([key, value]): [string, string] => [key, value.trim()]);
          const text = encodeOptions(new Map(trimmed));
          const kept = trimmed.filter(([, value]) => value !== "");
          if (text !== null) expect([...decodeOptions(text)].sort()).toEqual(kept.sort());
          else expect(kept.some(([, value]) => /:::|^::|:$/.test(value))).toBe(true);
        },
      ),
    );
  });

  it("is sorted by key, and a piece without a colon is passed over", () => {
    expect(
      encodeOptions(
        new Map([
          ["b", "http://x"],
          ["a", "1"],
        ]),
      ),
    ).toBe("a:1:::b:http://x");
    expect([...decodeOptions("a : 1 :::what:::b:c:d")]).toEqual([
      ["a", "1"],
      ["b", "c:d"],
    ]);
  });
});

it("aliases of Circus's class names, and nothing else, are built in", () => {
  expect(builtinOf("circus.plugins._statsd.StatsdEmitter")).toBe("statsd");
  expect(builtinOf("circus.plugins.flapping:Flapping")).toBe("flapping");
  expect(builtinOf("my.plugins.flapping.Flapping")).toBeNull();
  expect(builtinOf("constructor")).toBeNull();
});

it.each([
  ["512", null],
  ["1B", 1],
  ["1.41M", 1478492],
  ["2 Ki", 2048],
  [".5k", 512],
  ["3 kilo", 3072],
  ["1gibi", 1024 ** 3],
  ["10KB", null],
  ["-1M", null],
  ["M", null],
])("the size %s is %s bytes (§9.3)", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

it.each([
  ["^(?P<pid>.*);(?P<t>.*)$", "12;5", "12"],
  ["(?i)PID=(?P<pid>\\d+)", "pid=7 and more", "7"],
  ["(?P<pid>\\d)(?P=pid)", "55", "5"],
])("%s is a regular expression of Python's", (pattern, text, pid) => {
  expect(pythonRegex(pattern)?.exec(text)?.groups?.["pid"]).toBe(pid);
});

it("regular expressions match at the start only, and a broken one is none", () => {
  expect(pythonRegex("b")?.test("ab")).toBe(false);
  expect(pythonRegex("a|b")?.test("xb")).toBe(false);
  expect(pythonRegex("(")).toBeNull();
});

describe("statsd (§9.2)", () => {
  const options = (raw: Record<string, string> = {}) => readStatsd(new OptionReader(new Map(Object.entries(raw))));

  it("writes counters, gauges and timers under the application's name", () => {
    expect(datagramOf(counter("web.spawn"), options(), 0)).toBe("circus.app.watcher.web.spawn:1|c");
    expect(datagramOf(gauge("x", 1.5), options({ application_name: "shop" }), 0)).toBe("circus.shop.watcher.x:1.5|g");
    expect(datagramOf({ kind: "timer", bucket: "t", ms: 12.4 }, options(), 0)).toBe("circus.app.watcher.t:12|ms");
  });

  it("really samples, and never a gauge", () => {
    const rated = options({ sample_rate: "0.25" });
    expect(datagramOf(counter("a"), rated, 0.24)).toBe("circus.app.watcher.a:1|c|@0.25");
    expect(datagramOf(counter("a"), rated, 0.25)).toBeNull();
    expect(datagramOf(gauge("a", 1), rated, 0.9)).toBe("circus.app.watcher.a:1|g");
  });

  it("lets no watcher's name break the protocol", () => {
    expect(datagramOf(counter("plugin:my app|x@y.stop"), options(), 0)).toBe(
      "circus.app.watcher.plugin_my_app_x_y.stop:1|c",
    );
  });
});

const record = (pid: number, cpu: unknown, mem: unknown, rss: unknown, children: unknown[] = []) => ({
  ...{ pid, cpu, mem, mem_info1: rss, children },
});

it("FullStats sends most and sum of what can be measured, and no plugins", () => {
  const infos = {
    web: { 1: record(1, 0.1, 1, "1.00M"), 2: record(2, 0.2, "N/A", "2.00M"), 3: "No such process (stopped?)" },
    idle: {},
    "plugin:x": { 9: record(9, 1, 1, "1.00M") },
  };
  expect(fullStats(infos).map((m) => (m.kind === "gauge" ? [m.bucket, m.value] : []))).toEqual([
    ["_stats.web.watchers_num", 2],
    ["_stats.web.cpu_max", 0.2],
    ["_stats.web.cpu_sum", 0.3],
    ["_stats.web.mem_pct_max", 1],
    ["_stats.web.mem_pct_sum", 1],
    ["_stats.web.mem_max", 2097152],
    ["_stats.web.mem_sum", 3145728],
    ["_stats.idle.watchers_num", 0],
  ]);
});

describe("ResourceWatcher (§9.5)", () => {
  const read = (raw: Record<string, string>) => {
    const { options, problems } = readBuiltin("resource_watcher", new Map(Object.entries({ watcher: "web", ...raw })));
    expect(problems).toEqual([]);
    return options;
  };
  const sample = (
    cpu: number | null,
    mem: number | null,
    rssBytes: number | null,
    children: Sample[] = [],
    pid = 1,
  ) => ({
    ...{ pid, cpu, mem, rssBytes, children },
  });

  /** What so many equal looks lead to. */
  function looks(options: ResourceOptions, samples: readonly Sample[], count: number): string[] {
    let state: ResourceState = new Map();
    const said: string[] = [];
    for (let i = 0; i < count; i++) {
      const step = lookAfter(state, samples, options);
      ({ state } = step);
      for (const effect of step.effects) {
        said.push(effect.kind === "metric" ? effect.metric.bucket.replace("_resource_watcher.web.", "") : effect.kind);
      }
    }
    return said;
  }

  it("restarts at the fourth violation in a row, and counts from none then", () => {
    const options = read({ health_threshold: "0" });
    const samples = [sample(95, 1, 1), sample(10, 1, 1, [], 2)];
    expect(looks(options, samples, 3)).toEqual(["over_cpu", "over_cpu", "over_cpu"]);
    expect(looks(options, samples, 5).slice(3)).toEqual(["over_cpu", "restarting", "restart", "over_cpu"]);
  });

  it.each([
    [{ max_mem: "50" }, sample(0, 51, 0), ["over_memory"]],
    [{ max_mem: "1M" }, sample(0, 0, 2 ** 20 + 1), ["over_memory"]],
    [{ min_mem: "1M" }, sample(0, 0.5, 2 ** 20 - 1), ["under_memory"]],
    [{ min_mem: "1M" }, sample(0, 0.5, 2 ** 20), []], // Circus compares bytes with percent here
    [{ min_mem: "1" }, sample(0, 0.5, 2 ** 30), ["under_memory"]],
    [{ min_cpu: "0" }, sample(0, 1, 1), ["under_cpu"]],
    [{ max_cpu: "0" }, sample(400, 1, 1), ["over_health"]],
    [{ max_cpu: "0", health_threshold: "0" }, sample(400, 1, 1), []],
    [{}, sample(null, null, null), ["over_cpu", "over_memory", "over_health"]],
  ])("%j", (raw, one, said) => {
    expect(looks(read(raw as Record<string, string>), [one], 1)).toEqual(said);
  });

  it("does not judge where nothing runs: what was stopped is not idle", () => {
    expect(looks(read({ min_cpu: "5", min_mem: "5" }), [], 10)).toEqual([]);
  });

  it("signals the one child, with its parent, and forgets it", () => {
    const options = read({ process_children: "yes", max_count: "0", health_threshold: "0" });
    const samples = [sample(1, 1, 1, [sample(99, 1, 1, [], 11), sample(1, 1, 1, [], 12)], 5)];
    const { effects, state } = lookAfter(new Map(), samples, options);
    expect(effects.filter(({ kind }) => kind !== "metric")).toEqual([{ kind: "signal", pid: 5, childPid: 11 }]);
    expect([...state.keys()]).toEqual([null, 12]);
    expect(lookAfter(state, [], options).state.size).toBe(0);
  });

  it("takes `service` for `watcher`", () => {
    expect(readBuiltin("resource_watcher", new Map([["service", "db"]]))).toMatchObject({
      ...{ problems: [], options: { watcher: "db" } },
    });
  });
});

describe("CommandReloader (§9.2)", () => {
  it.each([
    ["/opt/app --port 1", "", { program: "/opt/app", scripts: [] }],
    ["tail -f", "/var/log/x", { program: "tail", scripts: [] }],
    ["/usr/bin/python3.11 -u 'my app.py'", "--x y", { program: "/usr/bin/python3.11", scripts: ["my app.py", "y"] }],
    ["", "", null],
    ["'open", "", null],
  ])("the files of %s %s", (cmd, args, expected) => {
    expect(commandFiles(cmd, args)).toEqual(expected);
  });

  it("restarts what runs and changed; what is missing for a while is awaited", () => {
    let state: Parameters<typeof changed>[0] = new Map();
    const look = (files: (string | null)[], isRunning = true): readonly string[] => {
      const step = changed(state, [{ watcher: "web", files, isRunning } satisfies Look]);
      ({ state } = step);
      return step.restarts;
    };
    expect(look(["a1"])).toEqual([]);
    expect(look(["a1"])).toEqual([]);
    expect(look([null])).toEqual([]);
    expect(look(["a1"])).toEqual([]);
    expect(look(["a2"])).toEqual(["web"]);
    expect(look(["a3"], false)).toEqual([]);
    expect(look(["a3"])).toEqual([]);
    expect(look(["a3", "s1"])).toEqual(["web"]);
  });
});

describe("WatchDog (§9.6)", () => {
  const { options } = readBuiltin(
    "watchdog",
    new Map([
      ["watchers_regex", "w"],
      ["loop_rate", "1"],
      ["max_count", "2"],
    ]),
  );

  function bench() {
    let state: WatchdogState = new Map();
    return (input: WatchdogInput, nowMs: number): readonly number[] => {
      const step = watchdog(state, input, nowMs, options);
      ({ state } = step);
      return step.kills.map(({ pid }) => pid);
    };
  }

  it("kills every one that is silent for too long, at once and only once", () => {
    const feed = bench();
    for (const pid of [1, 2, 3]) feed({ kind: "appeared", watcher: "web", pid }, 0);
    feed({ kind: "datagram", text: "2;anything" }, 1500);
    expect(feed({ kind: "tick" }, 2000)).toEqual([]);
    expect(feed({ kind: "tick" }, 2001)).toEqual([1, 3]);
    expect(feed({ kind: "tick" }, 2002)).toEqual([]);
    expect(feed({ kind: "tick" }, 3501)).toEqual([2]);
  });

  it("leaves alone what it is not told to watch, what is gone, and plugins", () => {
    const feed = bench();
    feed({ kind: "appeared", watcher: "other", pid: 1 }, 0);
    feed({ kind: "appeared", watcher: "plugin:w", pid: 2 }, 0);
    feed({ kind: "appeared", watcher: "web", pid: 3 }, 0);
    feed({ kind: "gone", pid: 3 }, 1);
    expect(feed({ kind: "tick" }, 99_999)).toEqual([]);
  });

  it("survives any datagram", () => {
    const feed = bench();
    feed({ kind: "appeared", watcher: "web", pid: 7 }, 0);
    fc.assert(
      fc.property(fc.string(), (text) => {
        feed({ kind: "datagram", text }, 1);
      }),
    );
    for (const text of ["", ";", "7", "x;1", "__proto__;1", "99;1"]) feed({ kind: "datagram", text }, 2);
    expect(feed({ kind: "tick" }, 99_999)).toEqual([7]);
  });
});

describe("RedisObserver (§9.2)", () => {
  it.each([
    ["redis://localhost:6379/0", { host: "localhost", port: 6379, path: null, password: null }],
    ["redis://:p%40ss@[::1]:7000", { host: "::1", port: 7000, password: "p@ss", username: null }],
    ["rediss://me:pw@h", { isTls: true, username: "me", port: 6379 }],
    ["unix:///run/redis.sock?db=1", { path: "/run/redis.sock", password: null }],
    ["unix://:pw@/run/r", { path: "/run/r", password: "pw" }],
  ])("%s", (url, address) => {
    expect(parseRedisUrl(url)).toMatchObject(address);
  });

  it("speaks the protocol, in pieces too", () => {
    expect(encodeCommand(["AUTH", "é"])).toBe("*2\r\n$4\r\nAUTH\r\n$2\r\né\r\n");
    const whole = "+OK\r\n$5\r\na:1\r\n\r\n";
    expect(decodeReply(whole, 0)).toEqual({ kind: "text", text: "OK", end: 5 });
    expect(decodeReply(whole, 5)).toEqual({ kind: "text", text: "a:1\r\n", end: whole.length });
    for (let n = 5; n < whole.length; n++) expect(decodeReply(whole.slice(0, n), 5)).toEqual({ kind: "partial" });
    expect(decodeReply("-NOAUTH no\r\n", 0)).toEqual({ kind: "error", text: "NOAUTH no", end: 12 });
    expect(decodeReply("$-1\r\n", 0)).toEqual({ kind: "foreign" });
    expect(decodeReply("HTTP/1.1 400\r\n", 0)).toEqual({ kind: "foreign" });
  });

  it("sends the numbers that are there", () => {
    const info =
      "# Memory\r\nused_memory:1024\r\nused_memory_human:1K\r\nmem_fragmentation_ratio:1.5\r\nkeyspace_hits:\r\nlru_clock:x\r\n";
    expect(redisMetrics(info)).toEqual([
      gauge("redis_stats.used_memory", 1024),
      gauge("redis_stats.mem_fragmentation_ratio", 1.5),
    ]);
  });
});

it("records that are none are no samples", () => {
  expect(samplesOf(null)).toEqual([]);
  expect(samplesOf({ 1: "No such process (stopped?)", 2: record(2, "N/A", 1, "N/A") })).toEqual([
    { pid: 2, cpu: null, mem: 1, rssBytes: null, children: [] },
  ]);
});
