/**
 * `@circus-cluster/proto/nats`: the one user of the package `nats` (2.29.3, superseded by `@nats-io/*` for
 * Node 22; moving there changes this folder only). Loaded by need, never from the package's index.
 */
import { type ConnectionOptions, connect, type NatsConnection } from "nats";
import { inboxPrefix } from "../subjects.ts";
import type { Millis } from "../time.ts";
import { endAbandoned } from "./abandoned.ts";
import { NatsFleetConnection } from "./connection.ts";
import { readTls } from "./credentials.ts";
import { signer } from "./nkey.ts";
import { pauses } from "./pauses.ts";
import { type ConnectOptions, FleetConnectError, type FleetConnection } from "./types.ts";
import { isAuthFailure, wordsOf } from "./wire.ts";

export { readCredentials } from "./credentials.ts";
export { createSeed, publicKey } from "./nkey.ts";
export * from "./types.ts";

const SERVICE_TIMEOUT_MS = 5000;
const ONCE_TIMEOUT_MS = 2000;
const RETRY_MS = 1000;
const PING_MS = 10_000;
const CLOCKS = { wall: () => Date.now(), steady: () => performance.now() };

const timeoutOf = ({ mode, timeoutMs }: ConnectOptions): Millis =>
  timeoutMs ?? (mode === "service" ? SERVICE_TIMEOUT_MS : ONCE_TIMEOUT_MS);

/** A fresh object for every attempt: the package writes into what it is given. */
function natsOptions(options: ConnectOptions): ConnectionOptions {
  const isService = options.mode === "service";
  const retryMs = options.retryMs ?? RETRY_MS;
  const texts = { ...options.credentials?.tls, ...readTls(options.tls ?? { ca: null, cert: null, key: null }) };
  const hasTls = Object.keys(texts).length > 0 || options.servers.some((server) => server.startsWith("tls://"));
  return {
    servers: [...options.servers],
    name: options.name,
    inboxPrefix: inboxPrefix(options.name),
    timeout: timeoutOf(options),
    pingInterval: PING_MS,
    maxPingOut: 2,
    reconnect: isService,
    maxReconnectAttempts: isService ? -1 : 0,
    reconnectDelayHandler: pauses(retryMs, CLOCKS, Math.random),
    // Else two refusals in a row end the client for good, also one that is admitted again (fleet-protocol §3).
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
    ...(hasTls ? { tls: texts } : {}),
    ...(options.credentials === null ? {} : { authenticator: authenticator(options.credentials.seed) }),
  };
}

function authenticator(seed: string): (nonce?: string) => { nkey: string; sig: string } {
  const answer = signer(seed);
  return (nonce) => answer(nonce ?? "");
}

function pause(ms: Millis, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });
}

/** One attempt; an abort ends the wait for it at once, though not the package's dialling. */
async function attempt(options: ConnectOptions): Promise<NatsConnection> {
  const { signal } = options;
  const dial = connect(natsOptions(options));
  if (signal === undefined) return dial;
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(new FleetConnectError("aborted", "gave up connecting"));
    signal.addEventListener("abort", onAbort);
  });
  try {
    return await Promise.race([dial, aborted]);
  } catch (error) {
    void dial.then((nc) => nc.close()).catch(() => undefined);
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/**
 * Connects. In mode "service" it keeps trying (each failure is one `unreachable` status) and, once
 * connected, reconnects for ever.
 *
 * @throws FleetConnectError `unreachable` or `forbidden` (mode "once"), `aborted` (mode "service").
 * @throws Error with one line for TLS files that cannot be read, RangeError for a bad name, seed or no server.
 */
export async function connectFleet(options: ConnectOptions): Promise<FleetConnection> {
  if (options.servers.length === 0) throw new RangeError("no NATS server is given");
  natsOptions(options); // mistakes in it are the caller's, not the network's: thrown at once
  if (options.mode === "service") endAbandoned(options.servers, timeoutOf(options));
  const retryMs = options.retryMs ?? RETRY_MS;
  const isAborted = (): boolean => options.signal?.aborted === true;
  for (;;) {
    if (isAborted()) throw new FleetConnectError("aborted", "gave up connecting");
    let nc: NatsConnection;
    try {
      nc = await attempt(options);
    } catch (error) {
      if (error instanceof FleetConnectError) throw error;
      const reason = `cannot connect to ${options.servers.join(", ")}: ${wordsOf(error)}`;
      const code = isAuthFailure(error) ? "forbidden" : "unreachable";
      if (options.mode === "once") throw new FleetConnectError(code, reason, { cause: error });
      options.onStatus?.({ kind: "unreachable", reason });
      await pause(retryMs + Math.random() * retryMs, options.signal);
      continue;
    }
    const connection = new NatsFleetConnection(nc, options);
    if (isAborted()) {
      await connection.close(0);
      throw new FleetConnectError("aborted", "gave up connecting");
    }
    options.onStatus?.({ kind: "connected", server: connection.server, isFirst: true });
    return connection;
  }
}
