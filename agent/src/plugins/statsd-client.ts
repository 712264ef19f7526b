/** Sends to statsd over UDP; what does not arrive is lost, and nobody waits for it. */
import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { datagramOf, type Metric, type StatsdOptions } from "./metrics.ts";

/** Datagrams under way at once: while a name is looked up they wait. */
const UNSENT_MAX = 10_000;

export class StatsdClient implements Disposable {
  readonly #options: StatsdOptions;
  readonly #socket: Socket;
  #unsent = 0;

  constructor(options: StatsdOptions) {
    this.#options = options;
    this.#socket = createSocket(isIPv6(options.host) ? "udp6" : "udp4");
    this.#socket.on("error", () => undefined);
    this.#socket.unref();
  }

  send(...metrics: readonly Metric[]): void {
    const { host, port } = this.#options;
    for (const metric of metrics) {
      const datagram = datagramOf(metric, this.#options, Math.random());
      if (datagram === null || this.#unsent >= UNSENT_MAX) continue;
      this.#unsent++;
      this.#socket.send(datagram, port, host, () => this.#unsent--);
    }
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}
