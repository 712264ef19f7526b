/** `circusctl fleet issue`: a credential for one more host or person; the running nats-server learns of it. */
import { join, resolve } from "node:path";
import { EXIT, ROLES, type Role } from "@circus-cluster/proto";
import { type Credentials, createSeed, publicKey } from "@circus-cluster/proto/nats";
import type { Request } from "../argv.ts";
import { FleetError } from "../fleet/error.ts";
import { printDocument, printLines } from "../fleet/output.ts";
import type { Io } from "../io.ts";
import { commaList, type Settings, UsageError } from "../settings.ts";
import { createCertificate, type KeyPair } from "./certificates.ts";
import {
  commit,
  locked,
  makeDirectories,
  type NewFile,
  readRegistry,
  readText,
  reloadServer,
  reloadText,
  within,
} from "./directory.ts";
import { holder, isNameFor, PLACES, type Registry, withMember } from "./registry.ts";

/** Of whom a credential says that he is. */
type Subject = Pick<Credentials, "fleet" | "role" | "name">;

interface Made {
  readonly credentials: Credentials;
  readonly publicKey: string;
  /** Of a controller. */
  readonly lockKey?: string;
}

/** Fresh keys; with an authority also a certificate, so that the one file is all that is needed. */
export async function makeCredentials(subject: Subject, authority: KeyPair | null, now: number): Promise<Made> {
  const seed = createSeed();
  const lock = subject.role === "controller" ? createSeed() : null;
  const credentials: Credentials = { v: 1, ...subject, seed, ...(lock === null ? {} : { lock }) };
  const keys = { publicKey: publicKey(seed), ...(lock === null ? {} : { lockKey: publicKey(lock) }) };
  if (authority === null) return { credentials, ...keys };
  const { cert, key } = await createCertificate(authority, `${subject.role} ${subject.name}`, [], now);
  return { credentials: { ...credentials, tls: { ca: authority.cert, cert, key } }, ...keys };
}

export function credentialsFile(dir: string, credentials: Credentials): NewFile {
  const { role, name } = credentials;
  return { path: join(dir, PLACES.creds, `${role}-${name}.creds`), text: `${JSON.stringify(credentials)}\n` };
}

/** `--dir`, made absolute. @throws UsageError */
export function directoryOf({ options }: Pick<Request, "options">, verb: string): string {
  const { dir } = options;
  if (typeof dir !== "string" || dir === "") throw new UsageError(`${verb}: --dir DIR is missing`);
  return resolve(dir);
}

function roleOf({ options }: Pick<Request, "options">, settings: Settings): Role {
  const { role } = options;
  if (role === undefined && settings.scope?.kind === "hosts") return "agent";
  const found = ROLES.find((one) => one === role);
  if (found === undefined) throw new UsageError(`fleet issue: --role has to be one of ${ROLES.join(", ")}`);
  return found;
}

/** Hosts by `--host`, people and controllers by `--name`. @throws UsageError */
function namesOf({ options }: Pick<Request, "options">, { scope }: Settings, role: Role): readonly string[] {
  const option = role === "agent" ? "--host" : "--name";
  const given = role === "agent" ? (scope?.kind === "hosts" ? scope.hosts.join(",") : undefined) : options["name"];
  const names = typeof given === "string" ? commaList(given) : null;
  if (names === null) throw new UsageError(`fleet issue: ${option} A,B says for whom`);
  const wrong = names.find((name) => !isNameFor(role, name));
  if (wrong !== undefined) throw new UsageError(`${option}: ${JSON.stringify(wrong)} is no name`);
  return names;
}

function authorityOf(dir: string, { tls }: Registry): KeyPair | null {
  if (tls.kind !== "own") return null;
  const at = within(dir);
  const hint = "issue where 'circusctl fleet init' ran";
  return { cert: readText(at(PLACES.caCert), hint), key: readText(at(PLACES.caKey), hint) };
}

/** @returns the exit code. @throws UsageError, FleetError. */
export async function issue(request: Request, settings: Settings, io: Io): Promise<number> {
  const dir = directoryOf(request, "fleet issue");
  const role = roleOf(request, settings);
  const names = namesOf(request, settings, role);
  const mayReplace = request.options["replace"] !== undefined;
  const paths = await locked(dir, async () => {
    let registry = readRegistry(dir);
    const authority = authorityOf(dir, registry);
    const files: NewFile[] = [];
    for (const name of names) {
      const other = holder(registry, name);
      if (other !== null && !(mayReplace && other.role === role)) {
        const way = other.role === role ? "--replace makes a new one and revokes it" : "names have to differ";
        throw new FleetError(EXIT.local, `${name} has a credential already, as ${other.role}: ${way}`);
      }
      const made = await makeCredentials({ fleet: registry.fleet, role, name }, authority, io.now());
      const { credentials, ...keys } = made;
      registry = withMember(registry, { role, name, ...keys, issued: io.now() });
      files.push(placed(dir, credentials, request, names.length));
    }
    makeDirectories([within(dir)(PLACES.creds)]);
    commit(dir, registry, files);
    return files.map(({ path }) => path);
  });
  const told = reloadServer(dir);
  if (settings.json) printDocument({ io, settings }, { files: paths, reloaded: told });
  else printLines(io, [...paths.map((path) => `wrote ${path}`), reloadText(dir, told)]);
  return EXIT.ok;
}

/** Where the file goes: `--out`, or beside the others. The file of a credential that was revoked makes room. */
function placed(dir: string, credentials: Credentials, { options }: Request, count: number): NewFile {
  const file = credentialsFile(dir, credentials);
  const { out } = options;
  if (typeof out === "string") {
    if (count > 1) throw new UsageError("--out names one file: issue one credential at a time");
    return { ...file, path: resolve(out) };
  }
  return { ...file, mayReplace: true };
}
