/**
 * Binds the agent's ZeroMQ endpoints. That a TCP one is on the loopback interface was checked with the
 * configuration; a socket file may be used by its owner only.
 */
import { chmodSync, chownSync, rmSync } from "node:fs";
import { connect, type NetConnectOpts } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { CircusError, reasonOf } from "@circus-cluster/proto";
import { context } from "zeromq";
import { findUser } from "../arbiter/users.ts";

// Else a process with an undelivered message never exits.
context.blocky = false;

/** How long a socket goes on delivering after it was closed, ms. */
export const LINGER_MS = 500;

const IPC = "ipc://";
/** Longest wait for ZeroMQ's own thread to close a listening socket, ms. */
const UNBIND_MS = 2000;

interface Bindable {
  bind(endpoint: string): Promise<void>;
}

interface Bound {
  readonly lastEndpoint: string | null;
  close(): void;
}

const TEXTS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EADDRNOTAVAIL: "no interface of this host has that address",
  ENODEV: "no such network interface",
  ENOENT: "no such directory",
  EINVAL: "is no address to listen on",
  EPROTONOSUPPORT: "that transport is not supported",
};

/**
 * Binds; an `ipc://` file gets mode 0600 and, where given, its owner.
 *
 * @param owner name or number of a user, for `ipc://` only
 * @throws CircusError `os` with one line that names the endpoint.
 */
export async function bindEndpoint(socket: Bindable, endpoint: string, owner: string | null): Promise<void> {
  const path = endpoint.startsWith(IPC) ? endpoint.slice(IPC.length) : null;
  // ZeroMQ would take the file from whoever listens there.
  if (path !== null && (await canConnect({ path }))) throw inUse(endpoint);
  const before = path === null ? null : process.umask(0o177);
  try {
    await socket.bind(endpoint.replace(/^tcp:\/\/localhost:/i, "tcp://127.0.0.1:"));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (code === "EADDRINUSE") throw inUse(endpoint);
    throw new CircusError("os", `cannot bind endpoint ${endpoint}: ${TEXTS[code] ?? reasonOf(error)}`, {
      cause: error,
    });
  } finally {
    if (before !== null) process.umask(before);
  }
  if (path !== null) protect(path, endpoint, owner);
}

/**
 * Closes; what was sent is still delivered for a while. ZeroMQ closes the listening socket some time later in a
 * thread of its own: settles only then, so that the endpoint can be bound anew.
 *
 * Not by `unbind` first: that ends each connection, and one that its client is just closing too makes libzmq
 * 4.3.5 end the whole program by an assertion (`_state == term_ack_sent`).
 */
export async function closeSocket(socket: Bound): Promise<void> {
  const endpoint = socket.lastEndpoint;
  socket.close();
  if (endpoint === null) return;
  const [, host = "", port] = /^tcp:\/\/\[?(.*?)\]?:(\d+)$/.exec(endpoint) ?? [];
  const path = endpoint.startsWith(IPC) ? endpoint.slice(IPC.length) : null;
  const address = path === null ? { host, port: Number(port) } : { path };
  const deadlineMs = performance.now() + UNBIND_MS;
  while ((await canConnect(address)) && performance.now() < deadlineMs) await sleep(5);
  if (path !== null) rmSync(path, { force: true }); // ZeroMQ leaves it
}

function inUse(endpoint: string): CircusError {
  return new CircusError("os", `endpoint ${endpoint} is in use by another program`);
}

function protect(path: string, endpoint: string, owner: string | null): void {
  chmodSync(path, 0o600);
  if (owner === null) return;
  const user = findUser(owner);
  if (user === null) throw new CircusError("os", `endpoint_owner '${owner}' is no user of this host`);
  try {
    chownSync(path, user.uid, -1);
  } catch (error) {
    throw new CircusError("os", `cannot give ${endpoint} to '${owner}': ${reasonOf(error)}`, { cause: error });
  }
}

/** Is somebody listening there? */
function canConnect(address: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(address);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}
