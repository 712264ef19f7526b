/**
 * HTTP load that forgives nothing: one connection a request, no retry, every outcome recorded. It speaks HTTP over
 * `node:net` itself, so that no agent or pool hides a reset.
 */
import { createConnection } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

export interface LoadOptions {
  readonly port: number;
  /** @default 127.0.0.1 */
  readonly host?: string;
  /** @default / */
  readonly path?: string;
  /** Requests in flight. @default 8 */
  readonly workers?: number;
  /** End by itself after so many requests. @default none */
  readonly requests?: number;
  /** For one request. @default 30_000 */
  readonly timeoutMs?: number;
  /** Of each of them, between two requests. @default 0 */
  readonly pauseMs?: number;
  /** What the body must be; anything else is a failure. @default not looked at */
  readonly expect?: string;
}

interface LoadFailure {
  /** Ms since the start of the load. */
  readonly atMs: number;
  readonly reason: string;
}

/** One request, whatever came of it; wall ms. */
export interface LoadRequest {
  readonly startedMs: number;
  readonly endedMs: number;
  /** X-Worker of the answer; null: it failed. */
  readonly worker: string | null;
  /** Why it failed. */
  readonly reason: string | null;
}

export interface LoadReport {
  readonly requests: number;
  readonly failures: readonly LoadFailure[];
  /** Answers per X-Worker header: which process gave how many. */
  readonly byWorker: ReadonlyMap<string, number>;
  readonly longestMs: number;
}

export interface Load extends AsyncDisposable {
  /** Requests finished so far, failed ones included. */
  readonly requests: number;
  readonly failures: readonly LoadFailure[];
  readonly byWorker: ReadonlyMap<string, number>;
  /** Resolves when `requests` of the options are done. */
  readonly finished: Promise<LoadReport>;
  /** Lets requests in flight end, then reports. */
  stop(): Promise<LoadReport>;
}

interface HttpAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** One GET on a connection of its own. @throws when refused, reset, cut short or late */
function httpGet(host: string, port: number, path = "/", timeoutMs = 30_000): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = createConnection({ host, port, noDelay: true });
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(timeoutMs, () => fail(new Error(`no answer within ${timeoutMs} ms`)));
    socket.once("error", fail);
    socket.once("connect", () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`),
    );
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.once("end", () => {
      socket.destroy();
      try {
        resolve(parseAnswer(Buffer.concat(chunks)));
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}

/** @throws when it is no answer, or shorter than its Content-Length */
function parseAnswer(bytes: Buffer): HttpAnswer {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) throw new Error(bytes.length === 0 ? "closed without an answer" : "closed within the headers");
  const [first = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1]);
  if (Number.isNaN(status)) throw new Error(`not HTTP: ${first}`);
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const body = bytes.subarray(end + 4);
  const length = headers.get("content-length");
  if (length !== undefined && body.length !== Number(length)) {
    throw new Error(`closed after ${body.length} of ${length} bytes`);
  }
  return { status, headers, body: body.toString("utf8") };
}

/** @param onRequest is told of each request at its end */
export function startLoad(options: LoadOptions, onRequest: (request: LoadRequest) => void = () => undefined): Load {
  const { port, host = "127.0.0.1", path = "/", workers = 8, timeoutMs = 30_000, pauseMs = 0, expect } = options;
  const begun = performance.now();
  const failures: LoadFailure[] = [];
  const byWorker = new Map<string, number>();
  let requests = 0;
  let left = options.requests ?? Number.POSITIVE_INFINITY;
  let longestMs = 0;
  let isStopping = false;

  const one = async (): Promise<void> => {
    const since = performance.now();
    let answeredBy: string | null = null;
    let failure: string | null = null;
    try {
      const answer = await httpGet(host, port, path, timeoutMs);
      if (answer.status !== 200) throw new Error(`status ${answer.status}`);
      if (expect !== undefined && answer.body !== expect) throw new Error(`body ${JSON.stringify(answer.body)}`);
      answeredBy = answer.headers.get("x-worker") ?? "";
      byWorker.set(answeredBy, (byWorker.get(answeredBy) ?? 0) + 1);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
      failures.push({ atMs: Math.round(since - begun), reason: failure });
    }
    const wall = (ms: number): number => performance.timeOrigin + ms;
    onRequest({ startedMs: wall(since), endedMs: wall(performance.now()), worker: answeredBy, reason: failure });
    requests += 1;
    longestMs = Math.max(longestMs, performance.now() - since);
  };
  const worker = async (): Promise<void> => {
    while (!isStopping && left > 0) {
      left -= 1;
      await one();
      if (pauseMs > 0) await delay(pauseMs);
    }
  };
  const finished = Promise.all(Array.from({ length: workers }, worker)).then(() => ({
    requests,
    failures,
    byWorker,
    longestMs: Math.round(longestMs),
  }));
  const stop = async (): Promise<LoadReport> => {
    isStopping = true;
    return await finished;
  };
  return {
    get requests() {
      return requests;
    },
    failures,
    byWorker,
    finished,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}
