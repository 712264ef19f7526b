/** Requests and replies of the command channel as bytes (reference §5.1–§5.3). Pure. */
import type { CircusReply } from "@circus-cluster/proto";
import { pythonJson } from "./python-json.ts";

/** What came in on the ROUTER socket. */
export type Incoming =
  | {
      readonly kind: "request";
      /** What goes before the payload of the answer: the identity, and a REQ client's empty delimiter. */
      readonly envelope: readonly Buffer[];
      readonly command: string;
      readonly properties: unknown;
      readonly isCast: boolean;
      /** The request's `id` exactly as it was written; `null` where it had none. */
      readonly id: string;
    }
  | {
      readonly kind: "bad";
      readonly envelope: readonly Buffer[];
      readonly error: "json-invalid" | "message" | "command-unknown";
      readonly reason: string;
      readonly id: string;
    }
  /** Not of this protocol, or a cast: never answered. */
  | { readonly kind: "ignored" };

const IGNORED: Incoming = { kind: "ignored" };
const NO_ID = "null";

/** Never throws, whatever the frames hold. */
export function decodeRequest(frames: readonly Buffer[]): Incoming {
  const [identity, second, third] = frames;
  const isReq = frames.length === 3 && second?.length === 0;
  const payload = isReq ? third : second;
  if (identity === undefined || payload === undefined || (frames.length !== 2 && !isReq)) return IGNORED;
  const envelope = isReq ? [identity, second] : [identity];
  const text = payload.toString("utf8");
  let request: unknown;
  try {
    request = JSON.parse(text);
  } catch {
    return { kind: "bad", envelope, error: "json-invalid", reason: "json invalid", id: NO_ID };
  }
  if (typeof request !== "object" || request === null || Array.isArray(request)) {
    return { kind: "bad", envelope, error: "message", reason: "message invalid: not an object", id: NO_ID };
  }
  const { id, command, properties, msg_type: type } = request as Readonly<Record<string, unknown>>;
  const isCast = type === "cast";
  const rawId = rawOf(id, text);
  if (typeof command !== "string") {
    if (isCast) return IGNORED;
    const reason = "message invalid 'command' is missing";
    return { kind: "bad", envelope, error: "message", reason, id: rawId };
  }
  return { kind: "request", envelope, command, properties, isCast, id: rawId };
}

/** Numbers (1.0, or beyond what JavaScript holds) and everything nested are taken from the text itself. */
function rawOf(id: unknown, text: string): string {
  if (id === undefined || id === null) return NO_ID;
  if (typeof id === "string" || typeof id === "boolean") return JSON.stringify(id);
  return rawMember(text, "id") ?? NO_ID;
}

/**
 * The text of a member of the object that `text` is; the last one of that name, as for `JSON.parse`.
 *
 * @param text valid JSON
 * @returns null where there is none
 */
export function rawMember(text: string, name: string): string | null {
  let found: string | null = null;
  let at = text.indexOf("{") + 1;
  for (;;) {
    const open = text.indexOf('"', at);
    if (open < 0) return found;
    const keyEnd = stringEnd(text, open);
    const start = text.indexOf(":", keyEnd) + 1;
    const end = valueEnd(text, start);
    if (JSON.parse(text.slice(open, keyEnd)) === name) found = text.slice(start, end).trim();
    if (text[end] !== ",") return found;
    at = end + 1;
  }
}

/** After the closing quote of the string that opens at `open`. */
function stringEnd(text: string, open: number): number {
  let at = open + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** Where the value that begins at `start` is followed by `,` or the end of its object. */
function valueEnd(text: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const char = text[at];
    if (char === '"') {
      at = stringEnd(text, at);
      continue;
    }
    if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]") {
      if (depth === 0) return at;
      depth--;
    } else if (char === "," && depth === 0) return at;
    at++;
  }
  return at;
}

/** A reply as JSON, with the request's own `id` at its end. */
export function encodeReply(reply: CircusReply, id: string): string {
  const body = pythonJson(reply);
  return `${body.slice(0, -1)}${body === "{}" ? "" : ","}"id":${id}}`;
}
