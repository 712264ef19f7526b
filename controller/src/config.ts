/** `controller.ini` → settings. Every mistake is one line `FILE:LINE: …`; all of them are collected. */
import { readFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { dirname, isAbsolute, join, resolve } from "node:path";
import {
  type Millis,
  natsUrlFault,
  nearest,
  parseBytes,
  parseDuration,
  parseUserName,
  reasonOf,
  type UserName,
} from "@circus-cluster/proto";
import { type Credentials, readCredentials, type TlsFiles } from "@circus-cluster/proto/nats";
import { parse as parseIni } from "ini";
import { type HttpConfig, readHttp } from "./config-http.ts";
import { type IniPlaces, locate } from "./config-lines.ts";
import { NOTIFY, readRule } from "./config-notify.ts";
import { KEEP_DEFAULT_MS, parseKeep } from "./keep.ts";
import { CONTROLLER_KEYS, type ControllerKey } from "./keys.ts";
import type { Rule } from "./notify/rules.ts";
import { PRESENCE_TIMINGS, type PresenceTimings } from "./presence/core.ts";
import { ROLLOUT_TIMINGS, type RolloutTimings } from "./rollout/state.ts";
import type { Keep } from "./store/retention.ts";

export interface ControllerConfig {
  readonly natsUrls: readonly string[];
  readonly fleet: string;
  readonly name: UserName;
  /** Null: without authentication (a private test server). */
  readonly credentials: Credentials | null;
  readonly stateDir: string;
  readonly tls: TlsFiles;
  readonly keep: Keep;
  /** Servers of NATS that keep a copy of events and lock; null: as they are, or one. */
  readonly replicas: number | null;
  /** Null: no HTTP. */
  readonly http: HttpConfig | null;
  /** Whom to tell of what. */
  readonly notify: readonly Rule[];
  readonly timings: Timings;
}

/** How fast things happen; only tests change them, by the undocumented key `timings`. */
interface Timings {
  readonly presence: PresenceTimings;
  readonly rollout: RolloutTimings;
  /** How often silence and countdowns are looked at. */
  readonly tickMs: Millis;
  /** Until the first pruning after a start; null: the usual. */
  readonly firstPruneMs: Millis | null;
}

export type LoadedConfig =
  | { readonly ok: true; readonly config: ControllerConfig }
  | { readonly ok: false; readonly problems: readonly string[] };

export interface ConfigWorld {
  /** Short name of this machine. */
  readonly hostName: string;
  /** Where state is kept unless `state_dir` says. */
  readonly stateDir: string;
}

const SECTION = "controller";
/** Smaller ones would hold less than a day of a small fleet. */
const KEEP_BYTES_MIN = 16 * 1024 * 1024;
/** An even number outlives the loss of no more servers than the odd one below it. */
const REPLICAS = ["1", "3", "5"];
const KEYS = CONTROLLER_KEYS.map(({ key }) => key);
type Key = ControllerKey | "timings";
const TOKEN_RULE = "letters, digits, '_' and '-', 1 to 64, the first a letter or digit";

export function worldOf(env: NodeJS.ProcessEnv, uid: number): ConfigWorld {
  const [hostName = ""] = hostname().split(".");
  const userState = env["XDG_STATE_HOME"] ?? join(homedir(), ".local", "state");
  return { hostName, stateDir: uid === 0 ? "/var/lib/circus-controller" : join(userState, "circus-controller") };
}

/** Reads and checks a file, and the credentials it names. */
export function loadConfig(file: string, world: ConfigWorld): LoadedConfig {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const words: Readonly<Record<string, string>> = {
      ENOENT: "no such file",
      EACCES: "permission denied",
      EISDIR: "it is a directory",
    };
    return { ok: false, problems: [`${file}: ${words[code] ?? reasonOf(error)}`] };
  }
  return new Reader(file, text, world).config();
}

class Reader {
  readonly #file: string;
  readonly #world: ConfigWorld;
  readonly #places: IniPlaces;
  readonly #sections: Readonly<Record<string, unknown>>;
  readonly #problems: { readonly line: number; readonly text: string }[] = [];

  constructor(file: string, text: string, world: ConfigWorld) {
    this.#file = file;
    this.#world = world;
    this.#places = locate(text);
    this.#sections = parseIni(text);
  }

