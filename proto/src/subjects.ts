/**
 * Builds and parses every NATS subject (design §4). Identity stands in the subject, never in the payload:
 * the broker's permissions are the authentication, and this module is where host and user are read.
 */
import {
  AGENT_TOKEN,
  escapeToken,
  type HostName,
  parseHostName,
  parseUserName,
  type UserName,
  unescapeToken,
} from "./names.ts";

const WORD = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

function word(text: string, what: string): string {
  if (!WORD.test(text)) throw new RangeError(`${what} ${JSON.stringify(text)} cannot stand in a subject`);
  return text;
}

/** Subjects of one fleet. Every builder throws RangeError for text that cannot stand in a subject. */
export class Subjects {
  readonly root: string;
  readonly #start: string;

  constructor(fleet: string) {
    this.root = `circus.${word(fleet, "fleet")}`;
    this.#start = `${this.root}.`;
  }

  heartbeat(host: HostName): string {
    return `${this.root}.hb.${word(host, "host")}`;
  }
  /** Of `_fleet` where host is null. */
  event(host: HostName | null, watcher: string | null, kind: string): string {
    const token = watcher === null ? AGENT_TOKEN : escapeToken(watcher);
    return `${this.root}.evt.${host === null ? "_fleet" : word(host, "host")}.${token}.${word(kind, "kind")}`;
  }
  snapshot(host: HostName): string {
    return `${this.root}.snap.${word(host, "host")}`;
  }
  command(host: HostName, user: UserName, verb: string): string {
    return `${this.root}.cmd.${word(host, "host")}.${word(user, "user")}.${word(verb, "verb")}`;
  }
  commandAll(user: UserName, verb: string): string {
    return `${this.root}.cmd._all.${word(user, "user")}.${word(verb, "verb")}`;
  }
  /** Answer to a broadcast; `id` is the envelope's, escaped into one token as watcher names are. */
  reply(host: HostName, user: UserName, id: string): string {
    return `${this.root}.rpl.${word(host, "host")}.${word(user, "user")}.${escapeToken(id)}`;
  }
  control(user: UserName, verb: string): string {
    return `${this.root}.ctl.${word(user, "user")}.${word(verb, "verb")}`;
  }
  query(user: UserName, verb: string): string {
    return `${this.root}.q.${word(user, "user")}.${word(verb, "verb")}`;
  }
  advice(controller: UserName, kind: string): string {
    return `${this.root}.adv.${word(controller, "controller")}.${word(kind, "kind")}`;
  }

  // What to subscribe to.
  readonly all = {
    heartbeats: (): string => `${this.root}.hb.*`,
    events: (): string => `${this.root}.evt.>`,
    snapshots: (): string => `${this.root}.snap.*`,
    commandsTo: (host: HostName): string => `${this.root}.cmd.${word(host, "host")}.*.*`,
    commandsToAll: (): string => `${this.root}.cmd._all.*.*`,
    repliesTo: (user: UserName, id: string): string => `${this.root}.rpl.*.${word(user, "user")}.${escapeToken(id)}`,
    controls: (): string => `${this.root}.ctl.*.*`,
    queries: (): string => `${this.root}.q.*.*`,
    advice: (): string => `${this.root}.adv.*.*`,
    /** What controllers tell of themselves. */
    controllers: (): string => `${this.root}.adv.*.controller`,
  };

  /** Reads a subject of this fleet; null where it is none, or malformed. */
  parse(subject: string): ParsedSubject | null {
    if (!subject.startsWith(this.#start)) return null;
    const tokens = subject.slice(this.#start.length).split(".");
    const [kind, a = "", b = "", c = ""] = tokens;
    switch (kind) {
      case "hb":
      case "snap": {
        const host = parseHostName(a);
        return tokens.length === 2 && host !== null ? { kind, host } : null;
      }
      case "evt": {
        const host = a === "_fleet" ? a : parseHostName(a);
        const watcher = b === AGENT_TOKEN ? null : unescapeToken(b);
        if (tokens.length !== 4 || host === null || !WORD.test(c) || (watcher === null && b !== AGENT_TOKEN))
          return null;
        return { kind, host, watcher, event: c };
      }
      case "cmd": {
        const host = a === "_all" ? a : parseHostName(a);
        const user = parseUserName(b);
        return tokens.length === 4 && host !== null && user !== null && WORD.test(c)
          ? { kind, host, user, verb: c }
          : null;
      }
      case "rpl": {
        const host = parseHostName(a);
        const user = parseUserName(b);
        const request = unescapeToken(c);
        return tokens.length === 4 && host !== null && user !== null && request !== null
          ? { kind, host, user, request }
          : null;
      }
      case "ctl":
      case "q": {
        const user = parseUserName(a);
        return tokens.length === 3 && user !== null && WORD.test(b) ? { kind, user, verb: b } : null;
      }
      case "adv": {
        const controller = parseUserName(a);
        return tokens.length === 3 && controller !== null ? { kind, controller, topic: b } : null;
      }
      default:
        return null;
    }
  }
}

export type ParsedSubject =
  | { readonly kind: "hb" | "snap"; readonly host: HostName }
  | {
      readonly kind: "evt";
      readonly host: HostName | "_fleet";
      readonly watcher: string | null;
      readonly event: string;
    }
  | { readonly kind: "cmd"; readonly host: HostName | "_all"; readonly user: UserName; readonly verb: string }
  | { readonly kind: "rpl"; readonly host: HostName; readonly user: UserName; readonly request: string }
  | { readonly kind: "ctl" | "q"; readonly user: UserName; readonly verb: string }
  | { readonly kind: "adv"; readonly controller: UserName; readonly topic: string };

/** The private inbox of a name: answers go nowhere else (design §4). */
export function inboxPrefix(name: string): string {
  return `_INBOX.${word(name, "name")}`;
}

/** May an answer for this user be sent there? Stops a viewer from aiming an answer at a command subject. */
export function isInboxOf(user: UserName, replySubject: string | undefined): replySubject is string {
  return replySubject?.startsWith(`${inboxPrefix(user)}.`) === true;
}

/** The stream of all events of a fleet. */
export const EVENTS_STREAM = "EVENTS";
