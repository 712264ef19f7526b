/**
 * Ends connections that the package has forgotten: where a server takes one and says nothing in time (its host is cut off at that
 * moment, or hangs), nats 2.29.3 goes on with the next attempt and leaves the socket open, one for each attempt.
 */
import { subscribe } from "node:diagnostics_channel";
import { Socket } from "node:net";
import type { Millis } from "../time.ts";

/** Beyond the time that the package gives an attempt. */
const MARGIN_MS = 500;
const DEFAULT_PORT = 4222;

/** By port: how long an attempt may take. */
const dialled = new Map<number, Millis>();

/** From now on, for attempts at these servers (URLs, or `HOST:PORT`). */
export function endAbandoned(servers: readonly string[], timeoutMs: Millis): void {
  if (dialled.size === 0) subscribe("net.client.socket", onSocket);
  for (const server of servers) {
    const { port } = new URL(server.includes("://") ? server : `nats://${server}`);
    dialled.set(port === "" ? DEFAULT_PORT : Number(port), timeoutMs);
  }
}

/** Whose it is can be seen once it is connected: who answers a NATS server's greeting has written something. */
function onSocket(message: unknown): void {
  const { socket } = message as { readonly socket: unknown };
  if (!(socket instanceof Socket)) return;
  for (const timeoutMs of new Set(dialled.values())) {
    const end = (): void => {
      if (socket.bytesWritten === 0 && dialled.get(socket.remotePort ?? 0) === timeoutMs) socket.destroy();
    };
    setTimeout(end, timeoutMs + MARGIN_MS).unref();
  }
}