  config(): LoadedConfig {
    this.#checkShape();
    const natsUrls = this.#natsUrls();
    const fleet = this.#fleet();
    const credentials = this.#credentials(fleet);
    const name = this.#name(credentials);
    const stateDir = this.#path("state_dir") ?? this.#world.stateDir;
    const tls = this.#tls();
    const keep: Keep = { ageMs: this.#keepAge(), sizeBytes: this.#keepSize() };
    const replicas = this.#replicas();
    const http = readHttp({
      text: (key) => this.#text(key),
      path: (key) => this.#path(key),
      wrong: (key, text) => this.#wrong(key, text),
    });
    const notify = this.#notify();
    const timings = this.#timings();
    if (this.#problems.length > 0 || name === null) {
      const sorted = [...this.#problems].sort((a, b) => a.line - b.line);
      return { ok: false, problems: sorted.map(({ line, text }) => `${this.#file}:${line}: ${text}`) };
    }
    return {
      ok: true,
      config: { natsUrls, fleet, name, credentials, stateDir, tls, keep, replicas, http, notify, timings },
    };
  }

  #checkShape(): void {
    const { sections, keys, strange } = this.#places;
    for (const { line, text } of strange) this.#problem(line, `'${text.slice(0, 60)}' is no 'key = value'`);
    for (const { name, line } of sections) {
      if (name === SECTION || name.startsWith(NOTIFY)) continue;
      this.#problem(line, `unknown section [${name}]; there are [${SECTION}] and [${NOTIFY}NAME]`);
    }
    if (!sections.some(({ name }) => name === SECTION)) this.#problem(1, `section [${SECTION}] is missing`);
    const first = new Map<string, number>();
    for (const { section, key, line } of keys) {
      if (section === null) this.#problem(line, `'${key}' stands before the section [${SECTION}]`);
      const place = `${section ?? ""}\n${key}`;
      const before = first.get(place);
      if (before !== undefined) this.#problem(line, `'${key}' was given on line ${before} already`);
      else first.set(place, line);
      if (section !== SECTION) continue;
      if ([...KEYS, "timings"].some((known) => known === key)) continue;
      const meant = nearest(key, KEYS);
      const end = meant === null ? `; known: ${KEYS.join(", ")}` : `; did you mean '${meant}'?`;
      this.#problem(line, `unknown key '${key}'${end}`);
    }
  }

  #natsUrls(): readonly string[] {
    const text = this.#text("nats_url");
    if (text === null) {
      if (this.#lineOf(SECTION, "nats_url") === null) this.#wrong("nats_url", "'nats_url' is missing");
      return [];
    }
    const urls = text.split(/[\s,]+/).filter((url) => url !== "");
    for (const url of urls) {
      const fault = natsUrlFault(url);
      if (fault !== null) this.#wrong("nats_url", fault);
    }
    return urls;
  }

  #fleet(): string {
    const fleet = this.#text("fleet") ?? "main";
    if (parseUserName(fleet) === null) this.#wrong("fleet", `'${fleet}' is no name of a fleet: ${TOKEN_RULE}`);
    return fleet;
  }

