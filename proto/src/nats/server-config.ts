/**
 * The text of a nats-server configuration for one fleet, made from the roles (fleet-protocol §3). Pure: the
 * CLI writes it to disk, tests feed it to a real server. Accepted by nats-server 2.9.10 and newer.
 *
 * Three accounts on purpose: SYS tells FLEET of connections; CTL holds the controllers' lock, where no
 * PubAck that an agent reflects can reach; every user sits in FLEET or CTL, never in an `authorization`
 * block beside SYS alone, which lets anonymous clients in on 2.9.10 (CVE-2023-47090).
 */
import { type Identity, lockPermissions, type Permissions, permissionsOf } from "../roles.ts";

export interface ServerUser {
  readonly identity: Identity;
  /** nkey `U…`. */
  readonly publicKey: string;
}

export interface LockUser {
  /** Of the controller. */
  readonly name: string;
  /** nkey `U…`. */
  readonly publicKey: string;
}

export interface ServerConfigOptions {
  readonly fleet: string;
  /** `HOST:PORT`. */
  readonly listen: string;
  /** Directory of JetStream. */
  readonly storeDir: string;
  /** Where the server writes its pid; nowhere without it. */
  readonly pidFile?: string | null;
  readonly users: readonly ServerUser[];
  /** The controllers' second connections, to the account CTL. */
  readonly lockKeys?: readonly LockUser[];
  /** `HOST:PORT` of the monitoring port; none without it. */
  readonly http?: string | null;
  /** Paths of PEM files; clients need a certificate of this CA then. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string } | null;
  /** Disk for the event stream, in MiB. Default 18 GiB. */
  readonly streamMiB?: number;
}

const LOCK_MIB = 64;
const STREAM_MIB = 18 * 1024;
const PUBLIC_KEY = /^U[A-Z2-7]{55}$/;
const LISTEN = /^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/;

/** @throws RangeError for text that the configuration's grammar could misread. */
function quoted(text: string, what: string): string {
  // oxlint-disable-next-line no-control-regex
  if (text === "" || /[\u0000-\u001f\u007f]/.test(text)) throw new RangeError(`${what} ${JSON.stringify(text)}`);
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

function address(text: string, what: string): string {
  if (!LISTEN.test(text)) throw new RangeError(`${what} ${JSON.stringify(text)} is not HOST:PORT`);
  return text;
}

function checkedKey(key: string): string {
  if (!PUBLIC_KEY.test(key)) throw new RangeError(`${JSON.stringify(key)} is no public nkey of a user`);
  return key;
}

function list(subjects: readonly string[]): string {
  return `[${subjects.map((subject) => quoted(subject, "subject")).join(", ")}]`;
}

function userLines(what: string, publicKey: string, permissions: Permissions): string[] {
  const { publish, subscribe, allowResponses } = permissions;
  return [
    `      # ${what}`,
    `      { nkey: ${checkedKey(publicKey)}, permissions: {`,
    `          publish: { allow: ${list(publish)} }`,
    `          subscribe: { allow: ${list(subscribe)} }`,
    ...(allowResponses === null
      ? []
      : [`          allow_responses: { max: ${allowResponses.max}, expires: "${allowResponses.expires}" }`]),
    "      } }",
  ];
}

/** @throws RangeError for a fleet, name, key, address or path that cannot stand in it, and without any user. */
export function serverConfig(options: ServerConfigOptions): string {
  // A server without a single user lets everybody in.
  if (options.users.length === 0) throw new RangeError("a fleet has at least one user");
  const streamMiB = options.streamMiB ?? STREAM_MIB;
  const { tls } = options;
  const http = options.http ?? null;
  const pidFile = options.pidFile ?? null;
  return [
    `# NATS for the fleet ${options.fleet}; made by "circusctl fleet", which writes it anew at every change.`,
    `listen: "${address(options.listen, "listen")}"`,
    ...(pidFile === null ? [] : [`pid_file: ${quoted(pidFile, "path")}`]),
    ...(http === null ? [] : [`http: "${address(http, "http")}"`]),
    "max_payload: 1MB",
    'ping_interval: "10s"',
    "ping_max: 2",
    'write_deadline: "5s"',
    "max_connections: 10000",
    ...(tls === undefined || tls === null
      ? []
      : [
          "tls {",
          `  cert_file: ${quoted(tls.cert, "path")}`,
          `  key_file: ${quoted(tls.key, "path")}`,
          `  ca_file: ${quoted(tls.ca, "path")}`,
          "  verify: true",
          "  timeout: 8",
          "}",
        ]),
    `jetstream { store_dir: ${quoted(options.storeDir, "path")}, max_mem: 256M, max_file: ${streamMiB + LOCK_MIB}M }`,
    "system_account: SYS",
    "accounts {",
    '  SYS: { exports: [ { stream: "$SYS.ACCOUNT.FLEET.*", accounts: [FLEET] } ] }',
    "  CTL: {",
    `    jetstream: { max_mem: 16M, max_file: ${LOCK_MIB}M }`,
    "    users: [",
    ...(options.lockKeys ?? []).flatMap(({ name, publicKey }) =>
      userLines(`controller ${name}`, publicKey, lockPermissions(name)),
    ),
    "    ]",
    "  }",
    "  FLEET: {",
    `    jetstream: { max_mem: 128M, max_file: ${streamMiB}M }`,
    '    imports: [ { stream: { account: SYS, subject: "$SYS.ACCOUNT.FLEET.*" }, prefix: "sysev" } ]',
    "    users: [",
    ...options.users.flatMap(({ identity, publicKey }) =>
      userLines(`${identity.role} ${identity.name}`, publicKey, permissionsOf(options.fleet, identity)),
    ),
    "    ]",
    "  }",
    "}",
    "",
  ].join("\n");
}
