/** Whole answers: what is large goes compressed to who takes that, made beside the event loop. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip as gzipAsync } from "node:zlib";
import { HttpRefusal } from "./errors.ts";
import { PAGE_HEADERS, type PageName, pageFile } from "./page.ts";

export const JSON_TYPE = "application/json; charset=utf-8";

/** Below, a packet or two are sent either way. */
const PACKED_MIN_BYTES = 4096;
const gzip = promisify(gzipAsync);

export function json(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

export function send(response: ServerResponse, status: number, type: string, text: string): void {
  sendBody(response, status, { "Content-Type": type }, Buffer.from(text));
}

/** As `send` with status 200, compressed where it is large and the reader takes it. */
export async function sendPacked(
  request: IncomingMessage,
  response: ServerResponse,
  type: string,
  text: string,
): Promise<void> {
  const body = Buffer.from(text);
  const headers = { "Content-Type": type, Vary: "Accept-Encoding" };
  if (body.length < PACKED_MIN_BYTES || !takesGzip(request)) {
    sendBody(response, 200, headers, body);
    return;
  }
  // By the quickest level an answer of many hosts comes to a tenth of itself, or less.
  const packed = await gzip(body, { level: 1 });
  if (!response.destroyed) sendBody(response, 200, { ...headers, "Content-Encoding": "gzip" }, packed);
}

/** A file of the web page, for everybody; a browser that has it already gets only that word. */
export function sendFile(request: IncomingMessage, response: ServerResponse, name: PageName): void {
  if (request.method !== "GET" && request.method !== "HEAD") {
    const headers = { Allow: "GET, HEAD" };
    throw new HttpRefusal("method-not-allowed", "the page takes GET, HEAD", { headers, isLast: true });
  }
  const isPacked = takesGzip(request);
  const { type, body, packed, etag } = pageFile(name);
  // Each form of it has a tag of its own.
  const tag = isPacked ? etag.replace(/"$/, '-gz"') : etag;
  const headers = { ...PAGE_HEADERS, ETag: tag, Vary: "Accept-Encoding", "Content-Type": type };
  if (request.headers["if-none-match"] === tag) {
    for (const [key, value] of Object.entries(headers)) response.setHeader(key, value);
    response.writeHead(304).end();
    return;
  }
  if (isPacked) sendBody(response, 200, { ...headers, "Content-Encoding": "gzip" }, packed);
  else sendBody(response, 200, headers, body);
}

function sendBody(response: ServerResponse, status: number, headers: Record<string, string>, body: Buffer): void {
  response.writeHead(status, { ...headers, "Content-Length": body.length });
  response.end(body);
}

function takesGzip(request: IncomingMessage): boolean {
  const words = (request.headers["accept-encoding"] ?? "").split(",");
  return words.some((word) => /^\s*(x-)?gzip\s*(;(?!\s*q=0(\.0*)?\s*$).*)?$/i.test(word));
}
