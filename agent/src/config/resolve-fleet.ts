/** `[fleet]` → FleetConfig (design §4). Pure. */
import { natsUrlFault, parseHostName, RESERVED_HOSTS } from "@circus-cluster/proto";
import type { SectionReader } from "./reader.ts";
import { quote } from "./text.ts";
import type { FleetConfig } from "./types.ts";

const TOKEN_RULE = "letters, digits, '_' and '-', 1 to 64, the first a letter or digit";
const LABEL_PART = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const LABELS_MAX = 64;

export function resolveFleet(reader: SectionReader, shortHostName: string): FleetConfig {
  reader.checkKeys();
  const tlsCert = reader.optional("tls_cert");
  const tlsKey = reader.optional("tls_key");
  if (tlsCert !== null && tlsKey === null) reader.error("tls_cert", "it needs 'tls_key'");
  if (tlsKey !== null && tlsCert === null) reader.error("tls_key", "it needs 'tls_cert'");
  const fleet = reader.text("fleet") ?? "";
  if (parseHostName(fleet) === null) reader.error("fleet", `${quote(fleet)} is no name of a fleet: ${TOKEN_RULE}`);
  return {
    natsUrls: natsUrls(reader),
    fleet,
    host: hostName(reader, shortHostName),
    labels: Object.fromEntries(labels(reader)),
    credentials: reader.optional("credentials"),
    tlsCa: reader.optional("tls_ca"),
    tlsCert,
    tlsKey,
  };
}

function natsUrls(reader: SectionReader): string[] {
  const urls = listOf(reader.text("nats_url") ?? "");
  if (urls.length === 0) reader.sectionError("has no 'nats_url'");
  for (const url of urls) {
    const fault = natsUrlFault(url);
    if (fault !== null) reader.error("nats_url", fault);
  }
  return urls;
}

function hostName(reader: SectionReader, shortHostName: string): string {
  const written = reader.optional("host");
  const host = written ?? shortHostName;
  if (RESERVED_HOSTS.some((word) => word === host)) reader.error("host", `${quote(host)} is reserved`);
  else if (parseHostName(host) === null) {
    const origin = written === null ? ", the name of this machine," : "";
    const advice = written === null ? "; set 'host'" : "";
    reader.error("host", `${quote(host)}${origin} cannot name a host of a fleet: ${TOKEN_RULE}${advice}`);
  }
  return host;
}

function labels(reader: SectionReader): Map<string, string> {
  const found = new Map<string, string>();
  for (const item of (reader.text("labels") ?? "").split(/[,\n]/).map((text) => text.trim())) {
    if (item === "") continue;
    const colon = item.indexOf(":");
    const [key, value] = [item.slice(0, Math.max(colon, 0)).trim(), item.slice(colon + 1).trim()];
    if (!LABEL_PART.test(key) || !LABEL_PART.test(value)) reader.error("labels", `${quote(item)} is not key:value`);
    else if (found.has(key)) reader.error("labels", `'${key}' has two values`);
    else found.set(key, value);
  }
  if (found.size > LABELS_MAX) reader.error("labels", `${found.size} labels, more than ${LABELS_MAX}`);
  return found;
}

/** Items separated by commas or white space. */
function listOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((item) => item !== "");
}
