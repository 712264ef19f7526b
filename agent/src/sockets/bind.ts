/** Opens one listening socket: options, bind, listen (reference §3.2). It is never accepted in the agent. */
import { lookup } from "node:dns/promises";
import { chownSync, lstatSync, unlinkSync } from "node:fs";
import { isIP } from "node:net";
import { findGroup, findUser } from "../arbiter/users.ts";
import { protocolNumber } from "./protocols.ts";
import * as sys from "./syscalls.ts";
import type { SocketConfig } from "./types.ts";

/** Why a socket could not be opened, as one line for the operator. */
export class SocketError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SocketError";
  }
}

export interface BoundSocket {
  readonly config: SocketConfig;
  readonly fd: number;
  /** What it is bound to; the configured address while it is unbound (so_reuseport). */
  readonly address: sys.Address;
}

const TEXTS: Readonly<Record<string, string>> = {
  EADDRINUSE: "address already in use",
  EADDRNOTAVAIL: "no interface of this host has that address",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOENT: "no such directory",
  ENODEV: "no such network interface",
  ENAMETOOLONG: "the path is longer than 107 bytes",
  EPROTONOSUPPORT: "its family and type have no such protocol",
  EMFILE: "too many open descriptors",
};

/** A host name as an IP literal of the socket's own family: `localhost` for AF_INET6 is `::1`, never 127.0.0.1. */
export async function resolveHost(config: SocketConfig): Promise<string> {
  if (config.family === "AF_UNIX") return "";
  const family = config.family === "AF_INET6" ? 6 : 4;
  const host = config.host === "" ? (family === 6 ? "::" : "0.0.0.0") : config.host;
  if (isIP(host) === family) return host;
  if (isIP(host) !== 0) throw new SocketError(`socket '${config.name}': ${host} is no address of ${config.family}`);
  try {
    return (await lookup(host, { family })).address;
  } catch (error) {
    if (family === 6 && host === "localhost") return "::1";
    throw new SocketError(`socket '${config.name}': cannot resolve host '${host}' as ${config.family}`, {
      cause: error,
    });
  }
}

interface OpenOptions {
  /** How far it goes. @default "listening", where it is of a type that does */
  readonly until?: "open" | "bound" | "listening";
  /** Between the two: it has its address, but gets no connection yet. */
  readonly beforeListening?: () => void;
}

/**
 * A socket bound to `host` (from {@link resolveHost}) and listening; close-on-exec.
 *
 * @throws SocketError with one line; nothing stays open.
 */
export function openSocket(
  config: SocketConfig,
  host: string,
  { until = "listening", beforeListening }: OpenOptions = {},
): BoundSocket {
  const address: sys.Address = config.path === null ? { host, port: config.port } : { path: config.path };
  const protocol = config.proto === null ? 0 : protocolNumber(config.proto);
  if (protocol === null) {
    throw new SocketError(`socket '${config.name}': proto '${config.proto ?? ""}' is not in /etc/protocols`);
  }
  let fd = -1;
  try {
    fd = sys.socket(config.family, config.type, protocol);
    sys.setOption(fd, "SO_REUSEADDR", 1);
    if (config.soReuseport) sys.setOption(fd, "SO_REUSEPORT", 1);
    if (config.interface !== null) sys.bindToDevice(fd, config.interface);
    if (until === "open") return { config, fd, address };
    bindTo(fd, config, address);
    sys.setNonBlocking(fd, !config.blocking);
    beforeListening?.();
    if (until === "listening" && doesListen(config)) sys.listen(fd, config.backlog);
    return { config, fd, address: sys.socketName(fd) };
  } catch (error) {
    if (fd >= 0) sys.close(fd);
    if (!(error instanceof sys.SyscallError)) throw error;
    const where = "path" in address ? address.path : `${host.includes(":") ? `[${host}]` : host}:${config.port}`;
    const why = TEXTS[error.code] ?? `${error.syscall} failed`;
    throw new SocketError(`socket '${config.name}': cannot bind ${where}: ${why} (${error.code})`, { cause: error });
  }
}

/** The others have no connections. */
export function doesListen({ type }: SocketConfig): boolean {
  return type === "SOCK_STREAM" || type === "SOCK_SEQPACKET";
}

function bindTo(fd: number, config: SocketConfig, address: sys.Address): void {
  if (!("path" in address)) {
    sys.bind(fd, config.family, address);
    return;
  }
  if (config.replace) removeSocketFile(address.path);
  const before = process.umask(config.umask);
  try {
    sys.bind(fd, config.family, address);
    // While the mask holds: until the socket listens nobody can connect, so no wrong user ever could.
    giveAway(config, address.path);
  } finally {
    process.umask(before);
  }
}

/** `owner` and `group`. @throws SocketError with one line; the file stays for {@link removeSocketFile}. */
function giveAway({ name, owner, group }: SocketConfig, path: string): void {
  if (owner === null && group === null) return;
  const user = owner === null ? null : findUser(owner);
  const gid = group === null ? null : findGroup(group);
  const refuse = (why: string, cause?: unknown): SocketError => {
    removeSocketFile(path);
    return new SocketError(`socket '${name}': ${why}`, { cause });
  };
  if (owner !== null && user === null) throw refuse(`owner '${owner}' is no user of this host`);
  if (group !== null && gid === null) throw refuse(`group '${group}' is no group of this host`);
  try {
    chownSync(path, user?.uid ?? -1, gid ?? -1);
  } catch (error) {
    throw refuse(`cannot give ${path} to ${owner ?? "its owner"}${group === null ? "" : `, group ${group}`}`, error);
  }
}

/** Removes the file of an AF_UNIX socket, and nothing that is not one. */
export function removeSocketFile(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isSocket() === true) unlinkSync(path);
}
