/**
 * `--daemon` (reference §7, D15). Node cannot fork itself, so the program starts itself once more, in a session of
 * its own, and waits until that one has bound everything or says what is in the way: its exit code is then this one's.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { duplicateTo } from "./sockets/syscalls.ts";

const READY_FD = 3;
const MARK = "CIRCUSD_BACKGROUND";
const READY = "ready";

/**
 * The foreground's part: shows what the background says until it is ready.
 *
 * @param argv the words that this program was started with
 * @param env what the background needs besides the environment
 * @returns exit code: 0 where it runs, else its own
 */
export async function startInBackground(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const [, script = ""] = process.argv;
  const child = spawn(process.execPath, [...process.execArgv, script, ...argv], {
    detached: true,
    env: { ...process.env, ...env, [MARK]: "1" },
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;
  for (const signal of signals) process.on(signal, forward);
  const exited = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? String(code ?? 1)));
  });
  (child.stdio[2] as Readable).pipe(process.stderr, { end: false });
  const word = await text(child.stdio[READY_FD] as Readable);
  if (word === READY) {
    // It has nothing open of ours any more; whatever becomes of it is not our exit code.
    child.unref();
    for (const signal of signals) process.off(signal, forward);
    return 0;
  }
  const end = await exited;
  if (/^\d+$/.test(end)) return Number(end) || 1;
  process.stderr.write(`circusd: ended before it had started: ${end}\n`);
  return 1;
}

/** The background's part. */
export class Background {
  /** Null where this program is not the background of another. */
  static take(env: NodeJS.ProcessEnv): Background | null {
    if (env[MARK] === undefined) return null;
    Reflect.deleteProperty(env, MARK); // not for workers
    return new Background();
  }

  #isReady = false;

  /** Everything is bound: lets go of the terminal and of whoever waits. */
  ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    const nowhere = openSync("/dev/null", "r+");
    for (const fd of [0, 1, 2]) duplicateTo(nowhere, fd);
    closeSync(nowhere);
    try {
      writeSync(READY_FD, READY);
    } catch {
      // who waited has gone: that is no reason to end
    }
    closeSync(READY_FD);
  }
}
