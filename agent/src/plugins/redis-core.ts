/** Redis's side of RedisObserver: its address, its protocol, its numbers (reference §9.2). Pure. */
import { gauge, type Metric } from "./metrics.ts";

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  /** Of a Unix socket, in place of host and port. */
  readonly path: string | null;
  readonly isTls: boolean;
  readonly username: string | null;
  readonly password: string | null;
}

/** `redis://[[user]:password@]host[:port][/db]`, `rediss://…`, `unix://path`; null: none of these. */
export function parseRedisUrl(text: string): RedisAddress | null {
  const unix = /^unix:\/\/(?:(.*?)(?::(.*))?@)?(\/[^?]*)/.exec(text);
  if (unix !== null) {
    const [, username, password, path = ""] = unix;
    return { host: "", port: 0, path, isTls: false, username: orNull(username), password: orNull(password) };
  }
  if (!/^rediss?:\/\//i.test(text) || !URL.canParse(text)) return null;
  const url = new URL(text);
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1") || "localhost",
    port: url.port === "" ? 6379 : Number(url.port),
    path: null,
    isTls: url.protocol === "rediss:",
    username: orNull(decodeURIComponent(url.username)),
    password: orNull(decodeURIComponent(url.password)),
  };
}

function orNull(text: string | undefined): string | null {
  return text === undefined || text === "" ? null : text;
}

/** One command as Redis reads it. */
export function encodeCommand(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${new TextEncoder().encode(word).length}\r\n${word}\r\n`).join("")}`;
}

export type RedisReply =
  | { readonly kind: "text"; readonly text: string; readonly end: number }
  | { readonly kind: "error"; readonly text: string; readonly end: number }
  /** More has to come. */
  | { readonly kind: "partial" }
  | { readonly kind: "foreign" };

/**
 * The reply that begins at `from`: a simple string, an error or a bulk string.
 *
 * @param text bytes as latin1, so that lengths in bytes are lengths in characters
 */
export function decodeReply(text: string, from: number): RedisReply {
  const eol = text.indexOf("\r\n", from);
  if (eol < 0) return { kind: text.length - from > 64 * 1024 ? "foreign" : "partial" };
  const line = text.slice(from + 1, eol);
  const end = eol + 2;
  switch (text[from]) {
    case "+":
      return { kind: "text", text: line, end };
    case "-":
      return { kind: "error", text: line, end };
    case "$": {
      const length = /^\d+$/.test(line) ? Number(line) : -1;
      if (length < 0) return { kind: "foreign" };
      if (text.length < end + length + 2) return { kind: "partial" };
      return { kind: "text", text: text.slice(end, end + length), end: end + length + 2 };
    }
    default:
      return { kind: "foreign" };
  }
}

const OBSERVED =
  `pubsub_channels connected_slaves lru_clock connected_clients keyspace_misses used_memory used_memory_peak
  total_commands_processed used_memory_rss total_connections_received pubsub_patterns used_cpu_sys used_cpu_sys_children
  blocked_clients used_cpu_user client_biggest_input_buf mem_fragmentation_ratio expired_keys evicted_keys
  client_longest_output_list uptime_in_seconds keyspace_hits`.split(/\s+/);

/** Those of the observed numbers that this Redis has: newer ones lack two of them. */
export function redisMetrics(info: string): readonly Metric[] {
  const values = new Map(
    [...info.matchAll(/^([^#:\r\n]+):([^\r\n]*)/gm)].map(([, key = "", value = ""]) => [key, value]),
  );
  return OBSERVED.flatMap((key) => {
    const value = Number(values.get(key) ?? Number.NaN);
    return Number.isFinite(value) && values.get(key) !== "" ? [gauge(`redis_stats.${key}`, value)] : [];
  });
}
