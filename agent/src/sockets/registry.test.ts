import { createSocket } from "node:dgram";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { SocketRegistry } from "./registry.ts";
import * as sys from "./syscalls.ts";
import type { SocketConfig } from "./types.ts";

const dir = mkdtempSync(join(tmpdir(), "sockets-test-"));
afterAll(() => rmSync(dir, { recursive: true }));

const tcp: SocketConfig = {
  name: "web",
  host: "127.0.0.1",
  port: 0,
  family: "AF_INET",
  type: "SOCK_STREAM",
  backlog: 16,
  path: null,
  umask: 0o77,
  owner: null,
  group: null,
  replace: false,
  interface: null,
  soReuseport: false,
  proto: null,
  blocking: false,
};
const unix: SocketConfig = { ...tcp, name: "ux", family: "AF_UNIX", path: join(dir, "u.sock") };
const openFds = () => readdirSync("/proc/self/fd").length;

describe("SocketRegistry", () => {
  it("binds and listens, in any case of the name, and lists by descriptor", async () => {
    using sockets = await SocketRegistry.open([unix, tcp]);
    const [first, second] = sockets.list();
    expect(first!.fd).toBeLessThan(second!.fd);
    expect(first).toMatchObject({ name: "ux", backlog: 16, path: unix.path });
    expect(second).toMatchObject({ name: "web", host: "127.0.0.1" });
    const { port } = second as { port: number };
    await new Promise<void>((resolve, reject) => {
      const client = connect(port, "127.0.0.1", () => {
        client.destroy();
        resolve();
      }).once("error", reject);
    });
    expect(sockets.get("WEB")).toBe(sockets.get("web"));
    expect(lstatSync(unix.path!).mode & 0o777).toBe(0o700);
  });

  it("resolves localhost for AF_INET6 to an IPv6 address (D5)", async () => {
    using sockets = await SocketRegistry.open([{ ...tcp, family: "AF_INET6", host: "localhost" }]);
    expect(sockets.list()[0]).toMatchObject({ host: "::1" });
  });

  it("gives each spawn a socket of its own with so_reuseport, and keeps its own unbound", async () => {
    const probe = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => probe.once("listening", resolve));
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    using sockets = await SocketRegistry.open([{ ...tcp, port, soReuseport: true }]);
    const shared = sockets.get("web")!;
    const [a, b] = [sockets.openForSpawn(shared), sockets.openForSpawn(shared)];
    expect(a.address).toEqual({ host: "127.0.0.1", port });
    expect(b.address).toEqual(a.address);
    expect(sys.socketName(shared.fd)).toMatchObject({ port: 0 });
    sys.close(a.fd);
    sys.close(b.fd);
  });

  it("says in one line what cannot be bound, and leaves nothing open", async () => {
    using taken = await SocketRegistry.open([tcp]);
    const { port } = taken.list()[0] as { port: number };
    const before = openFds();
    await expect(SocketRegistry.open([{ ...tcp, name: "a" }, { ...tcp, name: "b", port }, unix])).rejects.toThrow(
      `socket 'b': cannot bind 127.0.0.1:${port}: address already in use (EADDRINUSE)`,
    );
    expect(openFds()).toBe(before);
    expect(existsSync(unix.path!)).toBe(false);
    await expect(SocketRegistry.open([{ ...tcp, host: "no-such-host.invalid" }])).rejects.toThrow(
      "cannot resolve host",
    );
    await expect(SocketRegistry.open([{ ...unix, path: "/no/such/dir/x" }])).rejects.toThrow("no such directory");
    await expect(SocketRegistry.open([{ ...unix, path: `/${"x".repeat(200)}` }])).rejects.toThrow("107 bytes");
  });

  it("replaces a socket's file only if told to, and never another file", async () => {
    const stale = sys.socket("AF_UNIX", "SOCK_STREAM");
    sys.bind(stale, "AF_UNIX", { path: unix.path! });
    sys.close(stale); // its file stays
    await expect(SocketRegistry.open([unix])).rejects.toThrow("address already in use");
    const sockets = await SocketRegistry.open([{ ...unix, replace: true }]);
    sockets.close();
    sockets.close();
    expect(existsSync(unix.path!)).toBe(false);
    writeFileSync(unix.path!, "precious");
    await expect(SocketRegistry.open([{ ...unix, replace: true }])).rejects.toThrow("address already in use");
    expect(existsSync(unix.path!)).toBe(true);
    rmSync(unix.path!);
  });
});

