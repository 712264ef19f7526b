/**
 * Hooks that are shell lines: what a Python hook gets as arguments comes as JSON on standard input. Exit status 0 is a
 * yes, another a no; 126 and 127 are the shell's own words for a command that cannot be run, so a failure. A JSON object
 * on standard output may bring the watcher's environment (`env`) or the completed statistics (`stats`).
 */
import { spawn } from "node:child_process";
import { sendSignal } from "../process/signals.ts";
import type { HookRequest, Stats, TellHook } from "../watcher/deps.ts";
import { showRequest } from "./view.ts";

const SIGKILL = 9;
const OUTPUT_BYTES_MAX = 1 << 20;
const CANNOT_RUN = [126, 127];

/** Returns what breaks the call off. */
export function callCommand(line: string, request: HookRequest, facts: Stats, tell: TellHook): () => void {
  const { call, config, stats } = request;
  const child = spawn("/bin/sh", ["-c", line], {
    cwd: config.workingDir,
    env: { ...process.env, ...config.env, CIRCUS_HOOK: call.hook, CIRCUS_WATCHER: config.name },
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
  });
  let isOver = false;
  const finish = (...told: Parameters<TellHook>): void => {
    if (isOver) return;
    isOver = true;
    tell(...told);
  };
  const failed = (error: string): void => finish({ kind: "failed", error });
  const chunks: Buffer[] = [];
  let size = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= OUTPUT_BYTES_MAX) chunks.push(chunk);
  });
  child.once("error", (error) => failed(error.message));
  // Not "close": what it left behind in the background may hold its output open for ever.
  child.once("exit", (code, signal) => {
    setImmediate(() => {
      child.stdout.destroy();
      if (code === null) failed(`'${line}' was killed by ${signal ?? "a signal"}`);
      else if (CANNOT_RUN.includes(code)) failed(`'${line}' cannot be run (exit status ${code})`);
      else {
        const { env, stats: changed } = parseOutput(Buffer.concat(chunks).toString());
        finish({ kind: "returned", value: code === 0, env }, changed ?? stats ?? {});
      }
    });
  });
  child.stdin.on("error", () => undefined); // it need not read what it is told
  const input = { hook_name: call.hook, watcher: showRequest(request), ...facts, ...(stats === null ? {} : { stats }) };
  child.stdin.end(`${JSON.stringify(input)}\n`);
  child.unref();
  return () => {
    if (isOver) return;
    isOver = true;
    child.stdout.destroy();
    if (child.pid !== undefined) sendSignal(-child.pid, SIGKILL);
  };
}

interface Output {
  readonly env: Readonly<Record<string, string>> | null;
  readonly stats: Stats | null;
}

/** Any other output means nothing: many programs write something. */
function parseOutput(text: string): Output {
  if (!text.trimStart().startsWith("{")) return { env: null, stats: null };
  try {
    const { env, stats } = JSON.parse(text) as { env?: unknown; stats?: unknown };
    return { env: isTexts(env) ? env : null, stats: isObject(stats) ? stats : null };
  } catch {
    return { env: null, stats: null };
  }
}

export function isObject(value: unknown): value is Stats {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return isObject(value) && Object.values(value).every((text) => typeof text === "string");
}
