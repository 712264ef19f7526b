/**
 * `on_demand` (reference §2.8, without D11's bugs): while such a watcher is stopped and nobody stopped it by hand,
 * the first connection on one of its own sockets starts it. The connection waits in the kernel until a process
 * takes it. When the last process has gone, the watcher waits for the next one.
 */
import type { Logger, Millis } from "@circus-cluster/proto";
import { ownSocketNames } from "../config/own-sockets.ts";
import type { ReadableSockets } from "../sockets/readable.ts";
import type { WatcherControl } from "../watcher/api.ts";

interface World {
  /** Descriptor of a socket by its lower-case name. */
  readonly fdOf: (name: string) => number | undefined;
  readonly socketNames: () => readonly string[];
  readonly readable: ReadableSockets;
  readonly start: (watcher: WatcherControl) => void;
  /** Monotonic. */
  readonly now: () => Millis;
  readonly log: Logger;
  /** Between two starts of one watcher, so that a process which dies over each connection cannot burn the host. */
  readonly pauseMs: () => Millis;
}

interface Place {
  /** It has a part in it: started with the agent, or by a person. */
  isWanted: boolean;
  startedMs: Millis | null;
  /** Ends the waiting for a connection or for the pause; null: it does neither. */
  end: (() => void) | null;
}

export class Demand {
  readonly #world: World;
  readonly #sockets: ReadableSockets;
  readonly #places = new Map<WatcherControl, Place>();
  #isClosed = false;

  constructor(world: World) {
    this.#world = world;
    this.#sockets = world.readable;
  }

  /** In place of a start: from now on a connection starts it. */
  await(watcher: WatcherControl): void {
    this.#placeOf(watcher).isWanted = true;
    this.#look(watcher);
  }

  /** Its status has changed, or will have when this turn of the event loop is over. */
  turned(watcher: WatcherControl): void {
    if (!watcher.config.onDemand) return;
    this.#placeOf(watcher);
    setImmediate(() => {
      if (this.#places.has(watcher)) this.#look(watcher);
    });
  }

  /** Its configuration or its sockets are others now. */
  changed(watcher: WatcherControl): void {
    const place = this.#places.get(watcher);
    if (place === undefined) return;
    place.end?.();
    place.end = null;
    if (watcher.config.onDemand) this.#look(watcher);
  }

  /** It is no more. */
  forget(watcher: WatcherControl): void {
    this.#places.get(watcher)?.end?.();
    this.#places.delete(watcher);
  }

  close(): void {
    this.#isClosed = true;
    for (const place of this.#places.values()) place.end?.();
  }

  #look(watcher: WatcherControl): void {
    const place = this.#placeOf(watcher);
    const { status, intent } = watcher;
    if (status !== "stopped") {
      place.isWanted = true;
      place.startedMs ??= this.#world.now();
    }
    const isToWait = place.isWanted && status === "stopped" && intent === null && !this.#isClosed;
    // One that failed rests until a person starts it, as any other.
    if (!isToWait || watcher.snapshot().state === "failed" || watcher.config.numprocesses === 0) {
      place.end?.();
      place.end = null;
    } else if (place.end === null) this.#wait(watcher, place);
  }

  #wait(watcher: WatcherControl, place: Place): void {
    const { now, pauseMs, log } = this.#world;
    const restMs = place.startedMs === null ? 0 : place.startedMs + pauseMs() - now();
    place.startedMs = null;
    if (restMs > 0) {
      const timer = setTimeout(() => this.#listen(watcher, place), restMs);
      place.end = () => clearTimeout(timer);
    } else this.#listen(watcher, place);
    log.debug("waits for a connection", { watcher: watcher.config.name });
  }

  #listen(watcher: WatcherControl, place: Place): void {
    const { fdOf, socketNames, start, log } = this.#world;
    const names = ownSocketNames(watcher.config, socketNames());
    const fds = names.flatMap((name) => fdOf(name) ?? []);
    place.end = this.#sockets.once(fds, () => {
      place.end = null;
      place.startedMs = this.#world.now();
      log.info("a connection starts it", { watcher: watcher.config.name });
      start(watcher);
    });
  }

  #placeOf(watcher: WatcherControl): Place {
    const place = this.#places.get(watcher) ?? { isWanted: false, startedMs: null, end: null };
    this.#places.set(watcher, place);
    return place;
  }
}