describe("SocketRegistry with AF_UNIX", () => {
  it("tells of the old and the new one of a name, each with the file that it made", async () => {
    using sockets = await SocketRegistry.open([unix]);
    const [old] = sockets.memories();
    const again = { ...unix, replace: true };
    const exchange = await sockets.exchange({ added: [], removed: [], tuned: [], rebound: [again] });
    const made = lstatSync(unix.path!).ino;
    expect(sockets.memories().map(({ fd, file }) => [fd === old?.fd, file])).toEqual([
      [true, old?.file],
      [false, made],
    ]);
    exchange.retire({ serving: new Set(), kept: new Set() });
    expect(sockets.memories().map(({ file }) => file)).toEqual([made]);
    expect(lstatSync(unix.path!).ino).toBe(made);
  });

  it("leaves the file that another agent put in its place", async () => {
    using old = await SocketRegistry.open([unix]);
    using next = await SocketRegistry.open([{ ...unix, replace: true }]);
    old.close();
    expect(existsSync(unix.path!)).toBe(true);
    await new Promise<void>((resolve, reject) => {
      const client = connect(unix.path!, () => {
        client.destroy();
        resolve();
      }).once("error", reject);
    });
    next.close();
    expect(existsSync(unix.path!)).toBe(false);
  });

  if (process.getuid?.() === 0) {
    it("gives its file to the owner and group that are named", async () => {
      using sockets = await SocketRegistry.open([{ ...unix, owner: "nobody", group: "1" }]);
      expect(lstatSync(unix.path!)).toMatchObject({ uid: 65534, gid: 1 });
      expect(sockets.list()).toHaveLength(1);
    });
  }

  it("leaves no file where the owner or group does not exist", async () => {
    const before = openFds();
    for (const [key, what] of [
      ["owner", "user"],
      ["group", "group"],
    ] as const) {
      await expect(SocketRegistry.open([{ ...unix, [key]: "nosuch" }])).rejects.toThrow(
        `socket 'ux': ${key} 'nosuch' is no ${what} of this host`,
      );
    }
    expect([openFds(), existsSync(unix.path!)]).toEqual([before, false]);
  });

  it("takes no notice of so_reuseport, which Linux does not have there", async () => {
    using sockets = await SocketRegistry.open([{ ...unix, soReuseport: true }]);
    expect(sockets.get("ux")!.config.soReuseport).toBe(false);
    expect(sockets.list()).toMatchObject([{ name: "ux", path: unix.path }]);
  });
});

describe("openSocket", () => {
  it.each([
    [false, true],
    [true, false],
  ])("with blocking = %s gives a socket whose O_NONBLOCK is %s, close-on-exec in the agent", async (blocking, flag) => {
    using sockets = await SocketRegistry.open([{ ...tcp, blocking }]);
    const { fd } = sockets.get("web")!;
    expect(sys.isNonBlocking(fd)).toBe(flag);
    const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))![1]!;
    expect(Number.parseInt(flags, 8) & 0o2000000).not.toBe(0);
  });

  it.each([
    ["AF_INET", "127.0.0.1"],
    ["AF_INET6", "::1"],
  ] as const)("opens a datagram socket of %s that hears what is sent to it", async (family, host) => {
    using sockets = await SocketRegistry.open([{ ...tcp, family, host, type: "SOCK_DGRAM" }]);
    const { fd, port } = sockets.list()[0] as { fd: number; port: number };
    expect(port).toBeGreaterThan(0);
    const client = createSocket(family === "AF_INET" ? "udp4" : "udp6");
    client.send("hello", port, host);
    const buffer = Buffer.alloc(16);
    await expect.poll(() => sys.receiveNow(fd, buffer)).toBe(5);
    client.close();
  });

  if (process.getuid?.() === 0) {
    it("binds to a network interface", async () => {
      using sockets = await SocketRegistry.open([{ ...tcp, interface: "lo" }]);
      const { port } = sockets.list()[0] as { port: number };
      await new Promise<void>((resolve, reject) => {
        const client = connect(port, "127.0.0.1", () => {
          client.destroy();
          resolve();
        }).once("error", reject);
      });
    });
  }

  it.each(["SOCK_DGRAM", "SOCK_SEQPACKET"] as const)("opens a %s on a path", async (type) => {
    using sockets = await SocketRegistry.open([{ ...unix, type }]);
    expect(sockets.list()).toMatchObject([{ name: "ux", path: unix.path }]);
  });

  it("resolves a name for its own family and refuses a literal of the other", async () => {
    using sockets = await SocketRegistry.open([{ ...tcp, host: "localhost" }]);
    expect(sockets.list()).toMatchObject([{ host: "127.0.0.1" }]);
    await expect(SocketRegistry.open([{ ...tcp, host: "::1" }])).rejects.toThrow(
      "socket 'web': ::1 is no address of AF_INET",
    );
    await expect(SocketRegistry.open([{ ...tcp, interface: "nosuch0" }])).rejects.toThrow("no such network interface");
  });
});

describe("syscalls", () => {
  it("makes a pipe that no process inherits, and names a failure", () => {
    const { readEnd, writeEnd } = sys.pipe();
    writeSync(writeEnd, "x");
    expect(readSync(readEnd, Buffer.alloc(8))).toBe(1);
    for (const fd of [readEnd, writeEnd]) {
      expect(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")).toMatch(/^flags:\s+0?2\d{6}$/m);
      sys.close(fd);
    }
    const failed = (() => {
      try {
        sys.close(9_999);
        return null;
      } catch (error) {
        return error;
      }
    })();
    expect(failed).toMatchObject({ name: "SyscallError", code: "EBADF", errno: 9, syscall: "close" });
  });

  it.each(["::1", "2001:db8::7", "::", "fe80::1:0:0:1", "1:2:3:4:5:6:7:8"])("encodes and decodes %s", (host) => {
    const fd = sys.socket("AF_INET6", "SOCK_DGRAM");
    try {
      sys.bind(fd, "AF_INET6", { host, port: 0 });
      expect(sys.socketName(fd)).toMatchObject({ host });
    } catch (error) {
      expect((error as sys.SyscallError).code).toMatch(/EADDRNOTAVAIL|EINVAL/); // understood, but not an address of this machine
    } finally {
      sys.close(fd);
    }
  });
});
