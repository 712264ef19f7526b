/**
 * Answers whoever asks the network for agents (reference §5.1): any datagram gets the address of the command
 * endpoint. Without it everything else works, so a failure is a warning.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type Logger, reasonOf } from "@circus-cluster/proto";
import { parseMulticast } from "../config/multicast.ts";

/** A sender's address is easily forged: so many answers in a second, to all together, make no flood. */
const ANSWERS_MAX = 100;
const WINDOW_MS = 1000;
/** Of the network: as far as it goes. */
const TTL = 255;

export class Discovery implements Disposable {
  readonly #socket: Socket;
  readonly #answer: Buffer;
  #windowMs = 0;
  #answers = 0;

  /**
   * @param multicastEndpoint `udp://GROUP:PORT`; empty: off
   * @param endpoint what is told
   * @returns null where it is off or, with a warning in the log, where it cannot be
   */
  static async open(multicastEndpoint: string, endpoint: string, log: Logger): Promise<Discovery | null> {
    const address = parseMulticast(multicastEndpoint);
    if (address === null) return null; // the configuration has said so, unless it is empty
    const socket = createSocket({ type: "udp4", reuseAddr: true });
    try {
      socket.bind(address.port, "0.0.0.0");
      await once(socket, "listening");
      socket.addMembership(address.group);
      socket.setMulticastTTL(TTL);
    } catch (error) {
      socket.close();
      log.warning("multicast discovery is off", { endpoint: multicastEndpoint, reason: reasonOf(error) });
      return null;
    }
    return new Discovery(socket, endpoint);
  }

  private constructor(socket: Socket, endpoint: string) {
    this.#socket = socket;
    this.#answer = Buffer.from(JSON.stringify({ endpoint }));
    socket.on("error", () => undefined); // of a single datagram
    socket.on("message", (_, { address, port }) => this.#tell(address, port));
    socket.unref();
  }

  #tell(address: string, port: number): void {
    const now = performance.now();
    if (now - this.#windowMs >= WINDOW_MS) [this.#windowMs, this.#answers] = [now, 0];
    if (this.#answers >= ANSWERS_MAX || port === 0) return;
    this.#answers++;
    this.#socket.send(this.#answer, port, address, () => undefined);
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}
