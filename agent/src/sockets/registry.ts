/** All managed sockets by name; their numbers are stable for the agent's life (reference §3.3). */
import { lstatSync } from "node:fs";
import { type BoundSocket, openSocket, removeSocketFile, resolveHost } from "./bind.ts";
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

export class SocketRegistry implements Disposable {
  readonly #sockets = new Map<string, BoundSocket>();
  readonly #hosts = new Map<string, string>();
  /** Which file each AF_UNIX socket made. */
  readonly #inodes = new Map<string, number | undefined>();

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
        registry.#hosts.set(config.name, host);
        registry.#sockets.set(config.name, openSocket(config, host, !config.soReuseport));
        if (config.path !== null) registry.#inodes.set(config.name, inodeOf(config.path));
      }
      return registry;
    } catch (error) {
      registry.close();
      throw error;
    }
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
    for (const [name, { fd, address }] of this.#sockets) {
      this.#sockets.delete(name);
      if ("path" in address) this.#removeFile(name, address.path);
      close(fd);
    }
  }

  /**
   * Only the file that this socket made: another agent may have put its own there meanwhile (`replace`).
   * While the descriptor is open the kernel cannot give the inode's number to another file.
   */
  #removeFile(name: string, path: string): void {
    try {
      if (inodeOf(path) === this.#inodes.get(name)) removeSocketFile(path);
    } catch {
      // A file that cannot be deleted must not keep the other sockets open.
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Linux has no SO_REUSEPORT for AF_UNIX; where the platform lacks it the flag is off (reference §3.3). */
function withPossibleOptions(config: SocketConfig): SocketConfig {
  return config.family === "AF_UNIX" ? { ...config, soReuseport: false } : config;
}

function inodeOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.ino;
}
