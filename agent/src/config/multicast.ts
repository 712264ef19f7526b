/** `multicast_endpoint` (reference §5.1). Pure. */

export interface MulticastAddress {
  readonly group: string;
  readonly port: number;
}

/** `udp://GROUP:PORT` with a group from 224.0.0.0 to 239.255.255.255; null: it is none. */
export function parseMulticast(endpoint: string): MulticastAddress | null {
  const [, group = "", digits] = /^udp:\/\/(\d{1,3}(?:\.\d{1,3}){3}):(\d{1,5})$/.exec(endpoint) ?? [];
  const [first = 0, ...rest] = group.split(".").map(Number);
  const port = Number(digits);
  if (first < 224 || first > 239 || rest.some((byte) => byte > 255)) return null;
  return port >= 1 && port <= 65_535 ? { group, port } : null;
}
