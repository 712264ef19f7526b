/** Requests per second over one ZeroMQ connection, and the bare limit: a ROUTER that answers at once. */
import { randomBytes } from "node:crypto";
import { context, Dealer, Router } from "zeromq";

context.blocky = false;

/** `status` calls answered per second, `inFlight` at a time, over two seconds. */
export async function requestsPerSecond(endpoint: string, inFlight: number): Promise<number> {
  const dealer = new Dealer({ linger: 0, routingId: randomBytes(16).toString("hex"), receiveTimeout: 10_000 });
  dealer.connect(endpoint);
  const request = JSON.stringify({ id: "b", command: "status", properties: {} });
  const batch = async () => {
    for (let i = 0; i < inFlight; i++) await dealer.send(request);
    for (let i = 0; i < inFlight; i++) await dealer.receive();
  };
  await batch(); // connected and warm
  let done = 0;
  const start = performance.now();
  while (performance.now() - start < 2000) {
    await batch();
    done += inFlight;
  }
  const rate = (done * 1000) / (performance.now() - start);
  dealer.close();
  return rate;
}

/** Answers every request with a fixed reply of the usual size. */
export async function echoServer(): Promise<{ endpoint: string; close(): void }> {
  const router = new Router({ linger: 0 });
  await router.bind("tcp://127.0.0.1:*");
  const reply = JSON.stringify({ status: "ok", time: 1700000000.12, statuses: { w: "active" }, id: "b" });
  const loop = async () => {
    for await (const [identity] of router) await router.send([identity ?? "", reply]);
  };
  loop().catch(() => undefined); // ends when it is closed
  return { endpoint: router.lastEndpoint ?? "", close: () => router.close() };
}
