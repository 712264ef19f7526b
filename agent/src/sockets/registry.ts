/** All managed sockets by name; their numbers are stable for the agent's life (reference §3.3). */
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

  /**
   * Binds all, in name order; when one fails all are closed again.
   *
   * @throws SocketError for the first that cannot be bound.
   */
  static async open(configs: readonly SocketConfig[]): Promise<SocketRegistry> {
    const registry = new SocketRegistry();
    const sorted = [...configs].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    try {
      for (const config of sorted) {
        const host = await resolveHost(config);
        registry.#hosts.set(config.name, host);
        registry.#sockets.set(config.name, openSocket(config, host, !config.soReuseport));
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
      close(fd);
      if ("path" in address) removeSocketFile(address.path);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
