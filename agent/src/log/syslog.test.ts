/** Real datagrams: over UDP to a socket of Node's, over a Unix socket to one of the kernel's. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SyslogAddress } from "../config/log-output.ts";
import * as sys from "../sockets/syscalls.ts";
import { type AgentLog, openLog } from "./logger.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "syslog-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function syslog(address: SyslogAddress): AgentLog {
  return openLog({ level: "debug", target: { kind: "syslog", address, facility: 3 } });
}

/** A daemon that reads only when asked. */
function daemon(path: string): { read(): string | null } & Disposable {
  const fd = sys.socket("AF_UNIX", "SOCK_DGRAM");
  sys.bind(fd, "AF_UNIX", { path });
  const buffer = Buffer.alloc(65_536);
  return {
    read: () => {
      const length = sys.receiveNow(fd, buffer);
      return length === null ? null : buffer.toString("utf8", 0, length);
    },
    [Symbol.dispose]: () => {
      sys.close(fd);
      rmSync(path);
    },
  };
}

describe("over UDP", () => {
  it.each(["127.0.0.1", "localhost", "::1"])("to %s, also what was logged just before the end", async (host) => {
    const server = createSocket(host === "::1" ? "udp6" : "udp4").bind(0, host === "::1" ? host : "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address();
    const heard: string[] = [];
    const both = new Promise<void>((resolve) => {
      server.on("message", (message) => {
        if (heard.push(message.toString()) === 2) resolve();
      });
    });
    const log = syslog({ host, port });
    log.logger.info("one", { n: 1 });
    log.logger.error("x".repeat(20_000));
    log[Symbol.dispose]();
    log[Symbol.dispose]();
    log.logger.info("too late");
    await both;
    heard.sort((a, b) => a.length - b.length); // UDP promises no order
    expect(heard[0]).toMatch(/^<30>[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d circus\[\d+\] \[INFO\] one n=1$/);
    expect(Buffer.byteLength(heard[1]!)).toBe(8192);
    server.close();
  });
});

describe("to a Unix socket", () => {
  it("each line is one datagram; a daemon that comes back is found again", () => {
    const path = join(dir, "log");
    const first = daemon(path);
    using log = syslog({ path });
    log.logger.warning("one");
    expect(first.read()).toMatch(/^<28>.* \[WARNING\] one$/);
    first[Symbol.dispose]();
    log.logger.info("lost");
    using second = daemon(path);
    log.logger.info("two");
    expect(second.read()).toMatch(/two$/);
    expect(second.read()).toBeNull();
  });

  it("one that does not read costs no time, and gets what waits when it reads again", async () => {
    const path = join(dir, "log");
    using slow = daemon(path);
    using log = syslog({ path });
    for (let i = 0; i < 3000; i++) log.logger.info(`line ${i}.`);
    const heard: string[] = [];
    // The kernel's queue and ours; the rest is lost.
    await expect
      .poll(
        () => {
          for (let text = slow.read(); text !== null; text = slow.read()) heard.push(text);
          return heard.length;
        },
        { interval: 1, timeout: 20_000 },
      )
      .toBeGreaterThan(1000);
    expect(heard.map((text) => Number(/line (\d+)\./.exec(text)?.[1])).slice(0, 1000)).toEqual(
      Array.from({ length: 1000 }, (_, i) => i),
    );
  });

  it("that is not there is refused with one line", () => {
    expect(() => syslog({ path: join(dir, "no") })).toThrow(
      `cannot log to syslog://${join(dir, "no")}: no socket is there`,
    );
  });
});
