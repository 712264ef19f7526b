/**
 * The door for programs that speak HTTP: the questions and changes of the table under `/api/v1`, what changes as
 * server-sent events, metrics, health. It listens before there is a connection to NATS, so that `/readyz` can say what
 * is missing; until `serve` the rest answers `starting`.
 *
 * Whoever connects is bounded: in number, in the size and the time of a request, in what waits for a slow reader.
 * Paths are compared as they came, never decoded or joined: there is nothing to break out of. No CORS: a page of
 * another origin gets nothing.
 */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Duplex } from "node:stream";
import {
  CircusError,
  counter,
  gauge,
  isCircusError,
  isLoopbackHost,
  issueText,
  type Logger,
  logStreamQuery,
  type Metric,
  PROMETHEUS_TYPE,
  parse,
  prometheusText,
  reasonOf,
  samplesBy,
} from "@circus-cluster/proto";
import type { HttpConfig } from "../config-http.ts";
import type { LiveFeed } from "../live/feed.ts";
import type { Readiness } from "../readiness.ts";
import type { Answers } from "./answers.ts";
import { askSafely } from "./asking.ts";
import { admit, type Caller } from "./http/access.ts";
import { readJson } from "./http/body.ts";
import { errorText, type HttpErrorCode, HttpRefusal, statusOf } from "./http/errors.ts";
import { EVENT_STREAM } from "./http/event-stream.ts";
import { LogStreamDoor, type LogStreamParts } from "./http/log-stream.ts";
import { openApi } from "./http/openapi.ts";
import { PAGE_PATHS } from "./http/page.ts";
import { readQuery } from "./http/query.ts";
import { API, ROUTES, type Route } from "./http/routes.ts";
import { JSON_TYPE, json, send, sendFile, sendPacked } from "./http/send.ts";
import { StreamDoor } from "./http/sse.ts";
import { TokenFile } from "./http/tokens.ts";
import { Scrape } from "./metrics.ts";

/** What is behind the door, once there is a connection. */
export interface HttpBackend {
  readonly controller: string;
  readonly fleet: string;
  readonly answers: Pick<Answers, "answer">;
  readonly feed: Pick<LiveFeed, "subscribe">;
  readonly logs: Pick<LogStreamParts, "view" | "commander">;
  readonly readiness: () => Readiness;
  readonly metrics: () => readonly Metric[];
}

interface Backend extends HttpBackend {
  readonly scrape: Scrape;
  readonly stream: StreamDoor;
  readonly logStream: LogStreamDoor;
}

/** Times and sizes of what one client may use; parameters for tests. */
export interface HttpLimits {
  readonly headersMs: number;
  readonly requestMs: number;
  /** Nothing read and nothing written. */
  readonly idleMs: number;
}

const LIMITS: HttpLimits = { headersMs: 10_000, requestMs: 30_000, idleMs: 30_000 };
const CONNECTIONS_MAX = 256;
const HEADER_MAX_BYTES = 16_384;
const HEADERS_MAX = 64;
const KEEP_ALIVE_MS = 5000;
const BY_PATH: ReadonlyMap<string, Route> = new Map(ROUTES.map((route) => [route.path, route]));
const STARTING: Readiness = { ready: false, reasons: ["not connected to NATS"] };

export class HttpDoor implements AsyncDisposable {
  readonly #server: Server;
  readonly #log: Logger;
  readonly #tokens: TokenFile | null;
  #backend: Backend | null = null;
  /** Answered, by status. */
  readonly #answered = new Map<number, number>();

