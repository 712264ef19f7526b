/**
 * A message of the stream → an event whose host is proven by the subject, or the word for what is wrong with
 * it. Pure. Whatever passes here can be stored: a hostile agent must not be able to make a transaction fail.
 */
import {
  FLEET_TOKEN,
  type FleetEvent,
  fleetEvent,
  type HostName,
  type Millis,
  type ParsedSubject,
  parse,
  type Subjects,
} from "@circus-cluster/proto";

/** The controllers' own events stand under this name. */
export const FLEET = FLEET_TOKEN;

export interface StoredEvent {
  readonly host: HostName | typeof FLEET;
  readonly event: FleetEvent;
  /** Position in the stream. */
  readonly streamSeq: number;
  /** When the stream took it, by the server's clock. */
  readonly stored: Millis;
}

export type Refusal = "subject" | "not json" | "schema" | "disagrees with its subject";

export interface RawMessage {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly time: Millis;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Subjects kept at once; beyond that all are parsed again when needed. */
const SUBJECTS_MAX = 50_000;
/** A hostile agent's are not kept at any length. */
const SUBJECT_CHARS_MAX = 200;

export type SubjectParser = (subject: string) => ParsedSubject | null;

/** Most events come under a subject that was seen before: to look it up costs a tenth of taking it apart. */
export function rememberingParser(subjects: Subjects): SubjectParser {
  const known = new Map<string, ParsedSubject | null>();
  return (subject) => {
    if (subject.length > SUBJECT_CHARS_MAX) return subjects.parse(subject);
    let parsed = known.get(subject);
    if (parsed !== undefined) return parsed;
    parsed = subjects.parse(subject);
    if (known.size >= SUBJECTS_MAX) known.clear();
    known.set(subject, parsed);
    return parsed;
  };
}

export function decode(parseSubject: SubjectParser, message: RawMessage): StoredEvent | Refusal {
  const parsed = parseSubject(message.subject);
  if (parsed?.kind !== "evt") return "subject";
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(message.data));
  } catch {
    return "not json";
  }
  let event: FleetEvent;
  if (isPlainEvent(value)) event = value;
  else {
    const checked = parse(fleetEvent, value);
    if (!checked.ok) return "schema";
    event = checked.value;
  }
  const { epoch, seq, time, pid, wid } = event;
  // 1e300 is an integer for the schema, but not for a column.
  if (![epoch, seq, time, pid ?? 0, wid ?? 0].every(Number.isSafeInteger)) return "schema";
  if (event.kind !== parsed.event || event.watcher !== parsed.watcher) return "disagrees with its subject";
  return { host: parsed.host, event, streamSeq: message.seq, stored: message.time };
}

const isWhole = (value: unknown, least: number): boolean => Number.isSafeInteger(value) && (value as number) >= least;
const isText = (value: unknown): boolean => value === undefined || typeof value === "string";
const KIND = /^[a-z][a-z0-9_-]{0,63}$/;

/** What nearly all events are: certainly good by the schema, seen at a tenth of its cost. Of others the schema judges. */
function isPlainEvent(value: unknown): value is FleetEvent {
  if (typeof value !== "object" || value === null) return false;
  const { v, epoch, seq, time, kind, watcher, pid, wid, actor, cause, data } = value as Record<string, unknown>;
  return (
    v === 1 &&
    isWhole(epoch, 0) &&
    isWhole(seq, 1) &&
    isWhole(time, 0) &&
    typeof kind === "string" &&
    KIND.test(kind) &&
    (watcher === null || (typeof watcher === "string" && watcher.length > 0 && watcher.length <= 128)) &&
    (pid === undefined || isWhole(pid, 0)) &&
    (wid === undefined || isWhole(wid, 0)) &&
    isText(actor) &&
    isText(cause) &&
    typeof data === "object" &&
    data !== null &&
    !Array.isArray(data) &&
    !Object.hasOwn(data, "__proto__")
  );
}

const KNOWN_KEYS: ReadonlySet<string> = new Set<keyof FleetEvent>([
  "v",
  "epoch",
  "seq",
  "time",
  "kind",
  "watcher",
  "pid",
  "wid",
  "actor",
  "cause",
  "data",
]);

/** Fields that a newer agent sent and we do not know, to be kept; null where there are none. */
export function unknownFields(event: FleetEvent): Readonly<Record<string, unknown>> | null {
  if (Object.keys(event).every((key) => KNOWN_KEYS.has(key))) return null;
  const rest = Object.entries(event).filter(([key]) => !KNOWN_KEYS.has(key));
  return Object.fromEntries(rest);
}
