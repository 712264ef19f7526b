/**
 * How many connections the agent's sockets have, as the kernel lists them in /proc/net: no socket is touched, and
 * nothing is polled in between. Circus counts how often a poll saw a socket readable, which says neither how many
 * came nor how many there are (D21).
 */
import { createReadStream } from "node:fs";
import { hexHost, type InetRow, parseInetRow, parseUnixRow, type UnixRow } from "../process/proc-net.ts";
import { ipBytes } from "../sockets/ip.ts";
import type { SocketItem } from "../sockets/registry.ts";

export interface Connections {
  /** Connections to the socket at this moment, those included that nobody has accepted; 0 for datagrams. */
  readonly open: number;
  /** How many of them nobody has accepted yet; of a datagram socket: bytes that nobody has read. */
  readonly waiting: number;
}

interface Count {
  open: number;
  waiting: number;
}

type Inet = Extract<SocketItem, { host: string }>;

/** Where sockets of a family stand; the protocol of a socket is not looked at, its address says enough. */
const TABLES = { 4: ["tcp", "udp"], 6: ["tcp6", "udp6"] } as const;

/** By descriptor. A table that cannot be read counts nothing. */
export async function countConnections(
  sockets: readonly SocketItem[],
  read: (table: string) => AsyncIterable<string> = linesOf,
): Promise<ReadonlyMap<number, Connections>> {
  const counts = new Map<number, Count>(sockets.map(({ fd }) => [fd, { open: 0, waiting: 0 }]));
  for (const version of [4, 6] as const) {
    const family = sockets.filter((socket): socket is Inet => "host" in socket && versionOf(socket.host) === version);
    if (family.length === 0) continue;
    for (const table of TABLES[version]) await countInet(family, read(table), counts, table.startsWith("udp"));
  }
  const byPath = new Map(sockets.flatMap((socket) => ("path" in socket ? [[socket.path, counts.get(socket.fd)]] : [])));
  if (byPath.size > 0) {
    for await (const line of read("unix")) takeUnix(parseUnixRow(line), byPath);
  }
  return counts;
}

async function countInet(
  sockets: readonly Inet[],
  lines: AsyncIterable<string>,
  counts: ReadonlyMap<number, Count>,
  isDatagram: boolean,
): Promise<void> {
  const byPort = new Map<number, { readonly host: string; readonly isAny: boolean; readonly count: Count }[]>();
  for (const { fd, host, port } of sockets) {
    const hex = hexHost(ipBytes(host));
    const count = counts.get(fd);
    if (count === undefined) continue;
    byPort.set(port, [...(byPort.get(port) ?? []), { host: hex, isAny: /^0*$/.test(hex), count }]);
  }
  for await (const line of lines) {
    const row = parseInetRow(line);
    if (row === null) continue;
    const onPort = byPort.get(row.port) ?? [];
    // The socket on this very address, before one on all addresses: so does the kernel give connections away.
    const own = onPort.find(({ host }) => host === row.host) ?? onPort.find(({ isAny }) => isAny);
    if (own !== undefined) takeInet(row, own.count, isDatagram);
  }
}

function takeInet(row: InetRow, count: Count, isDatagram: boolean): void {
  if (isDatagram) count.waiting += row.waiting;
  else if (row.isListening) {
    // A connection that waits stands in the table as established too.
    count.waiting += row.waiting;
  } else if (row.isConnection) count.open++;
}

function takeUnix(row: UnixRow | null, byPath: ReadonlyMap<string, Count | undefined>): void {
  const count = row === null ? undefined : byPath.get(row.path);
  if (row === null || count === undefined) return;
  if (row.isConnection) count.open++;
  if (row.isWaiting) count.waiting++;
}

function versionOf(host: string): 4 | 6 {
  return host.includes(":") ? 6 : 4;
}

/** In pieces, so that a host with many connections does not hold the event loop up. */
async function* linesOf(table: string): AsyncGenerator<string> {
  let rest = "";
  try {
    for await (const piece of createReadStream(`/proc/net/${table}`, { encoding: "latin1" })) {
      const lines = (rest + String(piece)).split("\n");
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } catch {
    // No such table: a kernel without IPv6.
  }
}
