/**
 * `--ssh`: the system's own ssh client carries the endpoint of a far host to a socket file here, in a directory that
 * only we can enter. It lives as long as the command does.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { SshServer } from "../settings.ts";

export type Tunnel =
  | {
      readonly kind: "open";
      /** What to connect to instead. */
      readonly endpoint: string;
      /** What ssh has complained about so far, in one line. */
      said(): string;
      close(): void;
    }
  | { readonly kind: "failed"; readonly reason: string };

/** People type passwords; without a terminal nobody can, and ssh's own limits end it sooner. */
const OPEN_MS_MAX = 120_000;
const CONNECT_S_MIN = 10;
const POLL_MS = 20;
const SAID_CHARS_MAX = 4000;

/** The far side as `ssh -L` wants it: `host:port`, or the path of a socket; null: it cannot be carried. */
function farSide(endpoint: string): string | null {
  const tcp = /^tcp:\/\/(.+:\d+)$/.exec(endpoint)?.[1];
  return tcp ?? /^ipc:\/\/(\/.+)$/.exec(endpoint)?.[1] ?? null;
}

function sshArguments(server: SshServer, forward: string, timeoutMs: number, isInTty: boolean): string[] {
  const connectS = Math.max(CONNECT_S_MIN, Math.ceil(timeoutMs / 1000));
  return [
    ...["-N", "-T", "-S", "none", "-L", forward],
    ...["-o", "ExitOnForwardFailure=yes", "-o", `ConnectTimeout=${connectS}`],
    ...(isInTty ? [] : ["-o", "BatchMode=yes"]),
    ...(server.keyfile === null ? [] : ["-i", server.keyfile, "-o", "IdentitiesOnly=yes"]),
    ...(server.port === null ? [] : ["-p", String(server.port)]),
    ...(server.user === null ? [] : ["-l", server.user]),
    "--",
    server.host,
  ];
}

function lastLine(text: string): string {
  return text.trim().split(/\r?\n/).at(-1) ?? "";
}

/** The way to `endpoint` as `server` sees it. Whoever opens it closes it; an end of the program does, too. */
export async function openTunnel(
  server: SshServer,
  endpoint: string,
  { timeoutMs, isInTty }: { readonly timeoutMs: number; readonly isInTty: boolean },
): Promise<Tunnel> {
  const far = farSide(endpoint);
  if (far === null)
    return { kind: "failed", reason: `--ssh cannot carry ${JSON.stringify(endpoint)}: tcp://HOST:PORT is wanted` };
  if (server.keyfile !== null && !existsSync(server.keyfile)) {
    return { kind: "failed", reason: `--ssh_keyfile ${server.keyfile}: no such file` };
  }
  const dir = mkdtempSync(join(tmpdir(), "circusctl-"));
  const file = join(dir, "s");
  const child = spawn("ssh", sshArguments(server, `${file}:${far}`, timeoutMs, isInTty), {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-SAID_CHARS_MAX);
  });
  const close = (): void => {
    process.off("exit", close);
    child.kill();
    rmSync(dir, { recursive: true, force: true });
  };
  process.on("exit", close);
  const problem = await untilThere(file, child);
  if (problem === null) {
    return { kind: "open", endpoint: `ipc://${file}`, said: () => lastLine(said), close };
  }
  close();
  return { kind: "failed", reason: `ssh to ${server.host}: ${lastLine(said) || problem}` };
}

/** Null once the socket file is there: ssh makes it when the far side has let us in. */
async function untilThere(file: string, child: ChildProcess): Promise<string | null> {
  const ended = new Promise<string>((resolve) => {
    // "close" comes after the last of its output, which says why.
    child.once("close", (code) => resolve(`it ended with exit code ${String(code)}`));
    child.once("error", (error) => resolve(`cannot be run: ${error.message}`));
  });
  for (let left = OPEN_MS_MAX; left > 0; left -= POLL_MS) {
    if (existsSync(file)) return null;
    const problem = await Promise.race([ended, sleep(POLL_MS, null)]);
    if (problem !== null) return problem;
  }
  return "it did not connect in time";
}
