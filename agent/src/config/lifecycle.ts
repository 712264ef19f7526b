/**
 * The keys of a watcher that Circus does not have, about how its processes live (design §3): `healthcheck.*`,
 * `ready.when`, `depends_on`, `on_failed`, `backoff.*`. Pure.
 */
import type { Millis } from "@circus-cluster/proto";
import type { SectionReader } from "./reader.ts";
import { printable, quote } from "./text.ts";
import type { Diagnostic, SourceRef, WatcherConfig } from "./types.ts";

/** Texts may hold `$(circus.wid)` and the other variables of `cmd`; they are replaced for each process. */
export type HealthProbe =
  | { readonly type: "http"; readonly url: string }
  | { readonly type: "tcp"; readonly host: string; readonly port: string }
  | { readonly type: "exec"; readonly cmd: string }
  /** @property watchdog the process has to send WATCHDOG=1 once per interval */
  | { readonly type: "notify"; readonly watchdog: boolean };

export interface HealthcheckConfig {
  readonly probe: HealthProbe;
  readonly intervalMs: Millis;
  readonly timeoutMs: Millis;
  /** Failures in a row that make a process unhealthy. */
  readonly retries: number;
  /** After its start a process may fail for so long, until its first success. */
  readonly startPeriodMs: Millis;
  readonly onUnhealthy: "replace" | "ignore";
}

export interface BackoffConfig {
  /** The delay after the second early death in a row; the first has none. It doubles from there. */
  readonly initialMs: Millis;
  readonly maxMs: Millis;
  /** A process that was healthy this long has proved itself: its death starts the row anew. */
  readonly resetMs: Millis;
}

export interface Lifecycle {
  readonly healthcheck: HealthcheckConfig | null;
  /** Names of other watchers, as they are written there. */
  readonly dependsOn: readonly string[];
  readonly dependsOnAt: SourceRef | null;
  /** `exited`: healthy only once its processes have ended with status 0. */
  readonly readyWhen: "alive" | "exited";
  /** What follows when the watcher gives up. */
  readonly onFailed: "stay" | "quit";
  readonly backoff: BackoffConfig;
}

export const PLAIN_LIFECYCLE: Lifecycle = {
  healthcheck: null,
  dependsOn: [],
  dependsOnAt: null,
  readyWhen: "alive",
  onFailed: "stay",
  backoff: { initialMs: 100, maxMs: 30_000, resetMs: 60_000 },
};

export function resolveLifecycle(reader: SectionReader): Lifecycle {
  const initialMs = reader.duration("backoff.initial");
  const maxMs = reader.duration("backoff.max");
  if (maxMs < initialMs) reader.error("backoff.max", "it is less than backoff.initial");
  const readyWhen = oneOf(reader, "ready.when", ["alive", "exited"]) ?? "alive";
  if (readyWhen === "exited" && reader.bool("respawn")) {
    reader.error("ready.when", "'exited' needs respawn = False: who is started again is never done");
  }
  return {
    healthcheck: resolveHealthcheck(reader),
    dependsOn: namesOf(reader.text("depends_on") ?? ""),
    dependsOnAt: reader.has("depends_on") ? reader.at("depends_on") : null,
    readyWhen,
    onFailed: oneOf(reader, "on_failed", ["stay", "quit"]) ?? "stay",
    backoff: { initialMs, maxMs, resetMs: reader.duration("backoff.reset") },
  };
}

function namesOf(text: string): readonly string[] {
  const names = text.split(/[,\n]/).map((name) => name.trim());
  return [...new Set(names.filter((name) => name !== ""))];
}

function oneOf<T extends string>(reader: SectionReader, key: string, words: readonly T[]): T | null {
  const text = reader.optional(key);
  if (text === null) return null;
  const word = words.find((candidate) => candidate === text.trim().toLowerCase());
  if (word === undefined) reader.error(key, `${quote(text)} is none of ${words.join(", ")}`);
  return word ?? null;
}

const TYPES = ["http", "tcp", "exec", "notify"] as const;
/** Which type of check each of these keys belongs to. */
const BELONGS: Readonly<Record<string, (typeof TYPES)[number]>> = {
  "healthcheck.url": "http",
  "healthcheck.host": "tcp",
  "healthcheck.port": "tcp",
  "healthcheck.cmd": "exec",
};
const COMMON = ["interval", "timeout", "retries", "start_period", "on_unhealthy"].map((key) => `healthcheck.${key}`);

