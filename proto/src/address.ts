/** Addresses to listen on, as people write them: `127.0.0.1:8090`, `[::1]:8090`, `localhost:8090`. */

export interface Address {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Null for what is no `HOST:PORT` with a port from 1 to 65535. */
export function parseAddress(text: string): Address | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/i.exec(text.trim());
  if (match === null) return null;
  const port = Number(match[3]);
  return port >= 1 && port <= 65_535 ? { host: match[1] ?? match[2] ?? "", port } : null;
}

/** What is wrong with the address of a NATS server, one that may come without a port or a scheme; null: nothing. */
export function natsUrlFault(url: string): string | null {
  const [, authority = ""] = /^(?:(?:nats|tls|wss?):\/\/)?([^\s/]*)\/?$/i.exec(url) ?? [];
  // The address of a server holds no secret: it shows up in logs and in what checks print.
  if (authority.includes("@")) return "user and password do not belong in it; use 'credentials'";
  const match = /^(?:\[[0-9a-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/i.exec(authority);
  const port = Number(match?.[1] ?? 1);
  return match === null || port < 1 || port > 65_535 ? `'${url}' is not nats://HOST:PORT or tls://HOST:PORT` : null;
}

/** Does it say this machine only? A bracketed IPv6 address is taken too. */
export function isLoopbackHost(host: string): boolean {
  const bytes = /^127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)?.slice(1);
  if (bytes !== undefined) return bytes.every((byte) => Number(byte) <= 255);
  return ["localhost", "[::1]", "::1"].includes(host.toLowerCase());
}
