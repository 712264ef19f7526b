/** The stream of a log over real connections, from agents that are made up. */
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { type AgentReply, CircusError, type HostName, type LogStreamQuery } from "@circus-cluster/proto";
import { afterEach, describe, expect, it } from "vitest";
import type { Caller } from "./access.ts";
import { errorText, HttpRefusal } from "./errors.ts";
import { LogStreamDoor } from "./log-stream.ts";

const EVE: Caller = { name: "eve", role: "viewer", isValid: () => true };
const QUERY: LogStreamQuery = { watcher: "web", hosts: null, lines: 2 };
const LEASE = { lease: "L", sources: { stdout: "live", stderr: "none" }, before: { stdout: null, stderr: null } };
const line = (text: string) => ({ stream: "stdout", pid: 7, time: 5, line: text });

let servers: Server[] = [];
afterEach(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  servers = [];
});

/** @param batch what `follow` brings each time */
async function open(batch: (host: string, taken: number) => object | Promise<object>, hosts = ["web1"]) {
  const asked: string[] = [];
  const ask = async (host: HostName, command: string, properties: object): Promise<AgentReply> => {
    const { lease, taken = 0 } = properties as { lease?: string; taken?: number };
    asked.push(`${host} ${command} ${taken}`);
    if (command === "logs") return { kind: "reply", reply: { source: "live", lines: [], before: null, timed: false } };
    if (lease === undefined) return { kind: "reply", reply: { ...LEASE, seamless: true } };
    return { kind: "reply", reply: { lease, left_out: 0, ...(await batch(host, taken)) } };
  };
  const view = {
    hostsWith: ({ watcher }: { watcher: string | null }) => {
      if (watcher !== "web") throw new CircusError("not-found", "no host has it");
      return hosts as HostName[];
    },
  };
  const door = new LogStreamDoor({ view, commander: { ask } });
  const server = createServer((request, response) => {
    try {
      door.open(request, response, EVE, QUERY);
    } catch (error) {
      response.end(errorText(error instanceof HttpRefusal ? error.code : "unknown", String(error)));
    }
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { door, asked, port };
}

const never = new Promise<object>(() => undefined);

describe("LogStreamDoor", () => {
  it("tells the past and then what comes, host by host, and asks for more when that is taken", async () => {
    const { port, door } = await open(
      (host, taken) => (taken === 0 ? { number: 1, lines: [line(`of ${host}`)], left_out: 3 } : never),
      ["web1", "web2"],
    );
    const control = new AbortController();
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal: control.signal });
    let text = "";
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString();
      if (text.includes("of web1") && text.includes("of web2")) break;
    }
    const events = text.split("\n\n").filter((one) => one.startsWith("event:"));
    const data = (event: string, host: string, more: object): string =>
      `event: ${event}\ndata: ${JSON.stringify({ host, ...more })}`;
    expect(events[0]).toBe('event: hosts\ndata: {"hosts":["web1","web2"]}');
    for (const host of ["web1", "web2"]) {
      const own = events.filter((one) => one.includes(`{"host":"${host}"`));
      expect(own.slice(1)).toEqual([
        data("missed", host, { lines: 3 }),
        data("lines", host, { lines: [line(`of ${host}`)] }),
      ]);
      expect(own[0]).toContain("event: past");
    }
    control.abort();
    await expect.poll(() => door.clients).toBe(0);
  });

  it("asks an agent for nothing more while the reader reads nothing", async () => {
    const big = Array.from({ length: 100 }, () => line("x".repeat(1000)));
    const { port, asked } = await open((_, taken) => ({ number: taken + 1, lines: big }));
    const socket = connect(port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    socket.pause();
    let before = -1;
    await expect
      .poll(
        () => {
          const isStill = before === asked.length && before > 2;
          before = asked.length;
          return isStill;
        },
        { timeout: 15_000, interval: 500 },
      )
      .toBe(true);
    const still = asked.length;
    socket.resume();
    await expect.poll(() => asked.length, { timeout: 15_000 }).toBeGreaterThan(still);
    socket.destroy();
  });

  it("takes a bounded number of readers, and tells them when the controller goes", async () => {
    const { port, door } = await open(() => never);
    const readers = await Promise.all(Array.from({ length: 17 }, () => fetch(`http://127.0.0.1:${port}/`)));
    const refused = readers.filter(({ headers }) => headers.get("content-type") === null);
    expect(refused.length).toBe(1);
    expect(await refused[0]?.text()).toContain("16 readers follow logs already");
    door[Symbol.dispose]();
    const [first] = readers.filter((reader) => reader !== refused[0]);
    expect(await first?.text()).toContain('event: dropped\ndata: {"reason":"the controller stops"}');
  });
});
