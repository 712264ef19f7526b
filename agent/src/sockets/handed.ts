/**
 * Sockets that are open when the agent starts, because somebody kept them for it: systemd (`LISTEN_FDS`), or the agent's
 * own life before a restart of everything. What `[socket:NAME]` asks for is looked for among them before it is bound;
 * so nobody is refused while circusd is away. They are told by what the kernel says they are, not by a name.
 */
import { lstatSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { type BoundSocket, doesListen } from "./bind.ts";
import { ipBytes } from "./ip.ts";
import { protocolNumber } from "./protocols.ts";
import * as sys from "./syscalls.ts";
import type { SocketConfig } from "./types.ts";

/** Each is taken at most once; whoever has the list closes what is left of it. */
export interface HandedSocket {
  readonly fd: number;
  /** By which who kept it calls it, if it has a name: decides only for a port that is any. */
  readonly name: string | null;
}

/**
 * Takes the one that fits out of the list, with the options that the configuration asks for; null: none does.
 *
 * @param host from `resolveHost`
 */
export function takeHanded(config: SocketConfig, host: string, handed: HandedSocket[]): BoundSocket | null {
  const at = handed.findIndex((one) => fits(one, config, host));
  const [found] = at < 0 ? [] : handed.splice(at, 1);
  if (found === undefined) return null;
  sys.setCloseOnExec(found.fd, true);
  sys.setNonBlocking(found.fd, !config.blocking);
  if (doesListen(config)) sys.listen(found.fd, config.backlog);
  return { config, fd: found.fd, address: sys.socketName(found.fd) };
}

function fits({ fd, name }: HandedSocket, config: SocketConfig, host: string): boolean {
  try {
    const kind = sys.socketKind(fd);
    if (kind.family !== config.family || kind.type !== config.type || kind.interface !== config.interface) return false;
    if (config.proto !== null && kind.protocol !== protocolNumber(config.proto)) return false;
    return hasAddress(sys.socketName(fd), name, config, host);
  } catch (error) {
    if (error instanceof sys.SyscallError) return false; // it is no socket
    throw error;
  }
}

function hasAddress(address: sys.Address, name: string | null, config: SocketConfig, host: string): boolean {
  if ("path" in address) {
    // Nobody finds one whose file was removed.
    return address.path === config.path && lstatSync(address.path, { throwIfNoEntry: false })?.isSocket() === true;
  }
  if (!isDeepStrictEqual(ipBytes(address.host), ipBytes(host))) return false;
  return config.port === 0 ? name === config.name : address.port === config.port;
}
