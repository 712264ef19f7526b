/** Between our types and the package's: checked subjects, payloads as bytes, messages, acks, errors as words. */
import { headers, type Msg, type MsgHdrs } from "nats";
import { reasonOf } from "../errors.ts";
import type { FleetMessage, Payload } from "./types.ts";

/** Printable ASCII without blank, dot and wildcards. */
const LITERAL = /^(?:[!-)+\-/-=?-~]+\.)*[!-)+\-/-=?-~]+$/;
const PATTERN = /^(?:(?:[!-)+\-/-=?-~]+|\*)\.)*(?:[!-)+\-/-=?-~]+|\*|>)$/;
const SUBJECT_MAX = 1024;

/** @throws RangeError where it could not be published to; `nats` 2.29 would send what stands behind a CR LF. */
export function checkSubject(subject: string): string {
  if (subject.length > SUBJECT_MAX || !LITERAL.test(subject)) {
    throw new RangeError(`${JSON.stringify(subject.slice(0, 80))} is no subject`);
  }
  return subject;
}

/** The same for subscriptions, which may hold wildcards. */
export function checkPattern(subject: string): string {
  if (subject.length > SUBJECT_MAX || !PATTERN.test(subject)) {
    throw new RangeError(`${JSON.stringify(subject.slice(0, 80))} is no subject to subscribe to`);
  }
  return subject;
}

export function toBytes(payload: Payload): Uint8Array {
  return payload instanceof Uint8Array ? payload : Buffer.from(JSON.stringify(payload));
}

export function msgIdHeader(msgId: string): MsgHdrs {
  if (!/^[!-~]{1,256}$/.test(msgId)) throw new RangeError(`${JSON.stringify(msgId.slice(0, 80))} is no message id`);
  const h = headers();
  h.set("Nats-Msg-Id", msgId);
  return h;
}

export function jsonOf(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8"));
  } catch {
    return undefined;
  }
}

export function toMessage(m: Msg): FleetMessage {
  const reply = m.reply === "" ? undefined : m.reply;
  return { subject: m.subject, reply, data: m.data, json: () => jsonOf(m.data) };
}

/** The server's own answer where nobody listens. */
export function isNoResponders(m: Msg): boolean {
  return m.data.length === 0 && m.headers?.code === 503;
}

const WORDS: Readonly<Record<string, string>> = {
  CONNECTION_REFUSED: "connection refused",
  CONNECTION_CLOSED: "connection closed",
  TIMEOUT: "no answer",
  CONNECTION_TIMEOUT: "no answer",
  AUTHORIZATION_VIOLATION: "the server refused the credentials",
  AUTHENTICATION_TIMEOUT: "the server did not finish the authentication in time",
  AUTHENTICATION_EXPIRED: "the credentials have expired",
  SERVER_OPT_NA: "the server offers no TLS",
  ENOTFOUND: "no such host name",
  EAI_AGAIN: "the host name cannot be resolved",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  "503": "JetStream does not answer",
};

/** A failure of the package in words, on one line. */
export function wordsOf(error: unknown): string {
  const { code = "", reason = "" } = error as { code?: unknown; reason?: unknown };
  // OpenSSL's own message quotes its source lines; `reason` is the part for people.
  const tls =
    String(code).startsWith("ERR_SSL") && typeof reason === "string" && reason !== "" ? `TLS: ${reason}` : null;
  return WORDS[String(code)] ?? tls ?? reasonOf(error).replace(/\s+/g, " ").trim();
}

/** Did the server refuse who we are, rather than not be there? */
export function isAuthFailure(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "AUTHORIZATION_VIOLATION" || error.code === "AUTHENTICATION_EXPIRED")
  );
}
