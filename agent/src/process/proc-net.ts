/** Parses lines of /proc/net. Pure. */

/** States of a TCP row that matter here, as in the kernel's `tcp_states.h`. */
const ESTABLISHED = 0x01;
const CLOSE_WAIT = 0x08;
const LISTEN = 0x0a;

/** Flag of a Unix socket that listens (`__SO_ACCEPTCON`). */
const ACCEPTS = 0x10000;
const UNIX_CONNECTING = 0x02;
const UNIX_CONNECTED = 0x03;

/** One row of `tcp`, `tcp6`, `udp` or `udp6`. */
export interface InetRow {
  /** As the kernel writes it: hexadecimal, in words of the machine's byte order. */
  readonly host: string;
  readonly port: number;
  readonly isListening: boolean;
  /** A connection that a program may still have to serve: the peer may have closed its half. */
  readonly isConnection: boolean;
  /** Of a listening socket: connections that nobody has accepted; of others: bytes that nobody has read. */
  readonly waiting: number;
}

/** One row of `unix`. */
export interface UnixRow {
  readonly path: string;
  /** The server's end of a connection. */
  readonly isConnection: boolean;
  /** Nobody has accepted it yet. */
  readonly isWaiting: boolean;
}

/** Null: the heading, or no such line. */
export function parseInetRow(line: string): InetRow | null {
  const [, host = "", port = "", state = "", waiting = ""] =
    /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) [0-9A-F]+:([0-9A-F]+) /.exec(line) ?? [];
  if (host === "") return null;
  const kind = Number.parseInt(state, 16);
  return {
    host,
    port: Number.parseInt(port, 16),
    isListening: kind === LISTEN,
    isConnection: kind === ESTABLISHED || kind === CLOSE_WAIT,
    waiting: Number.parseInt(waiting, 16),
  };
}

/** Null: the heading, or a socket without a path. */
export function parseUnixRow(line: string): UnixRow | null {
  const [, flags = "", state = "", path = ""] =
    /^[0-9a-f]+: \S+ \S+ ([0-9A-F]+) \S+ ([0-9A-F]{2})\s+\d+ (.+)$/i.exec(line) ?? [];
  if (path === "") return null;
  const isListening = (Number.parseInt(flags, 16) & ACCEPTS) !== 0;
  const kind = Number.parseInt(state, 16);
  const isWaiting = !isListening && kind === UNIX_CONNECTING;
  return { path, isConnection: isWaiting || (!isListening && kind === UNIX_CONNECTED), isWaiting };
}

/** An address as the kernel writes it in {@link InetRow.host}, on a little-endian machine. */
export function hexHost(bytes: Uint8Array): string {
  const words: string[] = [];
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const word = [...bytes.subarray(at, at + 4)].reverse();
    words.push(word.map((byte) => byte.toString(16).padStart(2, "0")).join(""));
  }
  return words.join("").toUpperCase();
}
