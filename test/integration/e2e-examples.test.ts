/** The other examples, as they are shipped but for the ports: gunicorn on an inherited socket, and Redis beside Chaussette. */
import { createConnection } from "node:net";
import { afterAll, expect, it } from "vitest";
import { type Agent, type Section, startAgent } from "../support/agent.ts";
import { exampleSections } from "../support/example.ts";
import { assertNoLeaks } from "../support/leaks.ts";
import { startLoad } from "../support/load.ts";
import { freePort } from "../support/ports.ts";
import { exampleDir, run } from "../support/process.ts";
import { waitFor } from "../support/wait.ts";

afterAll(() => assertNoLeaks());

async function start(sections: Readonly<Record<string, Section>>): Promise<Agent> {
  return await startAgent({ cwd: exampleDir, sections });
}

it("gunicorn: two processes on one socket, none drops a request while it is restarted", async () => {
  const sections = await exampleSections("gunicorn.ini");
  const port = await freePort();
  sections["socket:web"]!["port"] = String(port);
  await using agent = await start(sections);
  await using load = startLoad({ port, expect: "Hello, World!\n" });
  await waitFor(() => load.byWorker.size === 2, { what: "both workers to answer", deadlineMs: 20_000 });
  const restart = await run("circusctl", ["--endpoint", agent.endpoint, "restart", "web"]);
  expect(restart).toMatchObject({ code: 0, stdout: "ok\n", stderr: "" });
  await waitFor(() => load.byWorker.size === 4, { what: "both successors to answer", deadlineMs: 20_000 });
  expect((await load.stop()).failures).toEqual([]);
});

/** One command in the inline form of Redis's protocol; its answer up to the first line end. */
function redis(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: "127.0.0.1", port }, () => socket.write(`${command}\r\n`));
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString();
      if (text.endsWith("\r\n")) socket.destroy();
    });
    socket.once("error", reject);
    socket.once("close", () => resolve(text.trimEnd()));
  });
}

it("Redis beside Chaussette: both serve, and a restart of the one leaves the other alone", async () => {
  const sections = await exampleSections("redis.ini");
  const [http, port] = [await freePort(), await freePort()];
  sections["socket:myworker"]!["port"] = String(http);
  sections["watcher:redis"]!["cmd"] = sections["watcher:redis"]!["cmd"]!.replace("6380", String(port));
  await using agent = await start(sections);
  const ctl = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run("circusctl", ["--endpoint", agent.endpoint, ...args]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout;
  };
  await waitFor(async () => (await redis(port, "PING")) === "+PONG", { what: "Redis to answer" });
  await redis(port, "SET kept 1");
  await using load = startLoad({ port: http, expect: "Hello, World!\n" });
  await waitFor(() => load.byWorker.size === 2, { what: "both workers to answer" });
  expect(await ctl("status")).toBe("myworker: active\nredis: active\n");
  await ctl("restart", "myworker");
  expect(await redis(port, "GET kept")).toBe("$1\r\n1");
  await ctl("stop", "redis", "--waiting");
  await expect(redis(port, "PING")).rejects.toThrow("ECONNREFUSED");
  expect(await ctl("status")).toBe("myworker: active\nredis: stopped\n");
  await ctl("start", "redis");
  await waitFor(async () => (await redis(port, "PING")) === "+PONG", { what: "Redis to answer again" });
  expect((await load.stop()).failures).toEqual([]);
});
