/** One INFO from a Redis, on a connection of its own. */
import { connect as connectTcp, type Socket } from "node:net";
import { reasonOf } from "@circus-cluster/proto";
import { decodeReply, encodeCommand, type RedisAddress } from "./redis-core.ts";

export type RedisAnswer =
  | { readonly kind: "info"; readonly text: string }
  /** It answered, but not that. */
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "unreachable"; readonly reason: string };

/** Larger than any INFO. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

/** Never rejects. An abort counts as unreachable. */
export async function redisInfo(address: RedisAddress, timeoutMs: number, signal: AbortSignal): Promise<RedisAnswer> {
  let socket: Socket | null = null;
  const { username, password } = address;
  const isAnonymous = password === null;
  const login = isAnonymous ? [] : ["AUTH", ...(username === null ? [] : [username]), password];
  const timer = new AbortController();
  const abort = (): void => timer.abort(new Error("the plugin ends"));
  signal.addEventListener("abort", abort, { once: true });
  const timeout = setTimeout(() => timer.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    socket = await open(address);
    if (!isAnonymous) socket.write(encodeCommand(login));
    socket.write(encodeCommand(["INFO"]));
    return await answerOf(socket, isAnonymous ? 1 : 2, timer.signal);
  } catch (error) {
    return { kind: "unreachable", reason: reasonOf(error) };
  } finally {
    clearTimeout(timeout);
    signal.removeEventListener("abort", abort);
    socket?.destroy();
  }
}

/** Settles at once: what is written waits for the connection. */
async function open({ host, port, path, isTls }: RedisAddress): Promise<Socket> {
  if (path !== null) return connectTcp({ path });
  if (!isTls) return connectTcp({ host, port });
  const { connect: connectTls } = await import("node:tls"); // by need: it is large
  return connectTls({ host, port, servername: host });
}

/** The last of so many replies, or the first that is an error. */
function answerOf(socket: Socket, count: number, signal: AbortSignal): Promise<RedisAnswer> {
  return new Promise((resolve, reject) => {
    let text = "";
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("it closed the connection")));
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => {
      text += String(chunk);
      const outcome = lastOf(text, count);
      if (outcome instanceof Error) reject(outcome);
      else if (outcome !== null) resolve(outcome);
      else if (text.length > ANSWER_BYTES_MAX) reject(new Error(`it sent more than ${ANSWER_BYTES_MAX} bytes`));
    });
  });
}

/** Null where more has to come. */
function lastOf(text: string, count: number): RedisAnswer | Error | null {
  let from = 0;
  for (let n = 1; ; n++) {
    const reply = decodeReply(text, from);
    if (reply.kind === "partial") return null;
    if (reply.kind === "foreign") return new Error("it does not speak Redis's protocol");
    if (reply.kind === "error") return { kind: "refused", reason: reply.text };
    if (n === count) return { kind: "info", text: reply.text };
    from = reply.end;
  }
}
