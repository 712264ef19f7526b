import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { SocketRegistry } from "../sockets/registry.ts";
import type { SocketConfig } from "../sockets/types.ts";
import { countConnections } from "./connections.ts";

const base: SocketConfig = {
  ...{ name: "web", host: "127.0.0.1", port: 0, family: "AF_INET", type: "SOCK_STREAM", backlog: 5, path: null },
  ...{
    umask: 0,
    owner: null,
    group: null,
    replace: false,
    interface: null,
    soReuseport: false,
    proto: null,
    blocking: true,
  },
};

let dir: string;
const clients: Socket[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "connections-"));
});
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  rmSync(dir, { recursive: true, force: true });
});

async function connected(where: { host: string; port: number } | { path: string }): Promise<Socket> {
  const client = connect(where);
  clients.push(client);
  await new Promise((resolve, reject) => client.once("connect", resolve).once("error", reject));
  return client;
}

it.each([
  ["127.0.0.1", "AF_INET", "127.0.0.1"],
  ["0.0.0.0", "AF_INET", "127.0.0.1"],
  ["::1", "AF_INET6", "::1"],
  ["::", "AF_INET6", "127.0.0.1"],
] as const)("connections to %s (%s) count while nobody has accepted them", async (host, family, from) => {
  using sockets = await SocketRegistry.open([{ ...base, host, family }]);
  const [item] = sockets.list();
  if (item === undefined || !("port" in item)) throw new Error("no such socket");
  const count = async () => (await countConnections(sockets.list())).get(item.fd);
  expect(await count()).toEqual({ open: 0, waiting: 0 });
  await connected({ host: from, port: item.port });
  await connected({ host: from, port: item.port });
  await expect.poll(count).toEqual({ open: 2, waiting: 2 });
});

it("an accepted connection is open and does not wait", async () => {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const item = { fd: 3, name: "web", backlog: 5, host: "127.0.0.1", port };
  await connected({ host: "127.0.0.1", port });
  await expect.poll(async () => (await countConnections([item])).get(3)).toEqual({ open: 1, waiting: 0 });
  for (const client of clients) client.destroy();
  await new Promise((resolve) => server.close(resolve));
});

it("Unix sockets are found by their path", async () => {
  const path = join(dir, "s sock"); // a blank, too
  using sockets = await SocketRegistry.open([{ ...base, family: "AF_UNIX", path }]);
  const fd = sockets.list()[0]?.fd ?? 0;
  const count = async () => (await countConnections(sockets.list())).get(fd);
  expect(await count()).toEqual({ open: 0, waiting: 0 });
  await connected({ path });
  await expect.poll(count).toEqual({ open: 1, waiting: 1 });
});

it("a socket on one address does not get what another on the same port has", async () => {
  const lines = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    "   0: 00000000:0050 00000000:0000 0A 00000000:00000002 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0",
    "   1: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0",
    "   2: 0100007F:0050 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0 20 4 0 10 -1",
    "   3: 0200000A:0050 0300000A:9C40 08 00000000:00000007 00:00000000 00000000     0        0 14 1 0 20 4 0 10 -1",
    "   4: 0200000A:0050 0300000A:9C41 06 00000000:00000000 03:00001738 00000000     0        0 0 3 0",
    "   5: 0200000A:0051 0300000A:9C40 01 00000000:00000000 00:00000000 00000000     0        0 15 1 0 20 4 0 10 -1",
  ];
  const read = async function* (table: string) {
    await Promise.resolve();
    if (table === "tcp") yield* lines;
  };
  const sockets = [
    { fd: 3, name: "all", backlog: 5, host: "0.0.0.0", port: 80 },
    { fd: 4, name: "own", backlog: 5, host: "127.0.0.1", port: 80 },
  ];
  const counts = await countConnections(sockets, read);
  expect(counts.get(3)).toEqual({ open: 1, waiting: 2 });
  expect(counts.get(4)).toEqual({ open: 1, waiting: 0 });
});
