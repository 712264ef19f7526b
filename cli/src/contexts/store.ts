/** Where contexts are kept: `$XDG_CONFIG_HOME/circusctl/contexts.json`, mode 0600. */
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { EXIT, issueText, parse, reasonOf, type Schema, v } from "@circus-cluster/proto";
import { FleetError } from "../fleet/error.ts";
import type { Io } from "../io.ts";
import { replaceFile } from "../replace-file.ts";

/** How to reach one fleet; paths are absolute. */
export interface Context {
  readonly nats: readonly string[];
  readonly creds: string | null;
  readonly tls: { readonly ca: string | null; readonly cert: string | null; readonly key: string | null };
}

export interface Contexts {
  readonly v: 1;
  /** Used where nothing else is said; null: none. */
  readonly current: string | null;
  readonly contexts: Readonly<Record<string, Context>>;
}

const path = v.nullable(v.pipe(v.string(), v.minLength(1)));
const contextsSchema: Schema<Contexts> = v.strictObject({
  v: v.literal(1, "is another version than 1"),
  current: v.nullable(v.string()),
  contexts: v.record(
    v.string(),
    v.strictObject({
      nats: v.array(v.string()),
      creds: path,
      tls: v.strictObject({ ca: path, cert: path, key: path }),
    }),
  ),
});

const NONE: Contexts = { v: 1, current: null, contexts: {} };

export function contextsFile(env: Io["env"]): string {
  const config = (env["XDG_CONFIG_HOME"] ?? "") || join(env["HOME"] ?? "", ".config");
  return join(config, "circusctl", "contexts.json");
}

/** None where there is no file. @throws FleetError for a file that cannot be read. */
export function readContexts(env: Io["env"]): Contexts {
  const file = contextsFile(env);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return NONE;
    throw new FleetError(EXIT.local, `contexts ${file}: ${reasonOf(error)}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FleetError(EXIT.local, `contexts ${file}: it is not JSON; mend it or delete it`);
  }
  const parsed = parse(contextsSchema, value);
  if (!parsed.ok) throw new FleetError(EXIT.local, `contexts ${file}: ${issueText(parsed.issues)}`);
  return parsed.value;
}

/** Whole or not at all. @throws FleetError where it cannot be written. */
export function writeContexts(env: Io["env"], contexts: Contexts): void {
  const file = contextsFile(env);
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    replaceFile(file, `${JSON.stringify(contexts, null, 2)}\n`);
  } catch (error) {
    throw new FleetError(EXIT.local, `contexts ${file} cannot be written: ${reasonOf(error)}`, { cause: error });
  }
}
