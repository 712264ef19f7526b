/** One attempt to bring a message to where a rule says: an HTTP request, or a command of the shell. */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { reasonOf, VERSION } from "@circus-cluster/proto";
import type { Message } from "./message.ts";
import type { Target } from "./rules.ts";

const WEBHOOK_MS = 10_000;
const COMMAND_MS = 30_000;
/** Of what a command complains. */
const COMPLAINT_MAX = 200;

/** @param signal ends it, and the command with it @returns null: it has arrived; else why not */
export async function deliver(target: Target, message: Message, signal: AbortSignal): Promise<string | null> {
  try {
    return target.kind === "webhook" ? await post(target, message, signal) : await run(target.line, message, signal);
  } catch (error) {
    return reasonOf(error);
  }
}

/** Where to, without what may be secret in it. */
export function placeOf(target: Target): string {
  if (target.kind === "webhook") return new URL(target.url).host;
  return target.line.split(/\s+/, 1)[0] ?? "";
}

async function post(
  { url, tokenFile }: Extract<Target, { kind: "webhook" }>,
  message: Message,
  signal: AbortSignal,
): Promise<string | null> {
  const token = tokenFile === null ? null : (await readFile(tokenFile, "utf8")).split(/\r?\n/, 1)[0]?.trim();
  const timeout = AbortSignal.timeout(WEBHOOK_MS);
  try {
    const response = await fetch(url, {
      method: "POST",
      // A POST that is sent elsewhere would become a GET, or show the token to somebody else.
      redirect: "manual",
      headers: {
        "Content-Type": "application/json",
        "User-Agent": `circus-controller/${VERSION}`,
        "Idempotency-Key": message.id,
        ...(token === null || token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(message),
      signal: AbortSignal.any([signal, timeout]),
    });
    await response.body?.cancel();
    return response.ok ? null : `HTTP ${response.status} ${response.statusText}`.trim();
  } catch (error) {
    if (timeout.aborted) return `no answer within ${WEBHOOK_MS / 1000}s`;
    // What fetch says itself is always the same: "fetch failed".
    return reasonOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
  }
}

/** In a process group of its own, which ends with it. */
async function run(line: string, message: Message, signal: AbortSignal): Promise<string | null> {
  const child = spawn("/bin/sh", ["-c", line], {
    stdio: ["pipe", "ignore", "pipe"],
    detached: true,
    env: {
      ...process.env,
      CIRCUS_NOTICE_ID: message.id,
      CIRCUS_NOTICE_RULE: message.rule,
      CIRCUS_NOTICE_FLEET: message.fleet,
      CIRCUS_NOTICE_TEXT: message.text,
    },
  });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (complaint.length < COMPLAINT_MAX) complaint += text;
  });
  // One that does not read what it is told is no failure.
  child.stdin.on("error", () => undefined).end(`${JSON.stringify(message)}\n`);
  const timeout = AbortSignal.timeout(COMMAND_MS);
  const stop = AbortSignal.any([signal, timeout]);
  const kill = (): void => killGroup(child.pid);
  stop.addEventListener("abort", kill);
  try {
    return await new Promise((resolve) => {
      child.on("error", (error) => resolve(reasonOf(error)));
      // Not "close": a child of its own that lives on may hold the pipe open.
      child.on("exit", (code, killedBy) => {
        const last = complaint.trim().split("\n").at(-1)?.slice(0, COMPLAINT_MAX) ?? "";
        const why = last === "" ? "" : `: ${last}`;
        if (code === 0) resolve(null);
        else if (timeout.aborted) resolve(`not ended within ${COMMAND_MS / 1000}s, and killed${why}`);
        else resolve(`${code === null ? `killed by ${killedBy ?? "a signal"}` : `exit ${code}`}${why}`);
      });
    });
  } finally {
    stop.removeEventListener("abort", kill);
    kill();
    child.stderr.destroy();
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody is left in it.
  }
}
