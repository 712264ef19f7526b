/** One GET, timed to its last byte. */
import { type IncomingMessage, request as requestHttp } from "node:http";
import { performance } from "node:perf_hooks";
import { reasonOf } from "@circus-cluster/proto";

export interface HttpAnswer {
  readonly tookMs: number;
  /** Status of the last answer; 599 where there was none, as Tornado has it. */
  readonly code: number;
  /** What is wrong; null: nothing. */
  readonly reason: string | null;
}

const NO_ANSWER = 599;
const REDIRECTS_MAX = 5;

/** Never rejects. Well is a status of 200 to 299, after redirects. Certificates are checked. */
export async function timeGet(url: string, timeoutMs: number, signal: AbortSignal): Promise<HttpAnswer> {
  const begun = performance.now();
  const controller = new AbortController();
  const abort = (): void => controller.abort(new Error("the plugin ends"));
  signal.addEventListener("abort", abort, { once: true });
  const timeout = setTimeout(() => controller.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  const took = (): number => performance.now() - begun;
  try {
    let at = url;
    for (let n = 0; ; n++) {
      const response = await get(at, controller.signal);
      const { statusCode: code = NO_ANSWER } = response;
      const next = response.headers.location;
      if (code < 300 || code > 399 || next === undefined || n === REDIRECTS_MAX) {
        await drain(response);
        return { tookMs: took(), code, reason: code >= 200 && code < 300 ? null : `GET ${at} answered ${code}` };
      }
      response.destroy();
      at = new URL(next, at).href;
    }
  } catch (error) {
    const cause: unknown = controller.signal.aborted ? controller.signal.reason : error;
    return { tookMs: took(), code: NO_ANSWER, reason: `GET ${url}: ${reasonOf(cause)}` };
  } finally {
    clearTimeout(timeout);
    signal.removeEventListener("abort", abort);
  }
}

async function get(url: string, signal: AbortSignal): Promise<IncomingMessage> {
  // By need: TLS is large.
  const request = url.toLowerCase().startsWith("https:") ? (await import("node:https")).request : requestHttp;
  return await new Promise((resolve, reject) => {
    request(url, { signal, agent: false, headers: { "user-agent": "circus-plugin" } })
      .once("response", resolve)
      .on("error", reject)
      .end();
  });
}

async function drain(response: IncomingMessage): Promise<void> {
  for await (const _ of response) {
    // only its end matters
  }
}
