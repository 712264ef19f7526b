/**
 * Who belongs to a fleet: `fleet.json` in the directory that `fleet init` made. It holds public keys only, and the
 * nats-server's configuration is made from it alone, so that the two cannot disagree. Pure.
 */
import {
  type Identity,
  issueText,
  parse,
  parseHostName,
  parseUserName,
  ROLES,
  type Role,
  type Schema,
  serverConfig,
  v,
} from "@circus-cluster/proto";

/** One credential that was ever issued; a name has at most one that is not revoked. */
export interface Member {
  readonly role: Role;
  readonly name: string;
  /** nkey `U…`. */
  readonly publicKey: string;
  /** Of a controller: nkey of its connection to the lock; one of an older version has none, and leads alone. */
  readonly lockKey?: string | undefined;
  /** Wall ms. */
  readonly issued: number;
  /** Wall ms; null: it holds. */
  readonly revoked: number | null;
}

/** Where the server's certificate comes from. `own`: an authority in the fleet's directory. */
export type RegistryTls =
  | { readonly kind: "none" }
  | { readonly kind: "own" }
  | { readonly kind: "files"; readonly ca: string; readonly cert: string; readonly key: string };

export interface Registry {
  readonly v: 1;
  readonly fleet: string;
  /** `HOST:PORT` of the nats-server. */
  readonly listen: string;
  readonly tls: RegistryTls;
  readonly members: readonly Member[];
}

/** Files of a fleet's directory, relative to it. */
export const PLACES = {
  registry: "fleet.json",
  config: "nats-server.conf",
  pidFile: "nats-server.pid",
  store: "jetstream",
  creds: "creds",
  caCert: "tls/ca.pem",
  caKey: "tls/ca-key.pem",
  serverCert: "tls/server.pem",
  serverKey: "tls/server-key.pem",
} as const;

const path = v.pipe(v.string(), v.minLength(1));
const wallMs = v.pipe(v.number(), v.integer(), v.minValue(0));
const registrySchema: Schema<Registry> = v.strictObject({
  v: v.literal(1, "is another version than 1"),
  fleet: v.string(),
  listen: v.string(),
  tls: v.variant("kind", [
    v.strictObject({ kind: v.literal("none") }),
    v.strictObject({ kind: v.literal("own") }),
    v.strictObject({ kind: v.literal("files"), ca: path, cert: path, key: path }),
  ]),
  members: v.array(
    v.strictObject({
      role: v.picklist(ROLES),
      name: v.pipe(
        v.string(),
        v.check((text) => parseUserName(text) !== null, "is no name"),
      ),
      publicKey: v.string(),
      lockKey: v.optional(v.string()),
      issued: wallMs,
      revoked: v.nullable(wallMs),
    }),
  ),
});

/** @returns the registry, or what is wrong with the text as one line. */
export function parseRegistry(text: string): Registry | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "is not JSON";
  }
  const parsed = parse(registrySchema, value);
  return parsed.ok ? parsed.value : issueText(parsed.issues);
}

/** Is it a name that this role may have? A host's name is a little narrower than a person's. */
export function isNameFor(role: Role, name: string): boolean {
  return role === "agent" ? parseHostName(name) !== null : parseUserName(name) !== null;
}

export function holds({ revoked }: Member): boolean {
  return revoked === null;
}

/** Who has this name now. */
export function holder(registry: Registry, name: string): Member | null {
  return registry.members.find((member) => member.name === name && holds(member)) ?? null;
}

/** Whoever had the name before has it no more. */
export function withMember(registry: Registry, member: Omit<Member, "revoked">): Registry {
  const { members } = withoutName(registry, member.name, member.issued);
  return { ...registry, members: [...members, { ...member, revoked: null }] };
}

export function withoutName(registry: Registry, name: string, now: number): Registry {
  const members = registry.members.map((member) =>
    member.name === name && holds(member) ? { ...member, revoked: now } : member,
  );
  return { ...registry, members };
}

/**
 * The nats-server's configuration for those who hold a credential.
 *
 * @param at makes a path inside the fleet's directory absolute
 * @throws RangeError for what cannot stand in it, and where nobody is left
 */
export function configOf(registry: Registry, at: (place: string) => string): string {
  const users = registry.members
    .filter(holds)
    .map(({ role, name, publicKey }) => ({ identity: { role, name } satisfies Identity, publicKey }));
  const lockKeys = registry.members
    .filter(holds)
    .flatMap(({ name, lockKey }) => (lockKey === undefined ? [] : [{ name, publicKey: lockKey }]));
  return serverConfig({
    lockKeys,
    fleet: registry.fleet,
    listen: registry.listen,
    storeDir: at(PLACES.store),
    pidFile: at(PLACES.pidFile),
    users,
    tls: tlsPaths(registry.tls, at),
  });
}

function tlsPaths(tls: RegistryTls, at: (place: string) => string): { ca: string; cert: string; key: string } | null {
  switch (tls.kind) {
    case "none":
      return null;
    case "own":
      return { ca: at(PLACES.caCert), cert: at(PLACES.serverCert), key: at(PLACES.serverKey) };
    case "files":
      return { ca: tls.ca, cert: tls.cert, key: tls.key };
    default:
      return tls satisfies never;
  }
}
