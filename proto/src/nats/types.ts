/**
 * What the rest of the project sees of NATS: the contract of `@circus-cluster/proto/nats`. No type of the
 * `nats` package appears here, so that its successor is a change of this folder only (design §4).
 */
import type { Role } from "../roles.ts";
import type { Millis } from "../time.ts";

/** PEM texts. */
export interface TlsTexts {
  /** Of the authority that the server's certificate is checked against. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The file that `circusctl fleet init` and `fleet issue` write for one identity, mode 0600. */
export interface Credentials {
  readonly v: 1;
  readonly fleet: string;
  readonly role: Role;
  /** Of the host or the user; the same token as in subjects and inboxes. */
  readonly name: string;
  /** nkey user seed, `SU…`. Never logged. */
  readonly seed: string;
  /** Of a controller: the seed of its second connection, to the account of the lock. Without it, it leads alone. */
  readonly lock?: string | undefined;
  /** Where the fleet has an authority of its own: so one file is all that a host needs. Files named beside it win. */
  readonly tls?: TlsTexts | undefined;
}

/** Paths of PEM files; null: not used. */
export interface TlsFiles {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/** What happens to a connection, for logs and for those who must send again. */
export type FleetStatus =
  /** `isFirst` is false after every reconnect. */
  | { readonly kind: "connected"; readonly server: string; readonly isFirst: boolean }
  | { readonly kind: "disconnected"; readonly reason: string | null }
  /** An attempt failed; in mode "service" the next follows by itself. */
  | { readonly kind: "unreachable"; readonly reason: string }
  /** The broker refused a publish or a subscription: nothing else tells. */
  | { readonly kind: "forbidden"; readonly operation: "publish" | "subscribe"; readonly subject: string }
  | { readonly kind: "error"; readonly reason: string }
  /** For good; reason null where `close` was called. */
  | { readonly kind: "closed"; readonly reason: string | null };

export interface ConnectOptions {
  /** `nats://host:4222` or `tls://…`; at least one. */
  readonly servers: readonly string[];
  /** Host or user: the connection's name and its inbox prefix `_INBOX.NAME`. */
  readonly name: string;
  /** Null: without authentication (a private test server). */
  readonly credentials: Credentials | null;
  readonly tls?: TlsFiles | null | undefined;
  /**
   * `service`: tries until it succeeds or `signal` aborts, then reconnects for ever.
   * `once`: one attempt per server, no reconnect; for command lines.
   */
  readonly mode: "service" | "once";
  /** For one connection attempt. Default 5000 (service), 2000 (once). */
  readonly timeoutMs?: Millis;
  /** Pause between attempts in mode "service"; up to as much again is added at random. Default 1000. */
  readonly retryMs?: Millis;
  readonly onStatus?: (status: FleetStatus) => void;
  /** Ends the attempts; does not close a connection that was made. */
  readonly signal?: AbortSignal;
}

/** Bytes as they are, anything else as JSON. */
export type Payload = Uint8Array | object;

export interface FleetMessage {
  readonly subject: string;
  /** Where an answer is expected; a claim of the sender, see `isInboxOf`. */
  readonly reply: string | undefined;
  readonly data: Uint8Array;
  /** The data as JSON; undefined where it is none. */
  json(): unknown;
}

export interface PublishOptions {
  readonly reply?: string;
  /** `Nats-Msg-Id`, by which the stream drops repeats. */
  readonly msgId?: string;
}

export interface FleetSubscription {
  close(): void;
}

/** What became of one request. `disconnected`: it may or may not have arrived. */
export type RequestResult =
  | { readonly kind: "answer"; readonly message: FleetMessage }
  /** Nobody listens there: it was certainly not delivered. */
  | { readonly kind: "no-responders" }
  | { readonly kind: "timeout" }
  | { readonly kind: "disconnected" };

export interface RequestOptions {
  /** Answers for which it says false are handed to `onEarlier` and the wait goes on (`accepted`, then `done`). */
  readonly isLast?: (message: FleetMessage) => boolean;
  readonly onEarlier?: (message: FleetMessage) => void;
  readonly msgId?: string;
}

/** One directed question of many; `key` names who is asked and must be unique in the call. */
export interface Ask {
  readonly key: string;
  readonly subject: string;
  readonly payload: Payload;
}

export interface AskEachOptions {
  readonly timeoutMs: Millis;
  readonly isLast?: (message: FleetMessage, key: string) => boolean;
  /** Every answer as it arrives, the last ones included. */
  readonly onAnswer?: (message: FleetMessage, key: string) => void;
}

/** One broadcast, answered on subjects that prove the answerer (`F.rpl.HOST.USER.REQ`). */
export interface AskManyOptions {
  /** Usually one: `F.cmd._all.USER.VERB`. */
  readonly publishes: readonly { readonly subject: string; readonly payload: Payload }[];
  /** Subscribed before anything is published, e.g. `subjects.all.repliesTo(user, id)`. */
  readonly replySubject: string;
  /** Who answered, from the answer's subject; null: to be ignored. */
  readonly keyOf: (subject: string) => string | null;
  /** Who must answer; where that is not known yet, answers are kept meanwhile. A rejection ends it all. */
  readonly expected: ReadonlySet<string> | Promise<ReadonlySet<string>>;
  readonly timeoutMs: Millis;
  /** Give up on the missing when nothing came for so long after the first answer; default: never before `timeoutMs`. */
  readonly quietMs?: Millis;
  readonly onAnswer?: (message: FleetMessage, key: string) => void;
}

export interface AskManyResult {
  /** First answer of each; may hold some that were not expected. */
  readonly answers: ReadonlyMap<string, FleetMessage>;
  /** Expected and silent, sorted. */
  readonly missing: readonly string[];
  /** True where the connection broke while waiting. */
  readonly isDisconnected: boolean;
}

/** What the stream says to one published event. `{"error"}` is no acknowledgement. */
export type PubAck =
  | { readonly kind: "stored"; readonly stream: string; readonly seq: number; readonly isDuplicate: boolean }
  | { readonly kind: "refused"; readonly reason: string };

export interface StreamOptions {
  readonly name: string;
  readonly subjects: readonly string[];
  /** Default 14 days. */
  readonly maxAgeMs?: Millis;
  /** Default: nine tenths of what the account may store, since a full account refuses events where a full stream drops the oldest. */
  readonly maxBytes?: number;
  /** Servers of a cluster that keep a copy. Default: as it is, or one. */
  readonly replicas?: number | null;
}

export interface StreamState {
  /** Wall ms of the server; changes when the stream is made anew. */
  readonly created: Millis;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly messages: number;
  readonly bytes: number;
}

export interface StreamMessage {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** Wall ms at which the server stored it. */
  readonly time: Millis;
  /** Messages behind this one: 0 = caught up. */
  readonly pending: number;
}

export interface OrderedConsumeOptions {
  readonly stream: string;
  /** First sequence wanted, from 1. */
  readonly startSeq: number;
  /** One at a time, in order; a returned promise holds the next one back. What it throws ends the consumption. */
  readonly onMessage: (message: StreamMessage) => void | Promise<void>;
}

export interface Consumption {
  /** Resolves when `stop` was called; rejects where the stream cannot be read (or `onMessage` threw). */
  readonly done: Promise<void>;
  stop(): Promise<void>;
}

/** What stands in the lock. */
export interface LockEntry {
  /** Grows with every write, also over entries that were forgotten. */
  readonly revision: number;
  /** Undefined where it is no JSON. */
  readonly value: unknown;
}

/** A record that the server forgets after its time; whoever writes it anew keeps it. */
export interface Lock {
  /** Wall ms at which the bucket was made: revisions are only comparable within one. */
  readonly bucket: Millis;
  /** Null where there is none. @throws Error where the server does not answer */
  read(): Promise<LockEntry | null>;
  /**
   * @param revision that stands there now; 0: none
   * @returns the new revision; null: somebody else was faster
   * @throws Error where the server does not answer: then nobody knows whether it was written
   */
  write(value: object, revision: number): Promise<number | null>;
}

/**
 * One connection. Subjects come from {@link Subjects}; a subject with blanks, control characters or empty
 * tokens makes every method throw RangeError, since `nats` 2.29 would inject it as protocol.
 */
export interface FleetConnection {
  readonly name: string;
  /** False from the moment a loss is noticed until the reconnect. */
  readonly isConnected: boolean;
  /** `host:port` of the last server. */
  readonly server: string;
  /** Resolves when it is closed for good; null after `close`. Never rejects. */
  readonly closed: Promise<string | null>;
  /**
   * Hands a message to the socket; that is no proof of anything.
   *
   * @returns false where it was not even handed over, because there is no connection.
   * @throws RangeError for a payload above what the server takes.
   */
  publish(subject: string, payload: Payload, options?: PublishOptions): boolean;
  /** Kept over reconnects. What the handler throws goes to `onStatus` as an error. */
  subscribe(
    subject: string,
    handler: (message: FleetMessage) => void,
    options?: { readonly queue?: string },
  ): FleetSubscription;
  /** A fresh private subject `_INBOX.NAME.…`, for answers or acks. */
  inbox(): string;
  request(subject: string, payload: Payload, timeoutMs: Millis, options?: RequestOptions): Promise<RequestResult>;
  /** Directed questions at once, one private reply subject each; ends when all have a result. */
  askEach(asks: readonly Ask[], options: AskEachOptions): Promise<ReadonlyMap<string, RequestResult>>;
  /** Broadcast collected against the known set. */
  askMany(options: AskManyOptions): Promise<AskManyResult>;
  /** Publishes into a stream and waits for its word; for few messages (an agent's outbox has its own window). */
  store(
    subject: string,
    payload: Payload,
    msgId: string,
    timeoutMs: Millis,
  ): Promise<PubAck | Exclude<RequestResult, { kind: "answer" }>>;
  /**
   * Creates the stream, or brings age, size and subjects of an existing one in line. Delete and purge are
   * denied for good. @throws Error with the server's words.
   */
  ensureStream(options: StreamOptions): Promise<StreamState>;
  /** Null where there is no such stream. @throws Error where JetStream does not answer. */
  streamInfo(name: string): Promise<StreamState | null>;
  /** Reads a stream in order without acknowledging; goes on after reconnects where it stopped. */
  orderedConsume(options: OrderedConsumeOptions): Promise<Consumption>;
  /** Opens the lock of the controllers; made where it is not there. @throws Error with the server's words. */
  /** @param replicas servers that keep a copy where it is made now */
  lock(ttlMs: Millis, timeoutMs: Millis, replicas?: number): Promise<Lock>;
  /** True once the server has seen all that was published before; false on timeout or without connection. */
  flush(timeoutMs: Millis): Promise<boolean>;
  /** Drains, at most `timeoutMs` (default 2000), then closes. May be called twice. */
  close(timeoutMs?: Millis): Promise<void>;
}

/** Why `connectFleet` failed: `unreachable`, or `forbidden` where the server refused the credentials. */
export class FleetConnectError extends Error {
  readonly code: "unreachable" | "forbidden" | "aborted";

  constructor(code: "unreachable" | "forbidden" | "aborted", reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = "FleetConnectError";
    this.code = code;
  }
}
