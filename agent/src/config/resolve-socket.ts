/** `[socket:NAME]` → SocketConfig, and what two sockets must not share. Pure. */
import type { SocketConfig } from "../sockets/types.ts";
import type { SectionReader } from "./reader.ts";
import { UNIX_PATH_BYTES_MAX } from "./resolve-circus.ts";
import { quote } from "./text.ts";
import type { Diagnostic, SourceRef } from "./types.ts";

export type LocatedSocket = SocketConfig & { readonly at: SourceRef };

const FAMILIES = ["AF_INET", "AF_INET6", "AF_UNIX"] as const;
const TYPES = ["SOCK_STREAM", "SOCK_DGRAM", "SOCK_SEQPACKET", "SOCK_RAW", "SOCK_RDM"] as const;
const MASK_DEFAULT = 0o010;

export function resolveSocket(reader: SectionReader, name: string): LocatedSocket {
  reader.checkKeys();
  const path = reader.optional("path");
  const family = oneOf(reader, "family", FAMILIES);
  const bytes = new TextEncoder().encode(path ?? "").length;
  if (bytes > UNIX_PATH_BYTES_MAX) reader.error("path", `it has ${bytes} bytes, more than ${UNIX_PATH_BYTES_MAX}`);
  if (family === "AF_UNIX" && path === null) reader.error("family", "AF_UNIX needs a 'path'");
  if (path === null && reader.text("host") === "") reader.error("host", "it is empty");
  return {
    name,
    at: reader.section.at,
    host: reader.text("host") ?? "",
    port: reader.int("port"),
    family: path === null ? family : "AF_UNIX",
    type: oneOf(reader, "type", TYPES),
    proto: reader.optional("proto"),
    backlog: reader.int("backlog"),
    path,
    umask: reader.mask("umask") ?? MASK_DEFAULT,
    owner: fileOnly(reader, "owner", path),
    group: fileOnly(reader, "group", path),
    replace: reader.bool("replace"),
    interface: reader.optional("interface"),
    soReuseport: reader.bool("so_reuseport"),
    blocking: reader.bool("blocking"),
  };
}

function fileOnly(reader: SectionReader, key: string, path: string | null): string | null {
  const text = reader.optional(key);
  if (text !== null && path === null) reader.warning(key, "no effect without 'path'");
  return text;
}

function oneOf<T extends string>(reader: SectionReader, key: string, words: readonly [T, ...T[]]): T {
  const text = reader.text(key) ?? "";
  const found = words.find((word) => word === text.trim().toUpperCase());
  if (found === undefined) reader.error(key, `${quote(text)} is not one of ${words.join(", ")}`);
  return found ?? words[0];
}

/** Two sockets of one name or one address: the second could not be opened. */
export function checkSockets(sockets: readonly LocatedSocket[], diagnostics: Diagnostic[]): void {
  const names = new Map<string, LocatedSocket>();
  const addresses = new Map<string, LocatedSocket>();
  for (const socket of sockets) {
    const namesake = names.get(socket.name);
    names.set(socket.name, namesake ?? socket);
    if (namesake !== undefined) {
      const problem = `[socket:${socket.name}] is also defined ${where(socket, namesake)}; names of sockets ignore case`;
      diagnostics.push({ severity: "error", at: socket.at, message: problem });
      continue;
    }
    const address = addressOf(socket);
    if (address === null) continue;
    const key = `${socket.family} ${socket.type} ${address}`;
    const other = addresses.get(key);
    addresses.set(key, other ?? socket);
    if (other === undefined || (socket.soReuseport && other.soReuseport)) continue;
    const problem = `[socket:${socket.name}] and [socket:${other.name}] (${where(socket, other)}) have the same address ${address}`;
    diagnostics.push({ severity: "error", at: socket.at, message: problem });
  }
}

function addressOf({ path, host, port }: SocketConfig): string | null {
  if (path !== null) return path;
  return port === 0 ? null : `${host.toLowerCase() === "127.0.0.1" ? "localhost" : host.toLowerCase()}:${port}`;
}

function where(from: LocatedSocket, to: LocatedSocket): string {
  return from.at.file === to.at.file ? `at line ${to.at.line}` : `at ${to.at.file}:${to.at.line}`;
}
