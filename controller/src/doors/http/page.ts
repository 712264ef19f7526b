/**
 * The web page: a few files that the build made, in memory. They hold no secret, so nobody has to sign in to get them;
 * what they show comes over the API.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { reasonOf } from "@circus-cluster/proto";
import { HttpRefusal } from "./errors.ts";

interface PageFile {
  readonly type: string;
  readonly body: Buffer;
  /** By gzip. */
  readonly packed: Buffer;
  /** A strong validator, quotes included. */
  readonly etag: string;
}

const TYPES = {
  "index.html": "text/html; charset=utf-8",
  "app.js": "text/javascript; charset=utf-8",
  "style.css": "text/css; charset=utf-8",
  "icon.svg": "image/svg+xml",
} as const;
export type PageName = keyof typeof TYPES;

/** By path. */
export const PAGE_PATHS: ReadonlyMap<string, PageName> = new Map<string, PageName>([
  ["/", "index.html"],
  ...Object.keys(TYPES).map((name) => [`/${name}`, name as PageName] as const),
]);

/** Nothing of another host, nothing inline, in no frame. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  // May be kept, if it is asked for again each time.
  "Cache-Control": "no-cache",
};

const files = new Map<PageName, PageFile>();

/** @throws HttpRefusal where the build made none */
export function pageFile(name: PageName): PageFile {
  const known = files.get(name);
  if (known !== undefined) return known;
  try {
    const body = readFileSync(new URL(`../../../dist/web/${name}`, import.meta.url));
    const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
    const file = { type: TYPES[name], body, packed: gzipSync(body, { level: 9 }), etag };
    files.set(name, file);
    return file;
  } catch (error) {
    throw new HttpRefusal("not-found", `the web page was not built: ${reasonOf(error)}`);
  }
}
