/**
 * One question to a process: does it serve? Each probe resolves with what is wrong, null where nothing is, and
 * never rejects; an abort of its signal ends it and what it started.
 */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import type { WatcherConfig } from "../config/types.ts";
import type { WatcherDeps } from "../watcher/deps.ts";

export type Ailment = string | null;

/**
 * GET; well is a status below 400. Certificates are not checked: the address is the process's own, and its
 * certificate seldom names it.
 */
export function probeHttp(url: string, signal: AbortSignal): Promise<Ailment> {
  return new Promise((resolve) => {
    const request = url.toLowerCase().startsWith("https:") ? httpsRequest : httpRequest;
    try {
      request(url, { signal, agent: false, rejectUnauthorized: false, headers: { "user-agent": "circusd" } })
        .once("response", (response) => {
          const { statusCode = 0 } = response;
          // What it says does not matter, and it may never end.
          response.destroy();
          resolve(statusCode >= 200 && statusCode < 400 ? null : `GET ${url} answered ${statusCode}`);
        })
        .on("error", (error) => resolve(`GET ${url}: ${problemOf(error)}`))
        .end();
    } catch (error) {
      resolve(`GET ${url}: ${problemOf(error)}`);
    }
  });
}

/** Well is a connection that is accepted, if only by the kernel. */
export function probeTcp(host: string, port: number, signal: AbortSignal): Promise<Ailment> {
  if (!(port >= 1 && port <= 65_535)) return Promise.resolve(`port ${port} is none`);
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal });
    socket.once("connect", () => {
      socket.destroy();
      resolve(null);
    });
    socket.on("error", (error) => resolve(`connect to ${host}:${port}: ${problemOf(error)}`));
  });
}

function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return (error as NodeJS.ErrnoException).code ?? error.message;
}

/** What starts and ends a probe's command. */
export type Launcher = Pick<WatcherDeps, "spawn" | "killGroup">;

/**
 * A shell line with the watcher's own user, limits, directory and environment; well is exit status 0. It has no
 * input, and what it writes goes nowhere.
 */
export function probeExec(
  cmd: string,
  pid: number,
  wid: number,
  config: WatcherConfig,
  { spawn, killGroup }: Launcher,
  signal: AbortSignal,
): Promise<Ailment> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve("aborted");
      return;
    }
    let isOver = false;
    const result = spawn({ config: commandOf(config, cmd, pid, wid), wid }, ({ code, signal: signum }) => {
      isOver = true;
      if (code === 0) resolve(null);
      else
        resolve(
          `'${cmd}' ${signum === null ? `exited with status ${code ?? "unknown"}` : `was killed by signal ${signum}`}`,
        );
    });
    if (!result.ok) {
      resolve(result.reason);
      return;
    }
    const child = result.pid;
    signal.addEventListener("abort", () => {
      if (!isOver) killGroup(child, 9);
      resolve("aborted"); // whether or not the kernel can end it at once
    });
  });
}

function commandOf(config: WatcherConfig, cmd: string, pid: number, wid: number): WatcherConfig {
  return {
    ...config,
    ...{ cmd, args: "", shell: true, shellArgs: null, executable: null },
    ...{ useSockets: false, stdinSocket: null },
    ...{ closeChildStdin: true, closeChildStdout: true, closeChildStderr: true },
    env: { ...config.env, CIRCUS_PID: String(pid), CIRCUS_WID: String(wid) },
  };
}
