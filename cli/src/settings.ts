/** Global options and environment as typed values, once, at the edge. Pure. */
import {
  type HostName,
  type LabelCondition,
  parseConditions,
  parseDuration,
  parseHostName,
} from "@circus-cluster/proto";
import type { Request } from "./argv.ts";

/** Which hosts of the fleet. */
type Scope =
  | { readonly kind: "all" }
  | { readonly kind: "hosts"; readonly hosts: readonly HostName[] }
  | { readonly kind: "where"; readonly conditions: readonly LabelCondition[] };

/** A host to reach the agent through. */
export interface SshServer {
  readonly user: string | null;
  readonly host: string;
  readonly port: number | null;
  readonly keyfile: string | null;
}

export interface Settings {
  /** Null: the local agent (or, for the fleet's own verbs, all hosts). */
  readonly scope: Scope | null;
  readonly endpoint: string;
  /** `--endpoint` alone: the event channel has another default and no variable. */
  readonly givenEndpoint: string | null;
  readonly ssh: SshServer | null;
  readonly timeoutMs: number;
  readonly json: boolean;
  /** Blanks a level; 0: one line. */
  readonly indent: number;
  /** Name of what says how the fleet is reached; null: the current one. */
  readonly context: string | null;
  readonly nats: readonly string[];
  readonly creds: string | null;
  readonly tls: { readonly ca: string | null; readonly cert: string | null; readonly key: string | null };
}

/** A mistake on the command line: exit 2. */
export class UsageError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "UsageError";
  }
}

/** By name: the parts of the program are bundled apart, each with its own classes. */
export function isUsageError(error: unknown): error is UsageError {
  return error instanceof Error && error.name === "UsageError";
}

const ENDPOINT = "tcp://127.0.0.1:5555";
const TIMEOUT_MS = 5000;
const TIMEOUT_MAX_MS = 24 * 3_600_000;

/** A comma list; null where nothing is in it. */
export function commaList(text: string): readonly string[] | null {
  const items = text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
  return items.length === 0 ? null : [...new Set(items)];
}

function hostList(text: string, option: string): readonly HostName[] {
  const names = commaList(text);
  if (names === null) throw new UsageError(`${option} names no host`);
  return names.map((name) => {
    const host = parseHostName(name);
    if (host === null) throw new UsageError(`${option}: ${JSON.stringify(name)} is no host name`);
    return host;
  });
}

function conditionsOf(text: string): readonly LabelCondition[] {
  const conditions = parseConditions(text);
  if (conditions === null) throw new UsageError(`--where ${text}: KEY=VALUE or KEY!=VALUE is wanted`);
  return conditions;
}

function scopeOf(options: Request["options"]): Scope | null {
  const given = ["all", "host", "where"].filter((name) => options[name] !== undefined);
  if (given.length > 1) {
    throw new UsageError(`${given.map((name) => `--${name}`).join(" and ")} exclude each other`);
  }
  if (options["all"] !== undefined) return { kind: "all" };
  const { host, where } = options;
  if (typeof host === "string") return { kind: "hosts", hosts: hostList(host, "--host") };
  if (typeof where === "string") return { kind: "where", conditions: conditionsOf(where) };
  return null;
}

function sshOf({ ssh, ssh_keyfile: keyfile }: Request["options"], scope: Scope | null): SshServer | null {
  if (typeof ssh !== "string") {
    if (keyfile !== undefined) throw new UsageError("--ssh_keyfile is for --ssh, which is not given");
    return null;
  }
  if (scope !== null) throw new UsageError("--ssh leads to one agent: without --all, --host and --where");
  const [, user, bracketed, name, port] =
    /^(?:([^@\s]+)@)?(?:\[([^\]\s]+)\]|([^:@\s[\]]+))(?::(\d{1,5}))?$/.exec(ssh) ?? [];
  const host = bracketed ?? name;
  // ssh would take a name that begins so for an option.
  if (host === undefined || /^-/.test(user ?? "") || host.startsWith("-") || Number(port ?? 22) > 65_535) {
    throw new UsageError(`--ssh ${JSON.stringify(ssh)}: USER@HOST:PORT is wanted; USER and PORT may be left out`);
  }
  return {
    user: user ?? null,
    host,
    port: port === undefined ? null : Number(port),
    keyfile: typeof keyfile === "string" ? keyfile : null,
  };
}

/** A time of the command line in ms, e.g. `10s`, `1m`; bare numbers are seconds. */
export function durationOption(options: Request["options"], name: string): number | null {
  const text = options[name];
  if (typeof text !== "string") return null;
  const ms = parseDuration(text);
  if (ms === null || ms > TIMEOUT_MAX_MS) {
    throw new UsageError(`--${name} ${JSON.stringify(text)} is no time such as 10s or 1m30s`);
  }
  return Math.round(ms);
}

/** @throws UsageError */
export function settingsOf(
  { options }: Pick<Request, "options">,
  env: Readonly<Record<string, string | undefined>>,
): Settings {
  const text = (name: string, variable: string): string | null => {
    const given = options[name];
    return (typeof given === "string" ? given : (env[variable] ?? "")) || null;
  };
  const timeoutMs = durationOption(options, "timeout") ?? TIMEOUT_MS;
  if (timeoutMs < 1) throw new UsageError("--timeout has to be above 0");
  const scope = scopeOf(options);
  const { endpoint: given } = options;
  return {
    scope,
    endpoint: text("endpoint", "CIRCUSCTL_ENDPOINT") ?? ENDPOINT,
    givenEndpoint: typeof given === "string" && given !== "" ? given : null,
    ssh: sshOf(options, scope),
    timeoutMs,
    json: options["json"] === true,
    indent: options["prettify"] === true ? 2 : 0,
    context: text("context", "CIRCUSCTL_CONTEXT"),
    nats: commaList(text("nats", "CIRCUSCTL_NATS") ?? "") ?? [],
    creds: text("creds", "CIRCUSCTL_CREDS"),
    tls: {
      ca: text("tls-ca", "CIRCUSCTL_TLS_CA"),
      cert: text("tls-cert", "CIRCUSCTL_TLS_CERT"),
      key: text("tls-key", "CIRCUSCTL_TLS_KEY"),
    },
  };
}
