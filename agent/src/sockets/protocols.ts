/** Protocols by name: /etc/protocols, which a small container may lack. */
import { readFileSync } from "node:fs";

const FILE = "/etc/protocols";
/** The few that sockets of ours may have anyway. */
const KNOWN: Readonly<Record<string, number>> = { ip: 0, icmp: 1, tcp: 6, udp: 17, "ipv6-icmp": 58, sctp: 132 };
const NUMBER_MAX = 262;

/** Its number, by that or by a name or alias in any case; null: there is none such. */
export function protocolNumber(text: string): number | null {
  if (/^\d{1,3}$/.test(text)) return Number(text) <= NUMBER_MAX ? Number(text) : null;
  const wanted = text.toLowerCase();
  for (const line of protocolLines()) {
    const [name, number, ...aliases] = (line.split("#")[0] ?? "").trim().split(/\s+/);
    if ([name, ...aliases].some((word) => word?.toLowerCase() === wanted) && /^\d+$/.test(number ?? "")) {
      return Number(number);
    }
  }
  return Object.hasOwn(KNOWN, wanted) ? (KNOWN[wanted] ?? null) : null;
}

function protocolLines(): readonly string[] {
  try {
    return readFileSync(FILE, "utf8").split("\n");
  } catch {
    return [];
  }
}
