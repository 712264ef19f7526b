/** `listen`: what the agent publishes, as it comes (reference §5.8, §6). */
import { EXIT, reasonOf } from "@circus-cluster/proto";
import type { Subscriber } from "zeromq";
import type { Request } from "./argv.ts";
import { reach } from "./clients/reach.ts";
import type { Io } from "./io.ts";
import { type Json, readJson, writeJson } from "./render/json.ts";
import { pythonBytesRepr } from "./render/python-text.ts";
import type { Settings } from "./settings.ts";

/** Where Circus publishes; CIRCUSCTL_ENDPOINT is about the command channel. */
const ENDPOINT = "tcp://127.0.0.1:5556";

function jsonOrText(text: string): Json {
  try {
    return readJson(text);
  } catch {
    return text;
  }
}

function lineOf(topic: Buffer, payload: Buffer, { json, indent }: Settings): string {
  if (!json) return `${pythonBytesRepr(topic)}: ${pythonBytesRepr(payload)}`;
  const event = new Map<string, Json>([
    ["topic", topic.toString("utf8")],
    ["payload", jsonOrText(payload.toString("utf8"))],
  ]);
  return writeJson(event, indent);
}

/** Until Ctrl-C (exit 1, as the Python program's), or until nobody reads it. */
export async function listen({ words }: Request, settings: Settings, io: Io): Promise<number> {
  const endpoint = settings.givenEndpoint ?? ENDPOINT;
  const way = await reach(endpoint, settings, io.isInTty);
  if (way.kind === "failed") {
    io.err(`circusctl: ${way.reason}\n`);
    return EXIT.local;
  }
  const zmq = await import("zeromq");
  zmq.context.blocky = false;
  const socket = new zmq.Subscriber({ linger: 0 });
  try {
    if (io.isErrTty) sayIfNobody(socket, endpoint, io);
    socket.connect(way.endpoint);
    socket.subscribe(...(words.length === 0 ? [""] : words));
    return await follow(socket, settings, io);
  } catch (error) {
    io.err(`circusctl: ${endpoint}: ${reasonOf(error)}\n`);
    return EXIT.local;
  } finally {
    if (!socket.closed) socket.close();
    way.close();
  }
}

async function follow(socket: Subscriber, settings: Settings, io: Io): Promise<number> {
  const interrupted = new AbortController();
  const undo = io.onInterrupt(() => {
    interrupted.abort();
    socket.close(); // ends the waiting
  });
  try {
    for await (const [topic, payload] of socket) {
      if (topic === undefined || payload === undefined) continue;
      if (!io.out(`${lineOf(topic, payload, settings)}\n`)) break;
    }
  } finally {
    undo();
  }
  return interrupted.signal.aborted ? EXIT.local : EXIT.ok;
}

/** A person would wait in vain; ZeroMQ goes on trying. */
function sayIfNobody(socket: Subscriber, endpoint: string, io: Io): void {
  const say = (): void => {
    io.err(`circusctl: nobody listens at ${endpoint} yet; waiting (pubsub_endpoint of the agent is wanted)\n`);
    socket.events.off("connect:retry", say);
  };
  socket.events.on("connect:retry", say);
}
