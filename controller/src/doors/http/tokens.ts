/**
 * Who may use the HTTP door: a file with one line per token, `NAME ROLE SHA-256`. A token itself is 32 random bytes
 * and stands nowhere; so a plain hash is enough, nothing can be guessed from it.
 */
import { createHash, randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { CircusError, type Logger, type Millis, parseUserName, reasonOf, type UserName } from "@circus-cluster/proto";

export const HTTP_ROLES = ["viewer", "operator"] as const;
export type HttpRole = (typeof HTTP_ROLES)[number];

export interface Holder {
  readonly name: UserName;
  readonly role: HttpRole;
}

/** By hash. */
type Holders = ReadonlyMap<string, Holder>;

const MODE = 0o600;
const TOKEN_BYTES = 32;
/** Tells people and secret scanners what a stray token is. */
const PREFIX = "circus_";
const HEAD =
  "# Tokens of circus-controller's HTTP API: NAME ROLE SHA-256. A line removed is a token revoked, at once.\n";
/** A change of the file is noticed within this. */
const LOOK_MS = 1000;

export function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** @throws CircusError `message` with the file and the line of the first mistake */
function parseTokens(text: string, path: string): Holders {
  const holders = new Map<string, Holder>();
  const names = new Set<string>();
  for (const [index, line] of text.split("\n").entries()) {
    const [word = "", roleWord = "", hash = "", ...rest] = line.trim().split(/\s+/);
    if (word === "" || word.startsWith("#")) continue;
    const name = parseUserName(word);
    const role = HTTP_ROLES.find((one) => one === roleWord);
    const wrong =
      name === null
        ? "the name has letters, digits, '_' and '-' only, 64 at most"
        : role === undefined
          ? `the role is one of ${HTTP_ROLES.join(", ")}`
          : !/^[0-9a-f]{64}$/.test(hash) || rest.length > 0
            ? "after the role comes the SHA-256 of the token in hex, and nothing else"
            : names.has(name)
              ? `'${name}' has a token already`
              : null;
    if (wrong !== null || name === null || role === undefined) {
      throw new CircusError("message", `${path}:${index + 1}: ${wrong}`);
    }
    names.add(name);
    holders.set(hash, { name, role });
  }
  return holders;
}

/**
 * Null where there is no such file.
 *
 * @throws CircusError with one line where it is no list of tokens, or others may read or change it
 */
export function readTokens(path: string): Holders | null {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return null;
    if ((stats.mode & 0o077) !== 0) {
      const bits = (stats.mode & 0o777).toString(8);
      throw new CircusError("os", `${path} is open to others (mode ${bits}); chmod 600 it`);
    }
    return parseTokens(readFileSync(path, "utf8"), path);
  } catch (error) {
    if (error instanceof CircusError) throw error;
    throw new CircusError("os", `cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * Makes a token and adds its hash to the file, which is made where it is missing.
 *
 * @returns the token, which cannot be had a second time
 * @throws CircusError `conflict` where the name has one
 */
export function addToken(path: string, { name, role }: Holder): string {
  const known = [...(readTokens(path)?.values() ?? [])];
  if (known.some((holder) => holder.name === name)) {
    throw new CircusError("conflict", `'${name}' has a token already; revoke it first (token --revoke ${name})`);
  }
  const token = PREFIX + randomBytes(TOKEN_BYTES).toString("base64url");
  const before = known.length === 0 ? HEAD : readFileSync(path, "utf8").replace(/\n*$/, "\n");
  replace(path, `${before}${name} ${role} ${hashOf(token)}\n`);
  return token;
}

/**
 * Takes the token of this name out of the file; a controller that runs refuses it within a second.
 *
 * @throws CircusError `not-found` where the name has none
 */
export function revokeToken(path: string, name: UserName): void {
  const isKnown = [...(readTokens(path)?.values() ?? [])].some((holder) => holder.name === name);
  if (!isKnown) throw new CircusError("not-found", `'${name}' has no token in ${path}`);
  const lines = readFileSync(path, "utf8").split("\n");
  replace(path, lines.filter((line) => line.trim().split(/\s+/)[0] !== name).join("\n"));
}

/** Whole or not at all: the controller may read it at any moment. */
function replace(path: string, text: string): void {
  const draft = `${path}.${process.pid}.new`;
  try {
    const file = openSync(draft, "wx", MODE);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw new CircusError("os", `cannot write ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

/** The file as it is now. While it is missing or wrong nobody has a token. */
export class TokenFile {
  readonly #path: string;
  readonly #log: Logger;
  readonly #now: () => Millis;
  #holders: Holders = new Map();
  #lookedMs = Number.NEGATIVE_INFINITY;
  #seen = "";

  /** @param now monotonic */
  constructor(path: string, log: Logger, now: () => Millis = () => performance.now()) {
    this.#path = path;
    this.#log = log;
    this.#now = now;
  }

  /** Null for a token that is not, or no longer, in the file. */
  holderOf(token: string): Holder | null {
    this.#look();
    return this.#holders.get(hashOf(token)) ?? null;
  }

  #look(): void {
    const now = this.#now();
    if (now - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = now;
    const stats = statSync(this.#path, { throwIfNoEntry: false });
    const seen = stats === undefined ? "none" : `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.mode}`;
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#holders = new Map();
    try {
      const holders = readTokens(this.#path);
      if (holders === null) this.#log.warning("no token is valid: there is no such file", { file: this.#path });
      else {
        this.#holders = holders;
        this.#log.info("tokens read", { file: this.#path, tokens: holders.size });
      }
    } catch (error) {
      this.#log.error("no token is valid until the file is mended", { reason: reasonOf(error) });
    }
  }
}
