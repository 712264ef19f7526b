/**
 * A way to a TCP port of this machine that can go dead: nothing passes any more, and nobody is told, as behind a
 * pulled cable. What was on its way arrives after `heal`, as what TCP sends again would.
 */
import { createConnection, createServer, type Socket } from "node:net";
import { track } from "./leaks.ts";

export interface SilentProxy extends AsyncDisposable {
  readonly port: number;
  cut(): void;
  heal(): void;
}

/** Both sides end together; while it is cut, not even that passes. */
class Pair {
  readonly #near: Socket;
  readonly #far: Socket;

  constructor(near: Socket, target: number, onEnd: () => void) {
    this.#near = near;
    this.#far = createConnection({ port: target, host: "127.0.0.1" });
    for (const [from, to] of [
      [this.#near, this.#far],
      [this.#far, this.#near],
    ] as const) {
      from.setNoDelay(true);
      from.on("data", (data) => void to.write(data));
      from.once("error", () => undefined);
      from.once("close", () => {
        to.destroySoon();
        onEnd();
      });
    }
  }

  hold(): void {
    this.#near.pause();
    this.#far.pause();
  }

  release(): void {
    this.#near.resume();
    this.#far.resume();
  }

  destroy(): void {
    this.#near.destroy();
    this.#far.destroy();
  }
}

export async function startSilentProxy(target: number): Promise<SilentProxy> {
  const pairs = new Set<Pair>();
  /** Connected to us while it was cut: the other side hears of them when it is over. */
  const waiting = new Set<Socket>();
  let isCut = false;
  const join = (near: Socket): void => {
    const pair = new Pair(near, target, () => pairs.delete(pair));
    pairs.add(pair);
  };
  const server = createServer({ pauseOnConnect: true }, (near) => {
    if (isCut) {
      waiting.add(near);
      near.once("error", () => undefined);
      near.once("close", () => waiting.delete(near));
    } else {
      join(near);
      near.resume();
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, resolve);
  });
  const address = server.address();
  const untrack = track("silent proxy", () => server.close());
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    cut() {
      isCut = true;
      for (const pair of pairs) pair.hold();
    },
    heal() {
      isCut = false;
      for (const pair of pairs) pair.release();
      for (const near of waiting) {
        join(near);
        near.resume();
      }
      waiting.clear();
    },
    async [Symbol.asyncDispose]() {
      for (const pair of pairs) pair.destroy();
      for (const near of waiting) near.destroy();
      await new Promise((resolve) => server.close(resolve));
      untrack();
    },
  };
}
