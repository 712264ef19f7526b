/**
 * Who asks, and may they? With a file of tokens every page but the two of health wants one. Without (which the
 * configuration permits on loopback only) whoever is on this machine may read, and nobody may change anything.
 */
import type { IncomingMessage } from "node:http";
import { isLoopbackHost } from "@circus-cluster/proto";
import { HttpRefusal } from "./errors.ts";
import type { Right } from "./routes.ts";
import type { HttpRole, TokenFile } from "./tokens.ts";

export interface Caller {
  readonly name: string;
  readonly role: HttpRole | null;
  /** False as soon as the token is no longer valid. */
  readonly isValid: () => boolean;
}

const NOBODY: Caller = { name: "anonymous", role: null, isValid: () => true };
const BEARER = { "WWW-Authenticate": 'Bearer realm="circus"' };

/** @throws HttpRefusal where the caller may not */
export function admit(request: IncomingMessage, right: Right, tokens: TokenFile | null): Caller {
  if (right === "open") return NOBODY;
  if (tokens === null) {
    checkHost(request);
    if (right === "read") return NOBODY;
    throw new HttpRefusal("forbidden", "changes need a token: set 'http_tokens', then circus-controller token");
  }
  const token = tokenOf(request);
  if (token === null) {
    throw new HttpRefusal("unauthenticated", "a token is needed: Authorization: Bearer TOKEN", { headers: BEARER });
  }
  const holder = tokens.holderOf(token);
  if (holder === null) {
    const headers = { "WWW-Authenticate": `${BEARER["WWW-Authenticate"]}, error="invalid_token"` };
    throw new HttpRefusal("unauthenticated", "the token is not valid", { headers });
  }
  const { name, role } = holder;
  if (right === "change" && role !== "operator") {
    throw new HttpRefusal("forbidden", `'${name}' is a ${role}; changes are for operators`);
  }
  return { name, role, isValid: () => tokens.holderOf(token)?.name === name };
}

function tokenOf({ headers }: IncomingMessage): string | null {
  return /^Bearer +([\w.~+/=-]{1,512}) *$/i.exec(headers.authorization ?? "")?.[1] ?? null;
}

/** A page from elsewhere, whose name was made to point here, must not read a fleet through its visitor's browser. */
function checkHost({ headers }: IncomingMessage): void {
  const host = (headers.host ?? "").replace(/:\d+$/, "");
  if (!isLoopbackHost(host)) {
    throw new HttpRefusal("misdirected", "without tokens the API answers only under 127.0.0.1, [::1] and localhost");
  }
}
