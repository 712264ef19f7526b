/**
 * Names that travel: branded types, their parsers and the one reversible escaping of user text into a
 * subject token. `nats` 2.29 validates no subject, so nothing reaches a subject but through here.
 */
declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/** A host of the fleet; also a subject token: `^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`, no dots (design §4). */
export type HostName = Brand<string, "HostName">;
/** A person or controller as the broker knows it; same alphabet as a host. */
export type UserName = Brand<string, "UserName">;
/** An escaped piece of user text, safe as one subject token. */
export type Token = Brand<string, "Token">;

/** Longest watcher name in bytes of UTF-8. */
export const NAME_BYTES_MAX = 128;

/** In place of a host: the events of the controllers themselves. */
export const FLEET_TOKEN = "_fleet";

/** Words that stand where a host stands, and so cannot be a host. */
export const RESERVED_HOSTS = ["_all", FLEET_TOKEN] as const;

/** The watcher token of events that concern the whole agent. */
export const AGENT_TOKEN = "_agent" as Token;

const HOST = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const NEVER_ESCAPED = /^[A-Za-z0-9-]{1,128}$/;
const PLAIN = /^[A-Za-z0-9-]$/;

/** @returns the name, or null where it is no host name (a dot, a blank, a leading `_`, too long). */
export function parseHostName(text: unknown): HostName | null {
  return typeof text === "string" && HOST.test(text) ? (text as HostName) : null;
}

/** @returns the name, or null where it is no user name. */
export function parseUserName(text: unknown): UserName | null {
  return typeof text === "string" && HOST.test(text) ? (text as UserName) : null;
}

/**
 * Escapes any text into one subject token, reversibly: letters, digits and `-` stay, every other byte of
 * its UTF-8 becomes `_XX` in hex. No escaped text can equal `_agent`, `_all` or `_fleet`, whose second
 * character pair is no hex number.
 *
 * @throws RangeError for an empty text or one above {@link NAME_BYTES_MAX}.
 */
export function escapeToken(text: string): Token {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length === 0 || bytes.length > NAME_BYTES_MAX) {
    throw new RangeError(`a name has 1 to ${NAME_BYTES_MAX} bytes, this one ${bytes.length}`);
  }
  let out = "";
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    out += byte < 128 && PLAIN.test(char) ? char : `_${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out as Token;
}

/** The text that {@link escapeToken} was given, or null where the token is not of its making. */
export function unescapeToken(token: string): string | null {
  if (NEVER_ESCAPED.test(token)) return token;
  if (!/^(?:[A-Za-z0-9-]|_[0-9A-F]{2})+$/.test(token)) return null;
  const bytes: number[] = [];
  for (let i = 0; i < token.length; i++) {
    if (token[i] === "_") {
      bytes.push(Number.parseInt(token.slice(i + 1, i + 3), 16));
      i += 2;
    } else bytes.push(token.charCodeAt(i));
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(new Uint8Array(bytes));
  } catch {
    return null;
  }
  // A byte that need not be escaped has one spelling only: two tokens never name one watcher.
  return bytes.length <= NAME_BYTES_MAX && escapeToken(text) === token ? text : null;
}

/** Ids of commands and rollouts: chosen by programs, kept short and printable. */
const ID = /^[A-Za-z0-9][A-Za-z0-9_./:-]{0,127}$/;

/** True for a command or rollout id as the envelope accepts it. */
export function isId(text: string): boolean {
  return ID.test(text);
}
