/** Reads a JSON body, bounded in size; the server bounds the time. */
import type { IncomingMessage } from "node:http";
import { HttpRefusal } from "./errors.ts";

/** As for any frame (design §7). */
const BODY_MAX_BYTES = 1_048_576;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** @throws HttpRefusal for what is no JSON, not declared as such, or too large */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const { headers } = request;
  const [type = ""] = (headers["content-type"] ?? "").toLowerCase().split(";");
  if (type.trim() !== "application/json" || headers["content-encoding"] !== undefined) {
    throw new HttpRefusal("media-type", "send the properties as Content-Type: application/json", { isLast: true });
  }
  if (Number(headers["content-length"] ?? 0) > BODY_MAX_BYTES) throw tooLarge();
  const body = await collect(request);
  try {
    return JSON.parse(decoder.decode(body)) as unknown;
  } catch {
    throw new HttpRefusal("json-invalid", "the body is not JSON in UTF-8");
  }
}

/** Not by iteration: to leave one early would cut the connection before the answer is out. */
function collect(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= BODY_MAX_BYTES) chunks.push(chunk);
      else {
        request.removeAllListeners("data").pause();
        reject(tooLarge());
      }
    });
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", reject);
    request.once("close", () => reject(new Error("the request ended early")));
  });
}

function tooLarge(): HttpRefusal {
  return new HttpRefusal("too-large", `the body is larger than ${BODY_MAX_BYTES} bytes`, { isLast: true });
}
