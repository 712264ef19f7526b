/** `circusctl context …`: how fleets are reached, by name. Loaded by need: a plain local verb never reads the file. */
import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { EXIT, nearest, parseUserName } from "@circus-cluster/proto";
import type { Request } from "../argv.ts";
import { FleetError } from "../fleet/error.ts";
import { printDocument, printLines, warn } from "../fleet/output.ts";
import { hasColour, type Io } from "../io.ts";
import { table } from "../render/table.ts";
import { type Settings, UsageError } from "../settings.ts";
import { type Context, type Contexts, contextsFile, readContexts, writeContexts } from "./store.ts";

type Work = (request: Request, settings: Settings, io: Io) => number;

const WORK: Readonly<Record<string, Work>> = {
  "context add": add,
  "context list": list,
  "context use": use,
  "context rm": remove,
  "context show": show,
};

/** @returns the exit code. @throws UsageError */
export function runContext(request: Request, settings: Settings, io: Io): number {
  const work = WORK[request.verb];
  if (work === undefined) throw new Error(`no such verb: ${request.verb}`);
  try {
    return work(request, settings, io);
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    io.err(`circusctl: ${error.message}\n`);
    return error.exit;
  }
}

/**
 * The settings with what the context says where neither an option nor the environment does. The context is the one that
 * is named, else the current one.
 *
 * @throws UsageError where the named one is not there, or the file cannot be read
 */
export function applyContext(settings: Settings, env: Io["env"]): Settings {
  const { context: named, nats, creds, tls } = settings;
  const isComplete = nats.length > 0 && creds !== null;
  if (named === null && isComplete) return settings;
  try {
    const contexts = readContexts(env);
    const name = named ?? contexts.current;
    if (name === null) return settings;
    const context = find(contexts, name);
    return {
      ...settings,
      nats: nats.length > 0 ? nats : context.nats,
      creds: creds ?? context.creds,
      tls: { ca: tls.ca ?? context.tls.ca, cert: tls.cert ?? context.tls.cert, key: tls.key ?? context.tls.key },
    };
  } catch (error) {
    if (error instanceof FleetError) throw new UsageError(error.message);
    throw error;
  }
}

function find({ contexts }: Contexts, name: string): Context {
  const found = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (found !== undefined) return found;
  const near = nearest(name, Object.keys(contexts));
  const end = near === null ? "; circusctl context list shows all" : `; did you mean '${near}'?`;
  throw new FleetError(EXIT.local, `there is no context '${name}'${end}`);
}

function add({ words: [name = ""], options }: Request, settings: Settings, io: Io): number {
  if (parseUserName(name) === null) {
    throw new UsageError(`context add: '${name}' is no name: letters, digits, '_' and '-', 1 to 64`);
  }
  const { nats, creds, tls } = settings;
  if (nats.length === 0) throw new UsageError("context add needs --nats URL");
  if (creds === null) throw new UsageError("context add needs --creds FILE");
  const before = readContexts(io.env);
  if (Object.hasOwn(before.contexts, name) && options["replace"] !== true) {
    throw new FleetError(EXIT.local, `context '${name}' is there already; --replace writes it anew`);
  }
  const file = (given: string | null): string | null => (given === null ? null : resolve(given));
  const context: Context = {
    nats,
    creds: file(creds),
    tls: { ca: file(tls.ca), cert: file(tls.cert), key: file(tls.key) },
  };
  const current = before.current ?? name;
  writeContexts(io.env, { v: 1, current, contexts: { ...before.contexts, [name]: context } });
  for (const one of [context.creds, context.tls.ca, context.tls.cert, context.tls.key]) {
    if (one !== null && !isReadable(one)) warn(io, `${one} cannot be read now; the context has it all the same`);
  }
  printLines(io, [current === name ? `context ${name} is used from now on` : `context ${name} added`]);
  return EXIT.ok;
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

function list(_request: Request, settings: Settings, io: Io): number {
  const { current, contexts } = readContexts(io.env);
  if (settings.json) {
    printDocument({ io, settings }, { current, contexts });
    return EXIT.ok;
  }
  const names = Object.keys(contexts).sort();
  if (names.length === 0) warn(io, "there is no context; circusctl context add NAME --nats URL --creds FILE makes one");
  else {
    const columns = [{ title: "" }, { title: "CONTEXT" }, { title: "NATS" }, { title: "CREDENTIALS" }];
    const rows = names.map((name) => [
      name === current ? "*" : "",
      name,
      contexts[name]?.nats.join(",") ?? "",
      contexts[name]?.creds ?? "",
    ]);
    printLines(io, table(columns, rows, hasColour(io)));
  }
  return EXIT.ok;
}

function use({ words: [name = ""] }: Request, _settings: Settings, io: Io): number {
  const contexts = readContexts(io.env);
  find(contexts, name);
  writeContexts(io.env, { ...contexts, current: name });
  return EXIT.ok;
}

function remove({ words: [name = ""] }: Request, _settings: Settings, io: Io): number {
  const before = readContexts(io.env);
  find(before, name);
  const contexts = Object.fromEntries(Object.entries(before.contexts).filter(([one]) => one !== name));
  const isCurrent = before.current === name;
  writeContexts(io.env, { v: 1, current: isCurrent ? null : before.current, contexts });
  if (isCurrent) warn(io, `${name} was the current context; circusctl context use NAME chooses another`);
  return EXIT.ok;
}

function show({ words: [given] }: Request, settings: Settings, io: Io): number {
  const contexts = readContexts(io.env);
  const name = given ?? settings.context ?? contexts.current;
  if (name === null) throw new FleetError(EXIT.local, `no context is used (${contextsFile(io.env)})`);
  const { nats, creds, tls } = find(contexts, name);
  if (settings.json) printDocument({ io, settings }, { name, nats, creds, tls });
  else {
    const files = { creds, "tls-ca": tls.ca, "tls-cert": tls.cert, "tls-key": tls.key };
    printLines(io, [
      `context ${name}`,
      `  nats      ${nats.join(",")}`,
      ...Object.entries(files).flatMap(([key, file]) => (file === null ? [] : [`  ${key.padEnd(8)}  ${file}`])),
    ]);
  }
  return EXIT.ok;
}
