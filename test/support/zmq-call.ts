/** One request to a Circus endpoint, as CircusClient sends it (reference §5.1–5.3). */
import { randomUUID } from "node:crypto";
import * as zmq from "zeromq";

zmq.context.blocky = false; // else a process with an undelivered message never ends

export interface ZmqRequest {
  readonly command: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}
export type ZmqReply = Readonly<Record<string, unknown>>;

/** The reply without `id`. @throws after `timeoutMs` without one */
export async function zmqCall(endpoint: string, request: ZmqRequest, timeoutMs = 5000): Promise<ZmqReply> {
  const id = randomUUID().replaceAll("-", "");
  const socket = new zmq.Dealer({ routingId: id, linger: 0, receiveTimeout: timeoutMs, sendTimeout: timeoutMs });
  try {
    socket.connect(endpoint);
    await socket.send(JSON.stringify({ id, command: request.command, properties: request.properties ?? {} }));
    const [frame] = await socket.receive();
    const { id: answered, ...reply } = JSON.parse(String(frame)) as Record<string, unknown>;
    if (answered !== id) throw new Error(`the reply is to ${String(answered)}`);
    return reply;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") {
      throw new Error(`${endpoint} did not answer ${request.command} within ${timeoutMs} ms`, { cause: error });
    }
    throw error;
  } finally {
    socket.close();
  }
}
