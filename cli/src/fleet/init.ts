/**
 * `circusctl fleet init`: keys and credentials of everybody, and the nats-server configuration that knows
 * them. Writes all or nothing, and never over something that is there.
 */
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { EXIT, parseHostName, parseUserName, type Role, reasonOf, serverConfig } from "@circus-cluster/proto";
import { type Credentials, createSeed, publicKey } from "@circus-cluster/proto/nats";
import type { Request } from "../argv.ts";
import { FleetError } from "../clients/fleet.ts";
import type { Io } from "../io.ts";
import { commaList, type Settings, UsageError } from "../settings.ts";
import { printDocument, printLines } from "./context.ts";

export interface InitPlan {
  /** Absolute. */
  readonly dir: string;
  readonly fleet: string;
  readonly listen: string;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } | null;
  readonly people: readonly { readonly role: Role; readonly name: string }[];
}

/** Path and text of a file, with its mode. */
interface NewFile {
  readonly path: string;
  readonly text: string;
}

const DIR_MODE = 0o700;
const FILE_MODE = 0o600;

/** Does `HOST:PORT` say this machine only? */
export function isLoopback(listen: string): boolean {
  const host = listen.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function tlsOf({ tls }: Settings, isRefused: boolean): InitPlan["tls"] {
  const { ca, cert, key } = tls;
  if (ca === null && cert === null && key === null) return null;
  if (isRefused) throw new UsageError("--no-tls and --tls-… exclude each other");
  if (ca === null || cert === null || key === null)
    throw new UsageError("--tls-cert, --tls-key and --tls-ca belong together");
  const missing = [ca, cert, key].find((path) => !existsSync(path));
  if (missing !== undefined) throw new FleetError(EXIT.local, `${missing}: no such file`);
  return { ca: resolve(ca), cert: resolve(cert), key: resolve(key) };
}

/** What the options ask for. @throws UsageError, FleetError. */
export function initPlan({ options }: Pick<Request, "options">, settings: Settings): InitPlan {
  const text = (name: string, byDefault: string): string => {
    const value = options[name];
    return typeof value === "string" ? value : byDefault;
  };
  const dir = text("dir", "");
  if (dir === "") throw new UsageError("fleet init: --dir DIR is missing");
  const fleet = text("fleet", "main");
  if (parseUserName(fleet) === null) throw new UsageError(`--fleet ${JSON.stringify(fleet)} is no name`);
  const named = (role: Role, option: string, byDefault: string, check: (name: string) => unknown): InitPlan["people"] =>
    (commaList(text(option, byDefault)) ?? []).map((name) => {
      if (check(name) === null) throw new UsageError(`--${option}: ${JSON.stringify(name)} is no name`);
      return { role, name };
    });
  const people = [
    ...named("agent", "hosts", "", parseHostName),
    ...named("controller", "controllers", "ctl1", parseUserName),
    ...named("operator", "operators", "admin", parseUserName),
    ...named("viewer", "viewers", "", parseUserName),
  ];
  if (!people.some(({ role }) => role === "agent")) throw new UsageError("fleet init: --hosts A,B is missing");
  const roles = new Map<string, Role>();
  for (const { role, name } of people) {
    const other = roles.get(name);
    // A name owns its inbox: two of one name could read each other's answers.
    if (other !== undefined) throw new UsageError(`${name} is given as ${other} and as ${role}: names have to differ`);
    roles.set(name, role);
  }
  const listen = text("listen", "127.0.0.1:4222");
  const tls = tlsOf(settings, options["no-tls"] !== undefined);
  if (tls === null && !isLoopback(listen) && options["insecure"] === undefined) {
    throw new FleetError(
      EXIT.local,
      `--listen ${listen} can be reached from other machines: give --tls-cert, --tls-key and --tls-ca (or --insecure)`,
    );
  }
  return { dir: resolve(dir), fleet, listen, tls, people };
}

/** All files of a fleet, with fresh keys. @throws UsageError for an address or path that cannot be. */
function filesOf({ dir, fleet, listen, tls, people }: InitPlan): readonly NewFile[] {
  const made = people.map(({ role, name }): Credentials => ({ v: 1, fleet, role, name, seed: createSeed() }));
  const file = (name: string, credentials: Credentials): NewFile => ({
    path: join(dir, "creds", `${name}.creds`),
    text: `${JSON.stringify(credentials)}\n`,
  });
  const controllers = made.filter(({ role }) => role === "controller");
  const [only] = controllers;
  try {
    const users = made.map(({ role, name, seed }) => ({ identity: { role, name }, publicKey: publicKey(seed) }));
    const text = serverConfig({ fleet, listen, storeDir: join(dir, "jetstream"), users, tls });
    return [
      ...made.map((credentials) => file(`${credentials.role}-${credentials.name}`, credentials)),
      ...(only !== undefined && controllers.length === 1 ? [file("controller", only)] : []),
      { path: join(dir, "nats-server.conf"), text },
    ];
  } catch (error) {
    throw new UsageError(`fleet init: ${reasonOf(error)}`);
  }
}

/** @throws FleetError where a file is there already or cannot be written; then none is left behind. */
function writeAll(dir: string, files: readonly NewFile[]): void {
  const there = files.find(({ path }) => existsSync(path));
  if (there !== undefined) throw new FleetError(EXIT.local, `${there.path} is there already; nothing was written`);
  const written: string[] = [];
  try {
    for (const path of [dir, join(dir, "creds")]) {
      mkdirSync(path, { recursive: true, mode: DIR_MODE });
      chmodSync(path, DIR_MODE);
    }
    for (const { path, text } of files) {
      writeFileSync(path, text, { mode: FILE_MODE, flag: "wx" });
      written.push(path);
    }
  } catch (error) {
    for (const path of written) rmSync(path, { force: true });
    throw new FleetError(EXIT.local, `cannot write the fleet's files: ${reasonOf(error)}; none is left`, {
      cause: error,
    });
  }
}

function nextSteps({ dir, fleet, listen, tls, people }: InitPlan): string[] {
  const url = `${tls === null ? "nats" : "tls"}://${listen.replace(/^(?:0\.0\.0\.0|\[::\])(?=:)/, "SERVER")}`;
  const creds = (name: string): string => join(dir, "creds", `${name}.creds`);
  const first = (role: Role): string => people.find((one) => one.role === role)?.name ?? role.toUpperCase();
  const settings = (name: string): string => `nats_url = ${url}, fleet = ${fleet}, credentials = ${name}`;
  return [
    "next:",
    `  1. nats-server -c ${join(dir, "nats-server.conf")}`,
    `  2. circus-controller controller.ini   with, in [controller]: ${settings(creds(`controller-${first("controller")}`))}`,
    `     circusd circus.ini on each host    with, in [fleet]: ${settings("agent-HOST.creds")}, host = HOST`,
    `  3. export CIRCUSCTL_NATS=${url} CIRCUSCTL_CREDS=${creds(`operator-${first("operator")}`)}; circusctl hosts`,
  ];
}

/** @returns the exit code. @throws UsageError, FleetError. */
export function init(request: Request, settings: Settings, io: Io): number {
  if (settings.scope !== null)
    throw new UsageError("fleet init takes no --all, --host or --where; name hosts by --hosts");
  const plan = initPlan(request, settings);
  const files = filesOf(plan);
  writeAll(plan.dir, files);
  const paths = files.map(({ path }) => path);
  if (settings.json) printDocument({ io, settings }, { dir: plan.dir, fleet: plan.fleet, files: paths });
  else printLines(io, [...paths.map((path) => `wrote ${path}`), "", ...nextSteps(plan)]);
  return EXIT.ok;
}
