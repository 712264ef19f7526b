/** All managed sockets by name; their numbers are stable for the agent's life (reference §3.3). */
import { lstatSync } from "node:fs";
import type { SocketPlan } from "../config/diff.ts";
import type { SocketMemory } from "../journal/records.ts";
import { type BoundSocket, openSocket, removeSocketFile, resolveHost } from "./bind.ts";
import { openBeside, retire, shareAddresses, tune } from "./exchange.ts";
import { type HandedSocket, takeHanded } from "./handed.ts";
import { socketInode } from "./inode.ts";
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

/** Of old sockets whose processes could not be replaced, by name. */
export interface Fates {
  /** Processes that inherited it go on serving it, beside those of the new one. */
  readonly serving: ReadonlySet<string>;
  /** It stays in place of the new one, which nobody serves. */
  readonly kept: ReadonlySet<string>;
}

/** New sockets that are open, and have their names; the old ones are open still. */
export interface Exchange {
  /** Names of the sockets that are new, or another one than before. */
  readonly opened: readonly string[];
  /**
   * Closes the old ones; once. Nobody can connect to them any more, but where {@link Fates} has their name.
   */
  retire(fates: Fates): void;
}

interface Place {
  /** What the configured host stands for. */
  readonly host: string;
  /** Which file an AF_UNIX socket made. */
  readonly inode: number | undefined;
}

export class SocketRegistry implements Disposable {
  readonly #sockets = new Map<string, BoundSocket>();
  readonly #places = new Map<string, Place>();
  /** Open still, beside another one of their name or without a name; each with its place, which that one has now. */
  readonly #outgoing = new Map<BoundSocket, Place>();
  /** Ends an exchange that is under way. */
  #settle: () => void = () => undefined;

  /**
   * Binds all, in name order; when one fails all are closed again.
   *
   * @param handed open sockets, of which those that fit are taken instead of bound; the others are closed
   * @param beforeBinding told which were closed, by their names; what is missing is bound when it has settled
   * @throws SocketError for the first that cannot be bound.
   */
  static async open(
    configs: readonly SocketConfig[],
    handed: readonly HandedSocket[] = [],
    beforeBinding: (closed: readonly HandedSocket[]) => Promise<void> = () => Promise.resolve(),
  ): Promise<SocketRegistry> {
    const registry = new SocketRegistry();
    const left = [...handed];
    try {
      const lacking: { config: SocketConfig; host: string }[] = [];
      for (const config of sortedByName(configs).map(withPossibleOptions)) {
        const host = await resolveHost(config);
        const socket = config.soReuseport ? null : takeHanded(config, host, left);
        if (socket === null) lacking.push({ config, host });
        else registry.#take(socket, host);
      }
      const unwanted = left.splice(0);
      for (const { fd } of unwanted) close(fd);
      if (unwanted.length > 0) await beforeBinding(unwanted);
      for (const { config, host } of lacking) {
        registry.#take(openSocket(config, host, { until: config.soReuseport ? "open" : "listening" }), host);
      }
      return registry;
    } catch (error) {
      for (const { fd } of left) close(fd);
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
    const beside = await openBeside(incoming, outgoing);
    const { opened } = beside;
    try {
      for (const config of plan.tuned.map(withPossibleOptions)) {
        const socket = this.#sockets.get(config.name);
        if (socket !== undefined) this.#sockets.set(config.name, tune(socket, config));
      }
    } catch (error) {
      beside.undo();
      throw error;
    }
    for (const socket of outgoing) this.#outgoing.set(socket, this.#placeOf(socket));
    for (const { socket, host } of opened) this.#take(socket, host);
    this.#settle = beside.settle;
    const retireAll = ({ serving, kept }: Fates): void => {
      for (const socket of outgoing.splice(0)) {
        const place = this.#outgoing.get(socket);
        if (place === undefined) continue; // closed with all the others meanwhile
        this.#outgoing.delete(socket);
        const { name } = socket.config;
        const successor = opened.find((one) => one.socket.config.name === name);
        if (kept.has(name) && successor !== undefined) {
          beside.giveUp(successor);
          shareAddresses([socket], false);
          this.#put(socket, place);
          continue;
        }
        if ("path" in socket.address) removeOwnFile(socket.address.path, place.inode);
        retire(socket, !serving.has(name));
        if (this.#sockets.get(name)?.fd === socket.fd) this.#sockets.delete(name);
      }
      beside.settle();
    };
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
    return openSocket(socket.config, this.#placeOf(socket).host);
  }

  /** All that is open, also what has no name any more. */
  memories(): readonly SocketMemory[] {
    const named = this.all().filter((socket) => !this.#outgoing.has(socket));
    const places = [...this.#outgoing, ...named.map((socket) => [socket, this.#placeOf(socket)] as const)];
    return places.flatMap(([socket, place]) => {
      const { config, fd } = socket;
      const inode = socketInode(`/proc/self/fd/${fd}`);
      if (inode === null || config.soReuseport) return [];
      const file = config.path === null ? null : (place.inode ?? null);
      return [{ name: config.name, fd, inode, file, config }];
    });
  }

  /** Sorted by descriptor. */
  list(): readonly SocketItem[] {
    return this.all()
      .map(({ config, fd, address }) => ({ fd, name: config.name, backlog: config.backlog, ...address }))
      .sort((a, b) => a.fd - b.fd);
  }

  /**
   * Gives up, open, what the next registry may take: all with an address that is no file. {@link close} does the rest.
   */
  handOver(): readonly HandedSocket[] {
    const given = this.all().filter(({ config }) => config.path === null && !config.soReuseport);
    for (const { config } of given) this.#sockets.delete(config.name);
    return given.map(({ config: { name }, fd }) => ({ name, fd }));
  }

  /**
   * Closes all and deletes the files of AF_UNIX sockets; harmless twice.
   *
   * @param isLeft processes go on serving them: their files stay
   */
  close(isLeft = false): void {
    for (const { fd } of this.#outgoing.keys()) if (!this.all().some((socket) => socket.fd === fd)) close(fd);
    this.#outgoing.clear();
    this.#settle();
    for (const [name, { fd, address }] of this.#sockets) {
      this.#sockets.delete(name);
      if ("path" in address && !isLeft) removeOwnFile(address.path, this.#places.get(name)?.inode);
      close(fd);
    }
  }

  #take(socket: BoundSocket, host: string): void {
    const { path } = socket.config;
    this.#put(socket, { host, inode: path === null ? undefined : inodeOf(path) });
  }

  #put(socket: BoundSocket, place: Place): void {
    this.#sockets.set(socket.config.name, socket);
    this.#places.set(socket.config.name, place);
  }

  #placeOf({ config }: BoundSocket): Place {
    return this.#places.get(config.name) ?? { host: config.host, inode: undefined };
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function sortedByName(configs: readonly SocketConfig[]): readonly SocketConfig[] {
  return [...configs].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** Linux has no SO_REUSEPORT for AF_UNIX; where the platform lacks it the flag is off (reference §3.3). */
function withPossibleOptions(config: SocketConfig): SocketConfig {
  return config.family === "AF_UNIX" ? { ...config, soReuseport: false } : config;
}

/**
 * Only the file that this socket made: another agent may have put its own there meanwhile (`replace`). While the
 * descriptor is open the kernel cannot give the inode's number to another file.
 */
export function removeOwnFile(path: string, inode: number | undefined): void {
  try {
    if (inodeOf(path) === inode) removeSocketFile(path);
  } catch {
    // A file that cannot be deleted must not keep the other sockets open.
  }
}

function inodeOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.ino;
}
