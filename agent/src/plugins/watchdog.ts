/** Kills processes that are silent for too long (WatchDog, reference §9.6). */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { performance } from "node:perf_hooks";
import { CircusError, reasonOf } from "@circus-cluster/proto";
import type { BuiltinOptions } from "./catalog.ts";
import type { PluginHost } from "./host.ts";
import { type WatchdogInput, type WatchdogState, watchdog } from "./watchdog-core.ts";

/** Longer ones are cut off (reference §9.6). */
const DATAGRAM_BYTES_MAX = 1024;

/** @throws CircusError `os` where the port cannot be bound. */
export async function run(host: PluginHost, options: BuiltinOptions<"watchdog">): Promise<void> {
  let state: WatchdogState = new Map();
  const feed = (input: WatchdogInput): void => {
    const step = watchdog(state, input, performance.now(), options);
    ({ state } = step);
    for (const { watcher, pid } of step.kills) kill(watcher, pid);
  };
  const kill = (name: string, pid: number): void => {
    host.log.warning("silent for too long: killing", { watcher: name, pid });
    const { stopSignal: signum, gracefulTimeoutS: timeoutS } = options;
    const how = {
      ...(signum === null ? {} : { signum }),
      ...(timeoutS === null ? {} : { graceful_timeout: timeoutS }),
    };
    void host.attempt("kill failed", () => host.client.ask("kill", { name, pid, ...how }));
  };

  const socket = await bind(options);
  try {
    socket.on("message", (data) => feed({ kind: "datagram", text: data.toString("utf8", 0, DATAGRAM_BYTES_MAX) }));
    host.log.info("listening", { ip: options.ip, port: options.port });
    const events = await host.listen();
    const following = (async () => {
      for await (const { watcher, event, payload } of events) {
        const { process_pid: pid } = payload;
        if (typeof pid !== "number") continue;
        if (event === "spawn") feed({ kind: "appeared", watcher, pid });
        else if (event === "reap") feed({ kind: "gone", pid });
      }
    })();
    await host.attempt("discovery failed", () => discover(host, feed));
    await host.every(options.loopRateS, async () => {
      feed({ kind: "tick" });
      await Promise.resolve();
    });
    await following;
  } finally {
    socket.close();
  }
}

async function discover(host: PluginHost, feed: (input: WatchdogInput) => void): Promise<void> {
  for (const watcher of await host.client.watchers()) {
    for (const pid of await host.client.pids(watcher)) feed({ kind: "appeared", watcher, pid });
  }
}

async function bind({ ip, port }: BuiltinOptions<"watchdog">): Promise<Socket> {
  const socket = createSocket(isIPv6(ip) ? "udp6" : "udp4");
  try {
    socket.bind(port, ip);
    await once(socket, "listening");
  } catch (error) {
    throw new CircusError("os", `cannot listen on udp ${ip}:${port}: ${reasonOf(error)}`, { cause: error });
  }
  socket.on("error", () => undefined); // of a single datagram
  return socket;
}
