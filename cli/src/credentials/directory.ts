/**
 * The directory of a fleet on disk: read, changed by one person at a time, written all or nothing. Where a
 * nats-server runs from it on this machine, it is told to read its configuration again.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, reasonOf } from "@circus-cluster/proto";
import { FleetError } from "../fleet/error.ts";
import { replaceFile } from "../replace-file.ts";
import { configOf, PLACES, parseRegistry, type Registry } from "./registry.ts";

/** A file that must not be there yet, unless it may take an older one's place. */
export interface NewFile {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
  readonly mayReplace?: true;
}

const DIR_MODE = 0o700;
const FILE_MODE = 0o600;

export function within(dir: string): (place: string) => string {
  return (place) => join(dir, place);
}

/** @throws FleetError */
export function refuseExisting(files: readonly NewFile[]): void {
  const there = files.find(({ path, mayReplace }) => mayReplace !== true && existsSync(path));
  if (there !== undefined) throw new FleetError(EXIT.local, `${there.path} is there already; nothing was written`);
}

/** @throws FleetError where a file is there already or cannot be written; then none is left behind. */
export function writeAll(files: readonly NewFile[]): void {
  refuseExisting(files);
  const written: string[] = [];
  try {
    for (const { path, text } of files) {
      writeFileSync(path, text, { mode: FILE_MODE, flag: "wx" });
      written.push(path);
    }
  } catch (error) {
    for (const path of written) rmSync(path, { force: true });
    throw notWritten(error);
  }
}

/** @throws FleetError */
export function makeDirectories(paths: readonly string[]): void {
  try {
    for (const path of paths) {
      mkdirSync(path, { recursive: true, mode: DIR_MODE });
      chmodSync(path, DIR_MODE);
    }
  } catch (error) {
    throw notWritten(error);
  }
}

function notWritten(cause: unknown): FleetError {
  return new FleetError(EXIT.local, `cannot write the fleet's files: ${reasonOf(cause)}; none is left`, { cause });
}

export function registryText(registry: Registry): string {
  return `${JSON.stringify(registry, null, 2)}\n`;
}

/** @throws FleetError */
export function readRegistry(dir: string): Registry {
  const path = join(dir, PLACES.registry);
  const registry = parseRegistry(readText(path, `is ${dir} what 'circusctl fleet init' made?`));
  if (typeof registry === "string") throw new FleetError(EXIT.local, `${path} ${registry}`);
  return registry;
}

/** @param hint what to do where there is no such file. @throws FleetError */
export function readText(path: string, hint: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw new FleetError(EXIT.local, `${path}: ${isMissing ? `no such file; ${hint}` : reasonOf(error)}`, {
      cause: error,
    });
  }
}

/**
 * Changes who belongs to the fleet: the new credentials first, under names of their own, then the registry; then the
 * credentials take their places, and the configuration is made of the registry.
 *
 * @throws FleetError; then nothing has changed, or the configuration lags behind and the message says so
 */
export function commit(dir: string, registry: Registry, credentials: readonly NewFile[]): void {
  const config = madeConfig(dir, registry);
  refuseExisting(credentials);
  const staged = credentials.map(({ path, text }) => ({ path: `${path}.new`, text }));
  for (const { path } of staged) rmSync(path, { force: true }); // of one that was killed
  writeAll(staged);
  try {
    replaceFile(join(dir, PLACES.registry), registryText(registry));
  } catch (error) {
    for (const { path } of staged) rmSync(path, { force: true });
    throw new FleetError(EXIT.local, `cannot write ${join(dir, PLACES.registry)}: ${reasonOf(error)}; nothing changed`);
  }
  for (const { path } of credentials) renameSync(`${path}.new`, path);
  try {
    replaceFile(join(dir, PLACES.config), config);
  } catch (error) {
    const path = join(dir, PLACES.config);
    throw new FleetError(EXIT.local, `cannot write ${path}: ${reasonOf(error)}; 'circusctl fleet show' tries again`);
  }
}

/** Makes the configuration what the registry says. @returns false where it was so already. @throws FleetError */
export function mendConfig(dir: string, registry: Registry): boolean {
  const path = join(dir, PLACES.config);
  const text = madeConfig(dir, registry);
  if (existsSync(path) && readText(path, "").trimEnd() === text.trimEnd()) return false;
  try {
    replaceFile(path, text);
  } catch (error) {
    throw new FleetError(EXIT.local, `cannot write ${path}: ${reasonOf(error)}`);
  }
  return true;
}

function madeConfig(dir: string, registry: Registry): string {
  try {
    return configOf(registry, within(dir));
  } catch (error) {
    throw new FleetError(EXIT.local, `${reasonOf(error)}; nothing changed`);
  }
}

/** Two at a time would lose one's change. @throws FleetError where somebody else is at it. */
export async function locked<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const path = join(dir, "fleet.lock");
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(path, `${process.pid}\n`, { flag: "wx", mode: FILE_MODE });
      break;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : "";
      if (code === "ENOENT") throw new FleetError(EXIT.local, `${dir}: no such directory`);
      if (code !== "EEXIST") throw new FleetError(EXIT.local, `cannot write ${path}: ${reasonOf(error)}`);
      const pid = Number(existsSync(path) ? readFileSync(path, "utf8") : "");
      if (attempt > 0 || isProcess(pid)) {
        throw new FleetError(EXIT.local, `another circusctl (pid ${pid}) is changing this fleet: ${path}`);
      }
      rmSync(path, { force: true }); // of one that was killed
    }
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function isProcess(pid: number): boolean {
  return Number.isSafeInteger(pid) && pid > 0 && existsSync(`/proc/${pid}`);
}

/** @returns the pid of the nats-server that was told to read its configuration again; null: none runs here. */
export function reloadServer(dir: string): number | null {
  const path = join(dir, PLACES.pidFile);
  if (!existsSync(path)) return null;
  const pid = Number(readFileSync(path, "utf8"));
  if (!isProcess(pid)) return null;
  const comm = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  if (comm !== "nats-server") return null; // the number is somebody else's by now
  process.kill(pid, "SIGHUP");
  return pid;
}

/** The line that tells what became of the running server. */
export function reloadText(dir: string, told: number | null): string {
  return told === null
    ? `no nats-server of ${join(dir, PLACES.config)} runs here: it reads this when it starts, or by 'nats-server --signal reload'`
    : `told the nats-server (pid ${told}) to read its configuration again; connected hosts stay connected`;
}
