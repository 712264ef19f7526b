/** Reads the credentials file of one identity. The seed inside never reaches a log or an error. */
import { X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { reasonOf } from "../errors.ts";
import { parseUserName } from "../names.ts";
import { ROLES } from "../roles.ts";
import { issueText, parse, type Schema, v } from "../schema.ts";
import type { Millis } from "../time.ts";
import { isSeed } from "./nkey.ts";
import type { Credentials, TlsFiles } from "./types.ts";

export type { Credentials } from "./types.ts";

const token = v.pipe(
  v.string("is no text"),
  v.check((text) => parseUserName(text) !== null, "is no name"),
);

const pem = v.pipe(
  v.string("is no text"),
  v.check((text) => text.includes("-----BEGIN "), "is no PEM text"),
);

/** `fleet` and `name` are subject tokens. */
const credentialsSchema: Schema<Credentials> = v.strictObject({
  v: v.literal(1, "is another version than 1"),
  fleet: token,
  role: v.picklist(ROLES, `is none of ${ROLES.join(", ")}`),
  name: token,
  seed: v.pipe(v.string("is no text"), v.check(isSeed, "is no nkey user seed")),
  lock: v.optional(v.pipe(v.string("is no text"), v.check(isSeed, "is no nkey user seed"))),
  tls: v.optional(v.strictObject({ ca: pem, cert: pem, key: pem })),
});

/** What the system says of a file, in words for a person. */
function fileProblem(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const words: Readonly<Record<string, string>> = {
    ENOENT: "no such file",
    EACCES: "permission denied",
    EISDIR: "it is a directory",
  };
  return words[code] ?? reasonOf(error);
}

/**
 * @throws Error with one line that names the file: missing, unreadable, readable by others, not JSON, or of
 * the wrong shape.
 */
export function readCredentials(path: string): Credentials {
  const fail = (why: string, cause?: unknown): Error => new Error(`credentials ${path}: ${why}`, { cause });
  let text: string;
  let mode: number;
  try {
    mode = statSync(path).mode;
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw fail(fileProblem(error), error);
  }
  if ((mode & 0o077) !== 0) {
    throw fail(`others may read it (mode ${(mode & 0o777).toString(8)}); chmod 600 it`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message may quote the file, and with it the seed.
    throw fail("is not JSON");
  }
  const parsed = parse(credentialsSchema, value);
  if (!parsed.ok) throw fail(issueText(parsed.issues));
  return parsed.value;
}

/** The PEM texts behind the paths. @throws Error with one line that names the file. */
export function readTls(files: TlsFiles): { ca?: string; cert?: string; key?: string } {
  const out: { ca?: string; cert?: string; key?: string } = {};
  for (const part of ["ca", "cert", "key"] as const) {
    const path = files[part];
    if (path === null) continue;
    try {
      out[part] = readFileSync(path, "utf8");
    } catch (error) {
      throw new Error(`TLS ${part} ${path}: ${fileProblem(error)}`, { cause: error });
    }
  }
  return out;
}

/** A certificate that ends sooner is worth a word. */
const EXPIRES_SOON_MS = 30 * 86_400_000;

/** What there is to say of one certificate; `what` is its name in a sentence. */
export type CertificateState = { readonly what: string } & (
  | { readonly kind: "unreadable"; readonly reason: string }
  /** @property validTo as the certificate has it @property leftMs negative where it has ended */
  | { readonly kind: "ended" | "soon" | "fine"; readonly validTo: string; readonly leftMs: Millis }
);

/** How long the certificates of a connection hold, as {@link readTls} gave them. @param nowMs wall ms */
export function certificateStates(
  texts: { readonly ca?: string | undefined; readonly cert?: string | undefined },
  nowMs: Millis,
): readonly CertificateState[] {
  return (["ca", "cert"] as const).flatMap((part) => {
    const pem = texts[part];
    return pem === undefined ? [] : [stateOf(part === "ca" ? "authority's certificate" : "certificate", pem, nowMs)];
  });
}

function stateOf(what: string, pem: string, nowMs: Millis): CertificateState {
  try {
    const { validTo } = new X509Certificate(pem);
    const leftMs = Date.parse(validTo) - nowMs;
    return { what, kind: leftMs < 0 ? "ended" : leftMs < EXPIRES_SOON_MS ? "soon" : "fine", validTo, leftMs };
  } catch (error) {
    return { what, kind: "unreadable", reason: reasonOf(error) };
  }
}
