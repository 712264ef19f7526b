/**
 * `circusctl fleet init`: keys and credentials of everybody, and the nats-server configuration that knows
 * them. Writes all or nothing, and never over something that is there.
 */
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { EXIT, isLoopbackHost, parseUserName, type Role, reasonOf } from "@circus-cluster/proto";
import type { Request } from "../argv.ts";
import { FleetError } from "../fleet/error.ts";
import { printDocument, printLines } from "../fleet/output.ts";
import type { Io } from "../io.ts";
import { commaList, type Settings, UsageError } from "../settings.ts";
import { createAuthority, createCertificate, type KeyPair } from "./certificates.ts";
import { makeDirectories, type NewFile, refuseExisting, registryText, within, writeAll } from "./directory.ts";
import { credentialsFile, makeCredentials } from "./issue.ts";
import { configOf, isNameFor, PLACES, type Registry, type RegistryTls } from "./registry.ts";

interface Person {
  readonly role: Role;
  readonly name: string;
}

export interface InitPlan {
  /** Absolute. */
  readonly dir: string;
  readonly fleet: string;
  readonly listen: string;
  readonly tls: RegistryTls;
  /** Under which the server is reached, for its certificate. */
  readonly serverNames: readonly string[];
  readonly people: readonly Person[];
}

function hostOf(listen: string): string {
  return listen.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}

/** Does `HOST:PORT` say this machine only? */
export function isLoopback(listen: string): boolean {
  return isLoopbackHost(hostOf(listen));
}

