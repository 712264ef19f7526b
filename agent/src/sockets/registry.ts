/** All managed sockets by name; their numbers are stable for the agent's life (reference §3.3). */
import { lstatSync } from "node:fs";
import type { SocketPlan } from "../config/diff.ts";
import { type BoundSocket, openSocket, removeSocketFile, resolveHost } from "./bind.ts";
import { openBeside, retire, tune } from "./exchange.ts";
import { close } from "./syscalls.ts";
import type { SocketConfig } from "./types.ts";

/** One item of the reply to `listsockets` (reference §5.6). */
export type SocketItem =
  | {
      readonly fd: number;
      readonly name: string;
      readonly backlog: number;
      readonly host: string;
      readonly port: number;
    }
  | { readonly fd: number; readonly name: string; readonly backlog: number; readonly path: string };

/** New sockets that are open, and have their names; the old ones are open still. */
export interface Exchange {
  /** Names of the sockets that are new, or another one than before. */
  readonly opened: readonly string[];
  /**
   * Closes the old ones; once. Where one has a name in `serving`, processes that inherited it go on serving it,
   * else nobody can connect to it any more.
   */
  retire(serving: ReadonlySet<string>): void;
}

export class SocketRegistry implements Disposable {
  readonly #sockets = new Map<string, BoundSocket>();
  readonly #hosts = new Map<string, string>();
  /** Which file each AF_UNIX socket made. */
  readonly #inodes = new Map<string, number | undefined>();
  /** Without a name already, but open still. */
  readonly #outgoing = new Set<BoundSocket>();

  /**
   * Binds all, in name order; when one fails all are closed again.
   *
   * @throws SocketError for the first that cannot be bound.
   */
  static async open(configs: readonly SocketConfig[]): Promise<SocketRegistry> {
    const registry = new SocketRegistry();
    const sorted = [...configs].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    try {
      for (const config of sorted.map(withPossibleOptions)) {
        const host = await resolveHost(config);
        registry.#take(openSocket(config, host, !config.soReuseport), host);
      }
      return registry;
    } catch (error) {
      registry.close();
      throw error;
    }
  }

  /**
   * Puts the plan into effect: unchanged sockets keep their descriptors, new ones are open before this settles.
   * Those without a successor keep their name until they are retired.
   *
   * @throws SocketError for the first that cannot be opened; then nothing has changed.
   */
  async exchange(plan: SocketPlan): Promise<Exchange> {
    const incoming = [...plan.added, ...plan.rebound].map(withPossibleOptions);
    const names = new Set([...plan.removed, ...plan.rebound.map(({ name }) => name)]);
    const outgoing = this.all().filter(({ config }) => names.has(config.name));
    const { opened, settle } = await openBeside(incoming, outgoing);
    const files = new Map(outgoing.map(({ config: { name } }) => [name, this.#inodes.get(name)]));
    for (const config of plan.tuned.map(withPossibleOptions)) {
      const socket = this.#sockets.get(config.name);
      if (socket !== undefined) this.#sockets.set(config.name, tune(socket, config));
    }
    for (const { socket, host } of opened) this.#take(socket, host);
    settle();
    const retireAll = (serving: ReadonlySet<string>): void => {
      for (const socket of outgoing.splice(0)) {
        if (!this.#outgoing.delete(socket)) continue; // closed with all the others meanwhile
        const { name } = socket.config;
        if ("path" in socket.address) removeOwnFile(socket.address.path, files.get(name));
        retire(socket, !serving.has(name));
        if (this.#sockets.get(name)?.fd === socket.fd) this.#sockets.delete(name);
      }
    };
    for (const socket of outgoing) this.#outgoing.add(socket);
    return { opened: opened.map(({ socket }) => socket.config.name), retire: retireAll };
  }

  /** Any case, as in `$(circus.sockets.NAME)`. */
  get(name: string): BoundSocket | undefined {
    return this.#sockets.get(name.toLowerCase());
  }

  all(): readonly BoundSocket[] {
    return [...this.#sockets.values()];
  }

  /**
   * A socket of its own for one process, bound to the same address by SO_REUSEPORT; the caller closes it
   * once the process has it.
   *
   * @throws SocketError as {@link openSocket}.
   */
  openForSpawn(socket: BoundSocket): BoundSocket {
    return openSocket(socket.config, this.#hosts.get(socket.config.name) ?? socket.config.host);
  }

  /** Sorted by descriptor. */
  list(): readonly SocketItem[] {
    return this.all()
      .map(({ config, fd, address }) => ({ fd, name: config.name, backlog: config.backlog, ...address }))
      .sort((a, b) => a.fd - b.fd);
  }

  /** Closes all and deletes the files of AF_UNIX sockets; harmless twice. */
  close(): void {
    for (const { fd } of this.#outgoing) if (!this.all().some((socket) => socket.fd === fd)) close(fd);
    this.#outgoing.clear();
    for (const [name, { fd, address }] of this.#sockets) {
      this.#sockets.delete(name);
      if ("path" in address) removeOwnFile(address.path, this.#inodes.get(name));
      close(fd);
    }
  }

  #take(socket: BoundSocket, host: string): void {
    const { name, path } = socket.config;
    this.#sockets.set(name, socket);
    this.#hosts.set(name, host);
    if (path !== null) this.#inodes.set(name, inodeOf(path));
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Linux has no SO_REUSEPORT for AF_UNIX; where the platform lacks it the flag is off (reference §3.3). */
function withPossibleOptions(config: SocketConfig): SocketConfig {
  return config.family === "AF_UNIX" ? { ...config, soReuseport: false } : config;
}

/**
 * Only the file that this socket made: another agent may have put its own there meanwhile (`replace`). While the
 * descriptor is open the kernel cannot give the inode's number to another file.
 */
function removeOwnFile(path: string, inode: number | undefined): void {
  try {
    if (inodeOf(path) === inode) removeSocketFile(path);
  } catch {
    // A file that cannot be deleted must not keep the other sockets open.
  }
}

function inodeOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.ino;
}
