import { expect, it } from "vitest";
import { formatDiagnostics } from "./check.ts";
import { PLAIN_LIFECYCLE } from "./lifecycle.ts";
import { parseFile } from "./lines.ts";
import { resolve } from "./resolve.ts";

const load = (text: string) =>
  resolve([parseFile("/etc/circus.ini", text)], { osEnv: {}, cwd: "/etc", shortHostName: "box" });
const lines = (text: string) => formatDiagnostics(load(text).diagnostics, "/etc");
const lifecycleOf = (body: string) => {
  const text = `[watcher:web]\ncmd = x\n${body}\n[watcher:DB]\ncmd = y`;
  expect(lines(text)).toEqual([]);
  return load(text).config?.watchers.find(({ name }) => name === "web");
};

it("reads each key", () => {
  const web = lifecycleOf(
    [
      "healthcheck.type = HTTP",
      "healthcheck.url = http://127.0.0.1:80$(circus.wid)/",
      "healthcheck.interval = 250ms",
      "healthcheck.timeout = 1m30s",
      "healthcheck.retries = 1",
      "healthcheck.start_period = 0",
      "healthcheck.on_unhealthy = ignore",
      "ready.when = Exited",
      "respawn = False",
      "depends_on = db,",
      "on_failed = quit",
      "backoff.initial = 1",
      "backoff.max = 1h",
      "backoff.reset = 5m",
      "ready.min_uptime = 500ms",
    ].join("\n"),
  );
  expect(web?.lifecycle).toEqual({
    healthcheck: {
      probe: { type: "http", url: "http://127.0.0.1:80$(circus.wid)/" },
      ...{ intervalMs: 250, timeoutMs: 90_000, retries: 1, startPeriodMs: 0, onUnhealthy: "ignore" },
    },
    dependsOn: ["DB"],
    dependsOnAt: { file: "/etc/circus.ini", line: 12 },
    readyWhen: "exited",
    onFailed: "quit",
    backoff: { initialMs: 1000, maxMs: 3_600_000, resetMs: 300_000 },
  });
  expect(web?.readyMinUptimeS).toBe(0.5);
  expect(web?.extra["healthcheck.url"]).toBe("http://127.0.0.1:80$(circus.wid)/");
  expect(lifecycleOf("")?.lifecycle).toEqual(PLAIN_LIFECYCLE);
});

it.each([
  ["healthcheck.type = tcp\nhealthcheck.port = 80", { type: "tcp", host: "127.0.0.1", port: "80" }],
  ["healthcheck.type = exec\nhealthcheck.cmd = test -e x", { type: "exec", cmd: "test -e x" }],
  ["healthcheck.type = notify", { type: "notify", watchdog: false }],
  ["healthcheck.type = notify\nhealthcheck.interval = 5", { type: "notify", watchdog: true }],
])("%s", (body, probe) => {
  expect(lifecycleOf(body)?.lifecycle.healthcheck).toEqual({
    probe,
    ...{ intervalMs: 5000, timeoutMs: 2000, retries: 3, startPeriodMs: 30_000, onUnhealthy: "replace" },
  });
});

it.each([
  ["healthcheck.type = ping", "circus.ini:3: healthcheck.type: 'ping' is none of http, tcp, exec, notify"],
  ["healthcheck.type = http", "circus.ini:3: healthcheck.type: healthcheck.type = http needs 'healthcheck.url'"],
  [
    "healthcheck.type = http\nhealthcheck.url = x",
    "circus.ini:4: healthcheck.url: 'x' is no http:// or https:// address",
  ],
  [
    "healthcheck.type = tcp\nhealthcheck.port = 65536",
    "circus.ini:4: healthcheck.port: '65536' is no port (1 to 65535)",
  ],
  [
    "healthcheck.type = notify\nhealthcheck.cmd = x",
    "circus.ini:4: healthcheck.cmd: it has no meaning for healthcheck.type = notify",
  ],
  [
    "healthcheck.interval = 5s",
    "circus.ini:3: healthcheck.interval: it needs a 'healthcheck.type' (http, tcp, exec, notify)",
  ],
  ["backoff.initial = soon", "circus.ini:3: backoff.initial: 'soon' is no duration such as 250ms, 5s or 1m30s"],
  ["backoff.initial = 30d", "circus.ini:3: backoff.initial: 30d is more than 24d20h"],
  ["backoff.max = 50ms", "circus.ini:3: backoff.max: it is less than backoff.initial"],
  ["ready.when = soon", "circus.ini:3: ready.when: 'soon' is none of alive, exited"],
  [
    "ready.when = exited",
    "circus.ini:3: ready.when: 'exited' needs respawn = False: who is started again is never done",
  ],
  ["on_failed = reboot", "circus.ini:3: on_failed: 'reboot' is none of stay, quit"],
  ["depends_on = nope", "circus.ini:3: depends_on: no watcher 'nope'"],
  ["depends_on = WEB", "circus.ini:3: depends_on: web → web is a circle; none of them could ever start"],
])("%s", (body, message) => {
  const found = lines(`[watcher:web]\ncmd = x\n${body}`);
  expect(found).toContain(message);
  expect(load(`[watcher:web]\ncmd = x\n${body}`).config).toBeNull();
});

it("tells of a circle once, and not of those that only lead to it", () => {
  const watcher = (name: string, on: string) => `[watcher:${name}]\ncmd = x\ndepends_on = ${on}\n`;
  expect(lines(watcher("a", "b") + watcher("b", "c, d") + watcher("c", "B") + "[watcher:d]\ncmd = x")).toEqual([
    "circus.ini:6: depends_on: b → c → b is a circle; none of them could ever start",
  ]);
});