function resolveHealthcheck(reader: SectionReader): HealthcheckConfig | null {
  const type = oneOf(reader, "healthcheck.type", TYPES);
  if (type === null) {
    // What stands in [DEFAULT] is for those that have a check.
    const isOwn = (key: string) => reader.section.entries.get(key)?.isDefault === false;
    const stray = [...Object.keys(BELONGS), ...COMMON].find(isOwn);
    if (stray !== undefined && reader.optional("healthcheck.type") === null) {
      reader.error(stray, `it needs a 'healthcheck.type' (${TYPES.join(", ")})`);
    }
    return null;
  }
  for (const [key, owner] of Object.entries(BELONGS)) {
    if (owner !== type && reader.section.entries.get(key)?.isDefault === false)
      reader.error(key, `it has no meaning for healthcheck.type = ${type}`);
  }
  return {
    probe: probeOf(reader, type),
    intervalMs: reader.duration("healthcheck.interval"),
    timeoutMs: reader.duration("healthcheck.timeout"),
    retries: reader.int("healthcheck.retries"),
    startPeriodMs: reader.duration("healthcheck.start_period"),
    onUnhealthy: oneOf(reader, "healthcheck.on_unhealthy", ["replace", "ignore"]) ?? "replace",
  };
}

function probeOf(reader: SectionReader, type: (typeof TYPES)[number]): HealthProbe {
  const needed = (key: string): string => {
    const text = reader.optional(key)?.trim() ?? "";
    if (text === "")
      reader.error(reader.has(key) ? key : "healthcheck.type", `healthcheck.type = ${type} needs '${key}'`);
    return text;
  };
  switch (type) {
    case "http": {
      const url = needed("healthcheck.url");
      if (url !== "" && !/^https?:\/\/./i.test(url)) {
        reader.error("healthcheck.url", `${quote(url)} is no http:// or https:// address`);
      }
      return { type, url };
    }
    case "tcp": {
      const port = needed("healthcheck.port");
      const isNumber = /^\d+$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535;
      // With a variable in it, it is known only when the process is.
      if (port !== "" && !isNumber && !/\$\(|\(\(/.test(port)) {
        reader.error("healthcheck.port", `${quote(port)} is no port (1 to 65535)`);
      }
      return { type, host: reader.optional("healthcheck.host") ?? "127.0.0.1", port };
    }
    case "exec":
      return { type, cmd: needed("healthcheck.cmd") };
    case "notify":
      return { type, watchdog: reader.has("healthcheck.interval") };
    default:
      return type satisfies never;
  }
}

/** Names in `depends_on` in the spelling of the watcher that they mean; unknown names and cycles are errors. */
export function checkDependencies(
  watchers: readonly WatcherConfig[],
  diagnostics: Diagnostic[],
): readonly WatcherConfig[] {
  const byName = new Map(watchers.map((watcher) => [watcher.name.toLowerCase(), watcher]));
  const resolved = watchers.map((watcher) => {
    const dependsOn = watcher.lifecycle.dependsOn.map((name) => byName.get(name.toLowerCase())?.name ?? name);
    return { ...watcher, lifecycle: { ...watcher.lifecycle, dependsOn: [...new Set(dependsOn)] } };
  });
  for (const watcher of resolved) {
    const error = (message: string) =>
      void diagnostics.push({
        severity: "error",
        at: watcher.lifecycle.dependsOnAt ?? watcher.at,
        message: `depends_on: ${message}`,
      });
    for (const name of watcher.lifecycle.dependsOn) {
      const other = byName.get(name.toLowerCase());
      if (other === undefined) error(`no watcher ${quote(name)}`);
      else if (other.onDemand) error(`${quote(name)} has 'on_demand' and may never start`);
    }
    const cycle = cycleOf(watcher, resolved);
    if (cycle !== null) error(`${cycle.map(printable).join(" → ")} is a circle; none of them could ever start`);
  }
  return resolved;
}

/** The way from a watcher back to itself, told once per circle: by the member whose name comes first. */
function cycleOf(start: WatcherConfig, watchers: readonly WatcherConfig[]): readonly string[] | null {
  const next = new Map(watchers.map(({ name, lifecycle }) => [name, lifecycle.dependsOn]));
  const seen = new Set<string>();
  const walk = (name: string, path: readonly string[]): readonly string[] | null => {
    for (const other of next.get(name) ?? []) {
      if (other === start.name) return [...path, other];
      if (seen.has(other) || other < start.name) continue;
      seen.add(other);
      const found = walk(other, [...path, other]);
      if (found !== null) return found;
    }
    return null;
  };
  return walk(start.name, [start.name]);
}