  #credentials(fleet: string): Credentials | null {
    const path = this.#path("credentials");
    if (path === null) return null;
    try {
      const credentials = readCredentials(path);
      const { role, name } = credentials;
      if (role !== "controller") this.#wrong("credentials", `they are of the ${role} '${name}', not of a controller`);
      else if (credentials.fleet !== fleet) {
        this.#wrong("credentials", `they are of fleet '${credentials.fleet}', not of '${fleet}'`);
      }
      return credentials;
    } catch (error) {
      this.#wrong("credentials", reasonOf(error));
      return null;
    }
  }

  #name(credentials: Credentials | null): UserName | null {
    const written = this.#text("name");
    const text = written ?? credentials?.name ?? this.#world.hostName;
    const name = parseUserName(text);
    if (name === null) {
      const advice = written === null ? " (the name of this machine); set 'name'" : "";
      this.#wrong("name", `'${text}' is no name of a controller: ${TOKEN_RULE}${advice}`);
    } else if (credentials !== null && credentials.name !== text) {
      this.#wrong("name", `the credentials are of '${credentials.name}', not of '${text}'`);
    }
    return name;
  }

  #tls(): TlsFiles {
    const tls = { ca: this.#path("tls_ca"), cert: this.#path("tls_cert"), key: this.#path("tls_key") };
    if (tls.cert !== null && tls.key === null) this.#wrong("tls_cert", "it needs 'tls_key'");
    if (tls.key !== null && tls.cert === null) this.#wrong("tls_key", "it needs 'tls_cert'");
    return tls;
  }

  #keepAge(): Millis | null {
    const text = this.#text("keep") ?? "";
    if (text === "") return KEEP_DEFAULT_MS;
    const ms = text === "forever" ? null : parseKeep(text);
    if (ms === undefined)
      this.#wrong("keep", `'${text}' is neither 'forever' nor a time of a day or more, such as 30d`);
    return ms ?? null;
  }

  #keepSize(): number | null {
    const text = this.#text("keep_size");
    if (text === null) return null;
    const bytes = parseBytes(text);
    if (bytes === null || bytes < KEEP_BYTES_MIN) {
      this.#wrong("keep_size", `'${text}' is no size of 16M or more, such as 10G`);
    }
    return bytes;
  }

  #replicas(): number | null {
    const text = this.#text("replicas");
    if (text !== null && !REPLICAS.includes(text))
      this.#wrong("replicas", `'${text}' is none of ${REPLICAS.join(", ")}`);
    return text === null ? null : Number(text);
  }

  #timings(): Timings {
    const given = new Map<string, Millis>();
    for (const part of (this.#text("timings") ?? "").split(/\s+/).filter((word) => word !== "")) {
      const [name = "", text = ""] = part.split("=");
      const ms = parseDuration(text);
      if (ms === null || !["lost", "grace", "answer", "resend", "tick", "prune"].includes(name)) {
        this.#wrong("timings", `'${part}' is none of lost, grace, answer, resend, tick, prune = DURATION`);
      } else given.set(name, ms);
    }
    const { lostMs, graceMs } = PRESENCE_TIMINGS;
    const { answerMs, resendMs } = ROLLOUT_TIMINGS;
    return {
      presence: { ...PRESENCE_TIMINGS, lostMs: given.get("lost") ?? lostMs, graceMs: given.get("grace") ?? graceMs },
      rollout: {
        ...ROLLOUT_TIMINGS,
        answerMs: given.get("answer") ?? answerMs,
        resendMs: given.get("resend") ?? resendMs,
      },
      tickMs: given.get("tick") ?? TICK_MS,
      firstPruneMs: given.get("prune") ?? null,
    };
  }

  #notify(): readonly Rule[] {
    const names = this.#places.sections.map(({ name }) => name).filter((name) => name.startsWith(NOTIFY));
    return [...new Set(names)].flatMap((name) => {
      const rule = readRule({
        name,
        keys: this.#places.keys.filter(({ section }) => section === name).map(({ key }) => key),
        text: (key) => this.#textIn(name, key),
        path: (key) => this.#pathOf(this.#textIn(name, key)),
        wrong: (key, text) => this.#wrongIn(name, key, text),
      });
      return rule ?? [];
    });
  }

  #text(key: Key): string | null {
    return this.#textIn(SECTION, key);
  }

  /** Null where the key is missing, or empty (a mistake that is noted). */
  #textIn(name: string, key: string): string | null {
    if (this.#lineOf(name, key) === null) return null;
    const section = this.#sections[name];
    const values = typeof section === "object" && section !== null ? (section as Record<string, unknown>) : {};
    const value = values[key];
    const text = typeof value === "string" || typeof value === "boolean" ? String(value).trim() : "";
    if (text === "") this.#wrongIn(name, key, `'${key}' is empty`);
    return text === "" ? null : text;
  }

  #path(key: Key): string | null {
    return this.#pathOf(this.#text(key));
  }

  /** Relative to the directory of the file. */
  #pathOf(text: string | null): string | null {
    if (text === null || isAbsolute(text)) return text;
    return resolve(dirname(this.#file), text);
  }

  #sectionLine(name: string): number {
    return this.#places.sections.find((section) => section.name === name)?.line ?? 1;
  }

  #lineOf(name: string, key: string): number | null {
    return this.#places.keys.find((place) => place.section === name && place.key === key)?.line ?? null;
  }

  #wrong(key: Key, text: string): void {
    this.#wrongIn(SECTION, key, text);
  }

  /** @param key null: the section as a whole */
  #wrongIn(name: string, key: string | null, text: string): void {
    this.#problem((key === null ? null : this.#lineOf(name, key)) ?? this.#sectionLine(name), text);
  }

  #problem(line: number, text: string): void {
    // What is quoted of the file must not drive a terminal.
    this.#problems.push({ line, text: text.replace(/[\p{Cc}\p{Cf}]/gu, "?") });
  }
}

const TICK_MS = 250;
