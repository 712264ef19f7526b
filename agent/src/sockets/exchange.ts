/**
 * One set of open sockets in place of another, without a moment in which nobody listens. First everything new is
 * opened, at the address of an old one too; only when all of it is open the new ones take the names, and the old
 * ones are closed when their processes are done with them.
 */
import { chmodSync, renameSync, rmSync } from "node:fs";
import { reasonOf } from "@circus-cluster/proto";
import { type BoundSocket, doesListen, openSocket, removeSocketFile, resolveHost, SocketError } from "./bind.ts";
import * as sys from "./syscalls.ts";
import type { SocketConfig } from "./types.ts";

interface Opened {
  readonly socket: BoundSocket;
  /** What its name stands for, for those that processes open themselves. */
  readonly host: string;
}

/** New sockets, the old ones being open still. */
export interface Beside {
  readonly opened: readonly Opened[];
  /** Closes a new one again: its old one is as it was before. */
  readonly giveUp: (opened: Opened) => void;
  /** The same for all. */
  readonly undo: () => void;
  /** Removes the files that were put aside for new ones of the same path. */
  readonly settle: () => void;
}

/**
 * Opens all, or none.
 *
 * @param outgoing what is to be closed soon: a new one may have its address
 * @throws SocketError for the first that cannot be opened; the old ones are as they were.
 */
export async function openBeside(configs: readonly SocketConfig[], outgoing: readonly BoundSocket[]): Promise<Beside> {
  const hosts = await Promise.all(configs.map(resolveHost));
  const aside = new Map<string, string>();
  const opened: Opened[] = [];
  const giveUp = ({ socket }: Opened): void => {
    const { path } = socket.config;
    if (path !== null) removeSocketFile(path);
    sys.close(socket.fd);
    const kept = path === null ? undefined : aside.get(path);
    if (path !== null && kept !== undefined) renameSync(kept, path);
    if (path !== null) aside.delete(path);
  };
  const undo = (): void => {
    for (const one of opened) giveUp(one);
    // Put aside for one that could not be opened.
    for (const [path, kept] of aside) renameSync(kept, path);
    shareAddresses(outgoing, false);
  };
  try {
    for (const [i, config] of configs.entries()) {
      const host = hosts[i] ?? config.host;
      opened.push({ socket: openAt(config, host, outgoing, aside), host });
    }
  } catch (error) {
    undo();
    throw error;
  }
  const settle = (): void => {
    for (const kept of aside.values()) rmSync(kept, { force: true });
    aside.clear();
  };
  return { opened, giveUp, undo, settle };
}

function openAt(
  config: SocketConfig,
  host: string,
  outgoing: readonly BoundSocket[],
  aside: Map<string, string>,
): BoundSocket {
  const { path } = config;
  if (path !== null) {
    const isTaken = outgoing.some(({ address }) => "path" in address && address.path === path);
    if (isTaken && !aside.has(path)) {
      const kept = `${path}.${process.pid}~`;
      renameSync(path, kept);
      aside.set(path, kept);
    }
    return openSocket(config, host);
  }
  // Two of one user may share an address if both say so when the second is bound. Where the first says no more when
  // the second listens, the kernel does not spread connections over the two: the newer one gets them all.
  shareAddresses(outgoing, true);
  const beforeListening = (): void => shareAddresses(outgoing, false);
  if (config.soReuseport) {
    // Once one was bound beside the old one, those of the processes may be.
    if (doesListen(config)) sys.close(openSocket(config, host, { until: "bound", beforeListening }).fd);
    return openSocket(config, host, { until: "open" });
  }
  try {
    return openSocket(config, host, { beforeListening });
  } catch (error) {
    const isInUse = error instanceof SocketError && (error.cause as Partial<sys.SyscallError>).code === "EADDRINUSE";
    if (!isInUse) throw error;
  }
  const shared = openSocket({ ...config, soReuseport: true }, host, { beforeListening });
  sys.setOption(shared.fd, "SO_REUSEPORT", 0);
  return { ...shared, config };
}

/** While it may be shared, another of the same user can be bound to the address too. */
export function shareAddresses(sockets: readonly BoundSocket[], on: boolean): void {
  for (const { fd, config } of sockets) {
    if (config.path === null && !config.soReuseport) sys.setOption(fd, "SO_REUSEPORT", on ? 1 : 0);
  }
}

/**
 * Options that an open socket can take over. Returns it under its new configuration.
 *
 * @throws SocketError with one line
 */
export function tune(socket: BoundSocket, config: SocketConfig): BoundSocket {
  const { fd, address, config: before } = socket;
  if (before.soReuseport) return { config, fd, address }; // it is not bound
  try {
    if ("path" in address && config.umask !== before.umask) chmodSync(address.path, 0o777 & ~config.umask);
    sys.setNonBlocking(fd, !config.blocking);
    if (doesListen(config) && config.backlog !== before.backlog) sys.listen(fd, config.backlog);
    return { config, fd, address };
  } catch (error) {
    throw new SocketError(`socket '${config.name}': cannot be changed: ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * Closes; nobody can connect any more, though processes that inherited it have it still: their kernel queue ends
 * with it. Without `forAll` they go on serving it.
 */
export function retire({ fd, config }: BoundSocket, forAll: boolean): void {
  if (forAll && doesListen(config) && !config.soReuseport) {
    try {
      sys.shutdown(fd);
    } catch {
      // It was not listening; closing is all there is to do.
    }
  }
  sys.close(fd);
}
