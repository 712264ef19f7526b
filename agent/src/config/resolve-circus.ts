/** `[circus]` → CircusSection. Pure. */
import { type Address, isLoopbackHost, parseAddress } from "@circus-cluster/proto";
import { loggerConfigProblem, parseLogOutput } from "./log-output.ts";
import { parseMulticast } from "./multicast.ts";
import type { SectionReader } from "./reader.ts";
import { quote } from "./text.ts";
import type { CircusSection } from "./types.ts";

const LEVELS = ["critical", "error", "warning", "info", "debug"];
const ENDPOINTS = ["endpoint", "pubsub_endpoint", "stats_endpoint"] as const;

/** Longest path of a Unix socket in bytes: `sun_path` less its final NUL. */
export const UNIX_PATH_BYTES_MAX = 107;

export function resolveCircus(reader: SectionReader): CircusSection {
  reader.checkKeys();
  // As in Circus, naming the endpoint switches it on.
  const statsd = reader.bool("statsd") || reader.has("stats_endpoint");
  checkEndpoints(reader, statsd ? ENDPOINTS : ENDPOINTS.filter((key) => key !== "stats_endpoint"));
  checkLoggerConfig(reader);
  return {
    endpoint: reader.text("endpoint") ?? "",
    endpointOwner: reader.optional("endpoint_owner"),
    pubsubEndpoint: reader.text("pubsub_endpoint") ?? "",
    statsEndpoint: reader.text("stats_endpoint") ?? "",
    statsd,
    multicastEndpoint: multicastEndpoint(reader),
    metrics: metricsAddress(reader),
    checkDelayS: reader.float("check_delay"),
    warmupDelayS: reader.int("warmup_delay"),
    umask: reader.mask("umask"),
    pidfile: reader.optional("pidfile"),
    loglevel: logLevel(reader),
    logoutput: logOutput(reader),
    stateDir: reader.optional("state_dir"),
    debug: reader.bool("debug"),
    python: reader.text("python") ?? "",
  };
}

/** Discovery is a convenience: a wrong address switches it off, with a warning, as in Circus. */
function multicastEndpoint(reader: SectionReader): string {
  const text = reader.text("multicast_endpoint") ?? "";
  if (text !== "" && parseMulticast(text) === null) {
    const rule = "udp://GROUP:PORT with a group from 224.0.0.0 to 239.255.255.255";
    reader.warning("multicast_endpoint", `${quote(text)} is not ${rule}; discovery is off`);
  }
  return text;
}

function metricsAddress(reader: SectionReader): Address | null {
  const text = reader.optional("metrics");
  if (text === null) return null;
  const address = parseAddress(text);
  if (address === null) reader.error("metrics", `${quote(text)} is not HOST:PORT, such as 127.0.0.1:9109`);
  else if (!isLoopbackHost(address.host)) {
    reader.error("metrics", `${quote(text)} is not a loopback address; use 127.0.0.1:${address.port}`);
  }
  return address;
}

function logOutput(reader: SectionReader): string | null {
  const output = reader.optional("logoutput");
  const parsed = parseLogOutput(output);
  if (!parsed.ok) reader.error("logoutput", parsed.problem);
  else if (parsed.warning !== null) reader.warning("logoutput", parsed.warning);
  return output;
}

/** Python's logging module is not here to read such a file; its own word for "none" is fine (reference §7). */
function checkLoggerConfig(reader: SectionReader): void {
  const text = reader.optional("loggerconfig");
  const problem = text === null ? null : loggerConfigProblem(text);
  if (problem !== null) reader.error("loggerconfig", problem);
}

/** Unknown levels mean info, as in Circus, but not silently. */
function logLevel(reader: SectionReader): string | null {
  const text = reader.optional("loglevel")?.toLowerCase() ?? null;
  if (text === null || LEVELS.includes(text)) return text;
  reader.warning("loglevel", `${quote(text)} is not one of ${LEVELS.join(", ")}; info is used`);
  return null;
}

function checkEndpoints(reader: SectionReader, keys: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const key of keys) {
    const endpoint = reader.text(key) ?? "";
    const problem = endpointProblem(endpoint);
    if (problem !== null) reader.error(key, problem);
    const other = seen.get(endpoint);
    if (other !== undefined && !/:[*0]$/.test(endpoint)) reader.error(key, `${endpoint} is the ${other} too`);
    seen.set(endpoint, key);
  }
}

/** Why the agent would not serve at this address (design §3: whoever can connect can command), or null. */
function endpointProblem(endpoint: string): string | null {
  const path = /^ipc:\/\/(.+)$/s.exec(endpoint)?.[1];
  if (path !== undefined) {
    const bytes = new TextEncoder().encode(path).length;
    return bytes <= UNIX_PATH_BYTES_MAX ? null : `the path has ${bytes} bytes, more than ${UNIX_PATH_BYTES_MAX}`;
  }
  const [, host, port = ""] = /^tcp:\/\/(.+):(\d{1,5}|\*)$/.exec(endpoint) ?? [];
  if (host === undefined) return `${quote(endpoint)} is neither tcp://HOST:PORT nor ipc://PATH`;
  if (port !== "*" && Number(port) > 65_535) return `port ${port} is more than 65535`;
  if (isLoopbackHost(host)) return null;
  const shown = quote(endpoint).slice(1, -1);
  return `${shown} is not a loopback address; use tcp://127.0.0.1:${port} or ipc://PATH (CURVE, which would protect other addresses, is not available yet)`;
}
