/**
 * `/metrics` and `/healthz` of one agent, on a loopback address, where `[circus] metrics` names one. Loaded by need: a
 * plain agent pays nothing for it. Reads only; numbers are made at most once a second, however many ask.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import {
  type Address,
  CircusError,
  isLoopbackHost,
  type Logger,
  PROMETHEUS_TYPE,
  prometheusText,
  reasonOf,
  type WatcherSnapshot,
} from "@circus-cluster/proto";
import { agentMetrics } from "../stats/exposition.ts";
import { UsageMeter } from "../stats/usage.ts";

export interface MetricsSource {
  readonly watchers: () => readonly WatcherSnapshot[];
  /** Null without a fleet. */
  readonly fleet: () => { readonly isConnected: boolean; readonly backlog: number } | null;
}

const LIMITS = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 5000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
} as const;
const CONNECTIONS_MAX = 32;
const IDLE_MS = 10_000;
const KEEP_MS = 1000;

export class MetricsDoor {
  readonly #server: Server;
  readonly #log: Logger;
  readonly #meter = new UsageMeter();
  readonly #events = new Map<string, number>();
  #source: MetricsSource | null = null;
  #text: Promise<string> | null = null;
  #isMaking = false;
  #madeMs = 0;

  private constructor(log: Logger) {
    this.#log = log;
    this.#server = createServer(LIMITS, (request, response) => {
      response.on("error", () => undefined);
      void this.#take(request, response);
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.setTimeout(IDLE_MS);
  }

  /** @throws CircusError `os` with one line where the address cannot be had */
  static async bind({ host, port }: Address, log: Logger): Promise<MetricsDoor> {
    const door = new MetricsDoor(log);
    await new Promise<void>((resolve, reject) => {
      door.#server.once("error", (error) => {
        const line = `cannot serve metrics on ${host}:${port}: ${reasonOf(error)}`;
        reject(new CircusError("os", line, { cause: error }));
      });
      door.#server.listen({ host, port, exclusive: true }, () => {
        door.#server.removeAllListeners("error");
        door.#server.on("error", (error) => log.warning("trouble with metrics", { reason: reasonOf(error) }));
        resolve();
      });
    });
    return door;
  }

  /** Counts one event. */
  readonly count = (kind: string): void => {
    this.#events.set(kind, (this.#events.get(kind) ?? 0) + 1);
  };

  serve(source: MetricsSource): void {
    this.#source = source;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeAllConnections();
    await closed;
  }

  async #take({ method, url, headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = url?.split("?", 1)[0];
    if (method !== "GET" && method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      send(response, 405, "only GET and HEAD\n");
      // A page from elsewhere, whose name was made to point here, reads nothing through its visitor's browser.
    } else if (!isLoopbackHost((headers.host ?? "").replace(/:\d+$/, ""))) {
      send(response, 421, "only under 127.0.0.1, [::1] and localhost\n");
    } else if (path === "/healthz") {
      send(response, 200, '{"alive":true}\n', "application/json");
    } else if (path !== "/metrics") {
      send(response, 404, "there are /metrics and /healthz\n");
    } else if (this.#source === null) {
      send(response, 503, "circusd is starting\n");
    } else {
      try {
        send(response, 200, await this.#made(this.#source), PROMETHEUS_TYPE);
      } catch (error) {
        this.#log.error("the metrics cannot be made", { reason: reasonOf(error) });
        send(response, 500, "see the log of circusd\n");
      }
    }
  }

  #made(source: MetricsSource): Promise<string> {
    const isFresh = performance.now() - this.#madeMs < KEEP_MS;
    // Two at a time would count the same CPU time twice.
    if (this.#text !== null && (isFresh || this.#isMaking)) return this.#text;
    this.#isMaking = true;
    this.#text = this.#make(source).finally(() => {
      this.#isMaking = false;
      this.#madeMs = performance.now();
    });
    return this.#text;
  }

  async #make(source: MetricsSource): Promise<string> {
    const of = source.watchers().map(({ name, processes }) => ({ name, pids: processes.map(({ pid }) => pid) }));
    const usages = await this.#meter.read(of);
    const { user, system } = process.cpuUsage();
    const uptimeS = Math.round(process.uptime() * 1000) / 1000;
    const own = {
      ...{ cpuS: (user + system) / 1e6, rssBytes: process.memoryUsage.rss(), uptimeS },
      startS: Math.round(Date.now() / 1000 - uptimeS),
    };
    const events = Object.fromEntries(this.#events);
    return prometheusText(agentMetrics({ watchers: source.watchers(), usages, events, fleet: source.fleet(), own }));
  }
}

function send(response: ServerResponse, status: number, text: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(text) });
  response.end(text);
}
