import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { SocketRegistry } from "./registry.ts";
import * as sys from "./syscalls.ts";
import type { SocketConfig } from "./types.ts";

const dir = mkdtempSync(join(tmpdir(), "handed-test-"));
afterAll(() => rmSync(dir, { recursive: true }));

const tcp: SocketConfig = {
  ...{ name: "web", host: "127.0.0.1", port: 0, family: "AF_INET", type: "SOCK_STREAM", proto: null },
  ...{ backlog: 16, path: null, umask: 0o77, owner: null, group: null, replace: false },
  ...{ interface: null, soReuseport: false, blocking: false },
} as const;
const unix: SocketConfig = { ...tcp, name: "ux", family: "AF_UNIX", path: join(dir, "u.sock") };
const openFds = () => readdirSync("/proc/self/fd").length;

/** Another number for the same open socket, as who keeps it has one. */
async function kept(config: SocketConfig): Promise<{ fd: number; port: number; registry: SocketRegistry }> {
  const registry = await SocketRegistry.open([config]);
  const { fd, address } = registry.all()[0]!;
  const copy = sys.socket("AF_UNIX", "SOCK_DGRAM");
  sys.duplicateTo(fd, copy);
  return { fd: copy, port: "port" in address ? address.port : 0, registry };
}

describe("sockets that are open already", () => {
  it("are taken by their address, whatever they are called, and as the configuration wants them", async () => {
    const { fd, port, registry } = await kept(tcp);
    registry.close();
    using sockets = await SocketRegistry.open([{ ...tcp, name: "www", port, blocking: true }], [{ fd, name: "web" }]);
    expect(sockets.list()).toEqual([{ fd, name: "www", backlog: 16, host: "127.0.0.1", port }]);
    expect(sys.isNonBlocking(fd)).toBe(false);
  });

  it("are taken by their name where any port will do", async () => {
    const { fd, port, registry } = await kept(tcp);
    registry.close();
    using sockets = await SocketRegistry.open([tcp], [{ fd, name: "web" }]);
    expect(sockets.list()).toMatchObject([{ fd, port }]);
  });

  it("are a Unix one only while its file is there", async () => {
    const { fd, registry } = await kept(unix);
    const again = sys.socket("AF_UNIX", "SOCK_DGRAM");
    sys.duplicateTo(fd, again);
    {
      using sockets = await SocketRegistry.open([unix], [{ fd, name: "ux" }]);
      expect(sockets.list()).toMatchObject([{ fd }]);
    }
    registry.close();
    using sockets = await SocketRegistry.open([unix], [{ fd: again, name: "ux" }]);
    expect(sockets.all()[0]?.address).toEqual({ path: unix.path });
  });

  it.each<[string, Partial<SocketConfig>]>([
    ["port", { port: 1 }],
    ["host", { host: "127.0.0.2" }],
    ["type", { type: "SOCK_DGRAM" }],
    ["family", { family: "AF_INET6", host: "::1" }],
    ["interface", { interface: "lo" }],
    ["protocol", { proto: "132" }],
    ["way of sharing", { soReuseport: true }],
  ])("are closed where the %s is another one, before anything is bound", async (_, change) => {
    const { fd, port, registry } = await kept(tcp);
    registry.close();
    const before = openFds();
    const forget = vi.fn(() => Promise.reject(new Error("enough")));
    await expect(SocketRegistry.open([{ ...tcp, port, ...change }], [{ fd, name: "web" }], forget)).rejects.toThrow(
      "enough",
    );
    expect(forget).toHaveBeenCalledExactlyOnceWith([{ fd, name: "web" }]);
    expect(openFds()).toBe(before - 1);
  });

  it("are no sockets at all", async () => {
    const { readEnd, writeEnd } = sys.pipe();
    sys.close(writeEnd);
    using sockets = await SocketRegistry.open([tcp], [{ fd: readEnd, name: "web" }]);
    expect(sockets.list()).toHaveLength(1);
  });
});

it("handOver() leaves open what the next registry may take", async () => {
  const first = await SocketRegistry.open([tcp, unix, { ...tcp, name: "each", soReuseport: true }]);
  const { fd } = first.get("web")!;
  const handed = first.handOver();
  first.close();
  expect(handed).toEqual([{ fd, name: "web" }]);
  using second = await SocketRegistry.open([tcp], handed);
  expect(second.get("web")?.fd).toBe(fd);
});