function isEverywhere(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

function tlsOf({ options }: Pick<Request, "options">, { tls }: Settings, listen: string): RegistryTls {
  const { ca, cert, key } = tls;
  const isRefused = options["no-tls"] !== undefined;
  const isInsecure = options["insecure"] !== undefined;
  if (ca !== null || cert !== null || key !== null) {
    if (isRefused) throw new UsageError("--no-tls and --tls-… exclude each other");
    if (ca === null || cert === null || key === null)
      throw new UsageError("--tls-cert, --tls-key and --tls-ca belong together");
    const missing = [ca, cert, key].find((path) => !existsSync(path));
    if (missing !== undefined) throw new FleetError(EXIT.local, `${missing}: no such file`);
    return { kind: "files", ca: resolve(ca), cert: resolve(cert), key: resolve(key) };
  }
  if (options["tls"] !== undefined) {
    if (isRefused || isInsecure) throw new UsageError("--tls excludes --no-tls and --insecure");
    return { kind: "own" };
  }
  if (isLoopback(listen) || isInsecure) return { kind: "none" };
  if (isRefused) {
    const reason = `--listen ${listen} can be reached from other machines: --no-tls needs --insecure there`;
    throw new FleetError(EXIT.local, reason);
  }
  return { kind: "own" };
}

/** Of the options, this machine's name where the server listens everywhere, and loopback for those beside it. */
function serverNames(given: string, listen: string): readonly string[] {
  const named = commaList(given);
  if (named?.some((name) => !/^[A-Za-z0-9.:_-]+$/.test(name)) === true)
    throw new UsageError(`--names ${JSON.stringify(given)}: host names and addresses are wanted`);
  const host = hostOf(listen);
  return [...new Set([...(named ?? [isEverywhere(host) ? hostname() : host]), "localhost", "127.0.0.1"])];
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
  const named = (role: Role, option: string, byDefault: string): Person[] =>
    (commaList(text(option, byDefault)) ?? []).map((name) => {
      if (!isNameFor(role, name)) throw new UsageError(`--${option}: ${JSON.stringify(name)} is no name`);
      return { role, name };
    });
  const people = [
    ...named("agent", "hosts", ""),
    ...named("controller", "controllers", "ctl1"),
    ...named("operator", "operators", "admin"),
    ...named("viewer", "viewers", ""),
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
  const tls = tlsOf({ options }, settings, listen);
  return { dir: resolve(dir), fleet, listen, tls, serverNames: serverNames(text("names", ""), listen), people };
}

async function authorityOf({ fleet, tls }: InitPlan, now: number): Promise<KeyPair | null> {
  return tls.kind === "own" ? await createAuthority(`circus fleet ${fleet}`, now) : null;
}

/** All files of a fleet, with fresh keys. @throws UsageError for an address or path that cannot be. */
async function filesOf(plan: InitPlan, now: number): Promise<readonly NewFile[]> {
  const { dir, fleet, listen, tls, people } = plan;
  const at = within(dir);
  const authority = await authorityOf(plan, now);
  const made = [];
  for (const { role, name } of people) made.push(await makeCredentials({ fleet, role, name }, authority, now));
  const registry: Registry = {
    ...{ v: 1, fleet, listen, tls },
    members: made.map(({ credentials: { role, name }, ...keys }) => ({
      ...{ role, name, ...keys, issued: now, revoked: null },
    })),
  };
  let config: string;
  try {
    config = configOf(registry, at);
  } catch (error) {
    throw new UsageError(`fleet init: ${reasonOf(error)}`);
  }
  const controllers = made.filter(({ credentials }) => credentials.role === "controller");
  const [only] = controllers;
  return [
    ...(await certificateFiles(plan, authority, now)),
    ...made.map(({ credentials }) => credentialsFile(dir, credentials)),
    ...(only !== undefined && controllers.length === 1
      ? [{ ...credentialsFile(dir, only.credentials), path: join(at(PLACES.creds), "controller.creds") }]
      : []),
    { path: at(PLACES.registry), text: registryText(registry) },
    { path: at(PLACES.config), text: config },
  ];
}

async function certificateFiles(plan: InitPlan, authority: KeyPair | null, now: number): Promise<readonly NewFile[]> {
  if (authority === null) return [];
  const at = within(plan.dir);
  const server = await createCertificate(authority, `nats of ${plan.fleet}`, plan.serverNames, now);
  return [
    { path: at(PLACES.caCert), text: authority.cert },
    { path: at(PLACES.caKey), text: authority.key },
    { path: at(PLACES.serverCert), text: server.cert },
    { path: at(PLACES.serverKey), text: server.key },
  ];
}

function nextSteps({ dir, fleet, listen, tls, serverNames: [server = "SERVER"], people }: InitPlan): string[] {
  const host = tls.kind === "own" ? server : isEverywhere(hostOf(listen)) ? "SERVER" : hostOf(listen);
  const port = /\d+$/.exec(listen)?.[0] ?? "4222";
  const url = `${tls.kind === "none" ? "nats" : "tls"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const creds = (name: string): string => join(dir, PLACES.creds, `${name}.creds`);
  const first = (role: Role): string => people.find((one) => one.role === role)?.name ?? role.toUpperCase();
  const settings = (name: string): string => `nats_url = ${url}, fleet = ${fleet}, credentials = ${name}`;
  return [
    "next:",
    `  1. nats-server -c ${join(dir, PLACES.config)}`,
    `  2. circus-controller controller.ini   with, in [controller]: ${settings(creds(`controller-${first("controller")}`))}`,
    `     circusd circus.ini on each host    with, in [fleet]: ${settings("agent-HOST.creds")}, host = HOST`,
    `  3. export CIRCUSCTL_NATS=${url} CIRCUSCTL_CREDS=${creds(`operator-${first("operator")}`)}; circusctl hosts`,
    `later: circusctl fleet issue --dir ${dir} --role agent --host HOST; circusctl fleet revoke NAME --dir ${dir}`,
  ];
}

/** @returns the exit code. @throws UsageError, FleetError. */
export async function init(request: Request, settings: Settings, io: Io): Promise<number> {
  if (settings.scope !== null)
    throw new UsageError("fleet init takes no --all, --host or --where; name hosts by --hosts");
  const plan = initPlan(request, settings);
  const files = await filesOf(plan, io.now());
  const at = within(plan.dir);
  const folders = [plan.dir, at(PLACES.creds), ...(plan.tls.kind === "own" ? [at("tls")] : [])];
  refuseExisting(files);
  makeDirectories(folders);
  writeAll(files);
  const paths = files.map(({ path }) => path);
  if (settings.json) printDocument({ io, settings }, { dir: plan.dir, fleet: plan.fleet, files: paths });
  else printLines(io, [...paths.map((path) => `wrote ${path}`), "", ...nextSteps(plan)]);
  return EXIT.ok;
}
