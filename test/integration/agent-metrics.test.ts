/** `[circus] metrics`: what Prometheus gets of one agent. */
import { connect } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { startAgent } from "../support/agent.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { freePort } from "../support/ports.ts";
import { run } from "../support/process.ts";
import { metricFaults } from "../support/prometheus.ts";
import { tempDir } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

const sleeper = { cmd: "sleep 1000", numprocesses: 2, "ready.min_uptime": "0s" };

/** Value of the line that begins so. */
function value(text: string, series: string): number {
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  if (line === undefined) throw new Error(`no ${series}`);
  return Number(line.slice(series.length + 1));
}

async function scrape(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect([response.status, response.headers.get("content-type")]).toEqual([
    200,
    "text/plain; version=0.0.4; charset=utf-8",
  ]);
  return await response.text();
}

function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    let got = "";
    socket.on("data", (chunk: Buffer) => {
      got += chunk.toString();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(got));
  });
}

describe("the metrics of an agent", () => {
  it("tell of watchers, processes, restarts, use and the fleet", async () => {
    await using server = await startNatsServer();
    const port = await freePort();
    await using agent = await startAgent({
      sections: {
        circus: { metrics: `127.0.0.1:${port}` },
        fleet: { nats_url: server.url, host: "web1" },
        "watcher:web": sleeper,
        "watcher:rests": { ...sleeper, autostart: "False" },
      },
    });
    const first = await waitFor(
      async () => {
        const text = await scrape(port);
        return value(text, 'circus_watcher_processes{watcher="web",health="healthy"}') === 2 ? text : null;
      },
      { what: "two healthy processes", deadlineMs: 30_000 },
    );
    expect(metricFaults(first)).toEqual([]);
    expect(value(first, 'circus_watchers{state="active"}')).toBe(1);
    expect(value(first, 'circus_watchers{state="stopped"}')).toBe(1);
    expect(value(first, 'circus_watcher_state{watcher="rests",state="stopped"}')).toBe(1);
    expect(value(first, 'circus_watcher_processes_wanted{watcher="web"}')).toBe(2);
    expect(value(first, 'circus_watcher_restarts_total{watcher="web"}')).toBe(0);
    expect(value(first, 'circus_watcher_memory_bytes{watcher="web"}')).toBeGreaterThan(100_000);
    expect(value(first, 'circus_events_total{kind="process_spawned"}')).toBe(2);
    expect(value(first, "process_resident_memory_bytes")).toBeGreaterThan(10_000_000);
    const [pid] = agent.descendants().map((one) => one.pid);
    process.kill(pid!, "SIGKILL");
    await waitFor(async () => value(await scrape(port), 'circus_watcher_restarts_total{watcher="web"}') === 1, {
      what: "the restart to be counted",
      deadlineMs: 30_000,
    });
    await waitFor(async () => value(await scrape(port), "circus_nats_connected") === 1, {
      what: "the connection to the fleet",
      deadlineMs: 30_000,
    });
    await server.kill9();
    await agent.call("incr", { name: "web" });
    await waitFor(
      async () => {
        const text = await scrape(port);
        return value(text, "circus_nats_connected") === 0 && value(text, "circus_outbox_events") > 0;
      },
      { what: "the backlog to be shown", deadlineMs: 30_000 },
    );
    expect(await agent.stop()).toMatchObject({ code: 0 });
    expect(await raw(port, "")).toBe("");
  });

  it("are for this machine, and have two pages only", async () => {
    const port = await freePort();
    await using _agent = await startAgent({
      sections: { circus: { metrics: `127.0.0.1:${port}` }, "watcher:web": sleeper },
    });
    const ask = (line: string, host = "localhost"): Promise<string> =>
      raw(port, `${line} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(await ask("GET /healthz")).toMatch(/^HTTP\/1.1 200 [^]*\{"alive":true\}\n$/);
    expect(await ask("HEAD /metrics")).toMatch(/^HTTP\/1.1 200 [^]*\r\n\r\n$/);
    expect(await ask("GET /")).toMatch(/^HTTP\/1.1 404 /);
    expect(await ask("GET /../metrics")).toMatch(/^HTTP\/1.1 404 /);
    expect(await ask("POST /metrics")).toMatch(/^HTTP\/1.1 405 /);
    expect(await ask("GET /metrics", "evil.example")).toMatch(/^HTTP\/1.1 421 /);
    expect(await ask(`GET /metrics?${"x".repeat(10_000)}`)).toMatch(/^HTTP\/1.1 431 /);
    const text = await scrape(port);
    expect(text).not.toContain("circus_nats_connected");
    expect(text).not.toContain("circus_outbox_events");
  });

  it("are refused elsewhere than on loopback, and on a port that is taken, before anything is started", async () => {
    await using dir = await tempDir();
    const port = await freePort();
    await using agent = await startAgent({
      sections: { circus: { metrics: `127.0.0.1:${port}` }, "watcher:web": sleeper },
    });
    const check = async (address: string): Promise<string> => {
      const ini = await dir.write("circus.ini", `[circus]\nmetrics = ${address}\n[watcher:web]\ncmd = sleep 1000\n`);
      const { code, stderr } = await run("circusd", ["--check", ini]);
      return `${code} ${stderr.replaceAll(/^.*?circus\.ini:/gm, "")}`;
    };
    expect(await check("0.0.0.0:9109")).toMatch(
      /^1 2: .*metrics: .*0\.0\.0\.0:9109.* is not a loopback address; use 127\.0\.0\.1:9109\n$/,
    );
    expect(await check("9109")).toMatch(/^1 2: .*is not HOST:PORT, such as 127\.0\.0\.1:9109\n$/);
    expect(await check("[::1]:9109")).toBe("0 ");
    const endpoints = `endpoint = ipc://${dir.file("e")}\npubsub_endpoint = ipc://${dir.file("p")}\n`;
    const ini = await dir.write(
      "circus.ini",
      `[circus]\n${endpoints}metrics = 127.0.0.1:${port}\n[watcher:web]\ncmd = sleep 1000\n`,
    );
    expect(await run("circusd", [ini])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^circusd: cannot serve metrics on 127\.0\.0\.1:\d+: listen EADDRINUSE/) as unknown,
    });
    expect(agent.program.isRunning).toBe(true);
  });
});
