import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { makeLogger } from "@circus-cluster/proto";
import { expect, it } from "vitest";
import { ReadableSockets } from "./readable.ts";
import * as sys from "./syscalls.ts";

function listener(): { readonly fd: number; readonly port: number } & Disposable {
  const fd = sys.socket("AF_INET", "SOCK_STREAM");
  sys.bind(fd, "AF_INET", { host: "127.0.0.1", port: 0 });
  sys.listen(fd, 8);
  const { port } = sys.socketName(fd) as { port: number };
  return { fd, port, [Symbol.dispose]: () => sys.close(fd) };
}

/** Of this process; what else opens and closes meanwhile is not our business. */
const epolls = (): number =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === "anon_inode:[eventpoll]";
    } catch {
      return false; // that of the listing itself
    }
  }).length;

it("tells everybody who waits of a connection, once each, and leaves it in the queue", async () => {
  using a = listener();
  using b = listener();
  const before = epolls();
  using sockets = new ReadableSockets(makeLogger(() => undefined));
  const told: string[] = [];
  const first = new Promise<void>((resolve) => {
    sockets.once([a.fd, a.fd, b.fd], () => {
      told.push("both");
      resolve();
    });
  });
  const second = new Promise<void>((resolve) => {
    sockets.once([a.fd], () => {
      told.push("a");
      resolve();
    });
  });
  sockets.once([b.fd], () => told.push("b"))();
  const client = connect(a.port, "127.0.0.1");
  await once(client, "connect");
  await Promise.all([first, second]);
  expect(told.sort()).toEqual(["a", "both"]);
  // It is still there for whoever looks next.
  await new Promise<void>((resolve) => void sockets.once([a.fd], resolve));
  client.destroy();
  await expect.poll(epolls).toBe(before);
});

it("ends its thread when nobody waits, and begins another for the next", async () => {
  using a = listener();
  const before = epolls();
  using sockets = new ReadableSockets(makeLogger(() => undefined));
  const end = sockets.once([a.fd], () => expect.unreachable());
  expect(epolls()).toBe(before + 1);
  end();
  end();
  await expect.poll(epolls).toBe(before);
  const heard = new Promise<void>((resolve) => void sockets.once([a.fd], resolve));
  const client = connect(a.port, "127.0.0.1").once("error", () => undefined);
  await heard;
  client.destroy();
  await expect.poll(epolls).toBe(before);
});

it("waits for nothing where one of the descriptors is none", async () => {
  using a = listener();
  const before = epolls();
  using sockets = new ReadableSockets(makeLogger(() => undefined));
  expect(() => sockets.once([a.fd, 9999], () => expect.unreachable())).toThrow("EBADF");
  await expect.poll(epolls).toBe(before);
});