  private constructor(config: HttpConfig, log: Logger, limits: HttpLimits) {
    this.#log = log;
    this.#tokens = config.tokens === null ? null : new TokenFile(config.tokens, log);
    const options = {
      maxHeaderSize: HEADER_MAX_BYTES,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(1000, limits.headersMs / 2),
    };
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      void this.#take(request, response);
    };
    this.#server =
      config.tls === null
        ? createServer(options, onRequest)
        : createTlsServer({ ...options, ...readTls(config.tls), handshakeTimeout: limits.headersMs }, onRequest);
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.maxHeadersCount = HEADERS_MAX;
    this.#server.setTimeout(limits.idleMs);
    this.#server.on("clientError", refuseBroken);
    // A switch of protocols is asked for as if it were a plain request.
    this.#server.on("connect", (_request: IncomingMessage, socket: Duplex) => socket.destroy());
  }

  /** Where it listens. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** @throws CircusError `os` with one line where the address, or the certificate, cannot be used */
  static async open(config: HttpConfig, log: Logger, limits: HttpLimits = LIMITS): Promise<HttpDoor> {
    const door = new HttpDoor(config, log, limits);
    const { host, port } = config.address;
    await new Promise<void>((resolve, reject) => {
      door.#server.once("error", (error) => {
        reject(new CircusError("os", `cannot listen on ${host}:${port} (http): ${reasonOf(error)}`, { cause: error }));
      });
      door.#server.listen({ host, port }, () => {
        door.#server.removeAllListeners("error");
        door.#server.on("error", (error) => log.error("trouble with the HTTP door", { reason: reasonOf(error) }));
        resolve();
      });
    });
    log.info("serving http", { host, port: door.port, tls: config.tls !== null, tokens: config.tokens !== null });
    if (config.tls === null && !isLoopbackHost(host)) {
      log.warning("tokens pass in the clear: put a proxy with TLS in front, or set http_tls_cert and http_tls_key");
    }
    return door;
  }

  /** @returns ends it: then everything is `starting` again, and who reads the live stream is let go */
  serve(backend: HttpBackend): Disposable {
    const { feed, logs, metrics } = backend;
    const stream = new StreamDoor({ feed, log: this.#log });
    const logStream = new LogStreamDoor(logs);
    const scrape = new Scrape(() => prometheusText([...metrics(), ...this.#metrics(stream, logStream)]));
    this.#backend = { ...backend, stream, logStream, scrape };
    return {
      [Symbol.dispose]: () => {
        this.#backend = null;
        stream[Symbol.dispose]();
        logStream[Symbol.dispose]();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeAllConnections();
    await closed;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A client that has gone is no news.
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    response.once("close", () => {
      this.#answered.set(response.statusCode, (this.#answered.get(response.statusCode) ?? 0) + 1);
    });
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("X-Content-Type-Options", "nosniff");
    try {
      await this.#answer(request, response);
    } catch (error) {
      this.#refuse(response, error);
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = request.url ?? "";
    const end = target.indexOf("?");
    const path = end < 0 ? target : target.slice(0, end);
    if (request.method === "OPTIONS" && target === "*") {
      response.writeHead(204, { Allow: "GET, HEAD, POST, OPTIONS" }).end();
      return;
    }
    const file = PAGE_PATHS.get(path);
    if (file !== undefined) {
      sendFile(request, response, file);
      return;
    }
    const route = BY_PATH.get(path);
    if (route === undefined) throw new HttpRefusal("not-found", `nothing is here; see ${API}/openapi.json`);
    const allowed = route.method === "GET" ? ["GET", "HEAD", "OPTIONS"] : ["POST", "OPTIONS"];
    const headers = { Allow: allowed.join(", ") };
    if (request.method === "OPTIONS") {
      response.writeHead(204, headers).end();
      return;
    }
    if (!allowed.includes(request.method ?? "")) {
      throw new HttpRefusal("method-not-allowed", `${path} takes ${allowed.join(", ")}`, { headers, isLast: true });
    }
    const caller = admit(request, route.right, this.#tokens);
    await this.#serve(route, request, response, caller, end < 0 ? "" : target.slice(end + 1));
  }

  async #serve(
    route: Route,
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    query: string,
  ): Promise<void> {
    switch (route.kind) {
      case "healthz":
        send(response, 200, JSON_TYPE, json({ alive: true }));
        return;
      case "readyz": {
        const readiness = this.#backend?.readiness() ?? STARTING;
        send(response, readiness.ready ? 200 : 503, JSON_TYPE, json(readiness));
        return;
      }
      case "openapi":
        send(response, 200, JSON_TYPE, json(openApi()));
        return;
      case "whoami":
        send(response, 200, JSON_TYPE, json(this.#whoIs(request)));
        return;
      case "metrics":
        await sendPacked(request, response, PROMETHEUS_TYPE, this.#served.scrape.text);
        return;
      case "stream": {
        const { stream } = this.#served;
        if (request.method === "HEAD") send(response, 200, EVENT_STREAM, "");
        else stream.open(request, response, caller);
        return;
      }
      case "logs": {
        const { logStream } = this.#served;
        const asked = parse(logStreamQuery, readQuery(route.parameters, new URLSearchParams(query), Date.now()));
        if (!asked.ok) throw new HttpRefusal("message", issueText(asked.issues));
        if (request.method === "HEAD") send(response, 200, EVENT_STREAM, "");
        else logStream.open(request, response, caller, asked.value);
        return;
      }
      case "q": {
        const properties = readQuery(route.parameters, new URLSearchParams(query), Date.now());
        await sendPacked(request, response, JSON_TYPE, this.#answerOf(route, properties, caller));
        return;
      }
      case "ctl":
        await sendPacked(request, response, JSON_TYPE, this.#answerOf(route, await readJson(request), caller));
        return;
      default:
        route satisfies never;
    }
  }

  #answerOf({ kind: door, verb }: Extract<Route, { kind: "q" | "ctl" }>, properties: unknown, caller: Caller): string {
    const { answers, controller } = this.#served;
    const answer = askSafely(answers, this.#log, { door, verb, properties, actor: caller.name });
    if (!answer.ok) throw new HttpRefusal(answer.code, answer.reason);
    return json({ controller, time: Date.now(), result: answer.result });
  }

  /** A question that has an answer for everybody, so that a page can ask it before anybody has signed in. */
  #whoIs(request: IncomingMessage): object {
    const { controller, fleet } = this.#served;
    try {
      const { name, role } = admit(request, "read", this.#tokens);
      return { name, role, controller, fleet, refused: null };
    } catch (error) {
      if (!(error instanceof HttpRefusal) || error.code !== "unauthenticated") throw error;
      return { name: null, role: null, controller, fleet, refused: error.message };
    }
  }

  get #served(): Backend {
    if (this.#backend !== null) return this.#backend;
    throw new HttpRefusal("starting", "the controller is not connected to NATS yet", {
      headers: { "Retry-After": "1" },
    });
  }

  #refuse(response: ServerResponse, error: unknown): void {
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    if (error instanceof HttpRefusal) {
      for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value);
      if (error.isLast) response.setHeader("Connection", "close");
      send(response, statusOf(error.code), JSON_TYPE, errorText(error.code, error.message));
      return;
    }
    if (isCircusError(error)) {
      send(response, statusOf(error.code), JSON_TYPE, errorText(error.code, error.message));
      return;
    }
    this.#log.error("a request failed", { err: error });
    send(response, 500, JSON_TYPE, errorText("internal", "internal error of the controller; see its log"));
  }

  #metrics(stream: StreamDoor, logStream: LogStreamDoor): readonly Metric[] {
    const counts = Object.fromEntries([...this.#answered].map(([status, n]) => [String(status), n]));
    return [
      counter("circus_http_answers_total", "Answers of the HTTP door.", samplesBy("status", counts)),
      gauge("circus_http_stream_readers", "Who reads the live stream now.", stream.clients),
      gauge("circus_http_log_readers", "Who follows logs now.", logStream.clients),
    ];
  }
}

/** What is no HTTP, or took too long to become a request. */
function refuseBroken(error: Error & { readonly code?: string }, socket: Duplex): void {
  const known: Readonly<Record<string, HttpErrorCode>> = {
    HPE_HEADER_OVERFLOW: "headers-too-large",
    ERR_HTTP_REQUEST_TIMEOUT: "timeout",
  };
  const code = known[error.code ?? ""] ?? "message";
  const reasons: Partial<Record<HttpErrorCode, string>> = {
    "headers-too-large": `the headers are larger than ${HEADER_MAX_BYTES} bytes`,
    timeout: "the request took too long to come",
  };
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = errorText(code, reasons[code] ?? "that is no HTTP/1.1 request");
  const head = `HTTP/1.1 ${statusOf(code)} Error\r\nConnection: close\r\nContent-Type: ${JSON_TYPE}`;
  socket.end(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  socket.once("finish", () => socket.destroy());
}

/** @throws CircusError `os` with the file */
function readTls({ cert, key }: NonNullable<HttpConfig["tls"]>): { cert: Buffer; key: Buffer } {
  try {
    return { cert: readFileSync(cert), key: readFileSync(key) };
  } catch (error) {
    throw new CircusError("os", `http_tls_cert, http_tls_key: ${reasonOf(error)}`, { cause: error });
  }
}
