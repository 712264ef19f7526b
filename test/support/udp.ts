/** A statsd receiver: every datagram on a port of its own. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type WaitOptions, waitFor } from "./wait.ts";

export interface UdpReceiver extends Disposable {
  readonly port: number;
  readonly datagrams: readonly string[];
  /** The first that matches, past or to come. */
  waitFor(pattern: RegExp, options?: Partial<WaitOptions>): Promise<string>;
}

export async function udpReceiver(): Promise<UdpReceiver> {
  const socket = createSocket("udp4");
  const datagrams: string[] = [];
  socket.on("message", (data) => datagrams.push(data.toString()));
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    port: socket.address().port,
    datagrams,
    waitFor: (pattern, options) =>
      waitFor(() => datagrams.find((datagram) => pattern.test(datagram)), {
        ...{ what: `a datagram ${String(pattern)}`, deadlineMs: 60_000 },
        ...options,
      }),
    [Symbol.dispose]: () => void socket.close(),
  };
}
