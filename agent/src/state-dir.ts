/** The agent's own directory (design §3): mode 0700, one per endpoint, locked while an agent uses it. */
import { closeSync, mkdirSync, openSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { CircusError, type Logger, reasonOf } from "@circus-cluster/proto";
import type { AgentConfig, CircusSection } from "./config/types.ts";
import { tryLock } from "./sockets/syscalls.ts";

export class StateDir implements Disposable {
  readonly path: string;
  #lockFd: number;

  private constructor(path: string, lockFd: number) {
    this.path = path;
    this.#lockFd = lockFd;
  }

  /**
   * Makes it where it is missing and locks it.
   *
   * @throws CircusError `conflict` where another agent has it, `os` where it cannot be made.
   */
  static open(path: string): StateDir {
    let fd = -1;
    let isOurs: boolean;
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      fd = openSync(join(path, "lock"), "a", 0o600);
      isOurs = tryLock(fd);
    } catch (error) {
      if (fd >= 0) closeSync(fd);
      throw new CircusError("os", `cannot use state directory ${path}: ${reasonOf(error)}`, { cause: error });
    }
    if (!isOurs) {
      closeSync(fd);
      throw new CircusError("conflict", `state directory ${path} is in use by another circusd`);
    }
    return new StateDir(path, fd);
  }

  /** Lets another agent have it; harmless twice. */
  [Symbol.dispose](): void {
    if (this.#lockFd >= 0) closeSync(this.#lockFd);
    this.#lockFd = -1;
  }
}

/**
 * The directory that the file names. Else the usual one, where it can be used and `byDefault` says so; where it cannot,
 * that is said, and the agent does without.
 *
 * @returns null: nothing is kept over the agent's life
 * @throws CircusError as {@link StateDir.open}, where the file names it or needs it
 */
export function openStateDir({ circus, fleet }: AgentConfig, byDefault: boolean, log: Logger): StateDir | null {
  const isNeeded = circus.stateDir !== null || fleet !== null;
  if (!isNeeded && !byDefault) return null;
  const path = stateDirPath(circus, process.env, process.getuid?.() ?? 0);
  try {
    return StateDir.open(path);
  } catch (error) {
    if (isNeeded) throw error;
    log.warning(
      "workers will not outlive circusd, nor will what was stopped by hand stay so: set 'state_dir' in [circus]",
      {
        reason: reasonOf(error),
      },
    );
    return null;
  }
}

/** `state_dir`, or a place of its own for the endpoint: in the user's state directory, for root under `/var/lib`. */
export function stateDirPath(circus: CircusSection, env: NodeJS.ProcessEnv, uid: number): string {
  if (circus.stateDir !== null) return circus.stateDir;
  const systems = uid === 0 ? "/var/lib" : join(homedir(), ".local", "state");
  return join(env["XDG_STATE_HOME"] ?? systems, "circus", circus.endpoint.replaceAll(/[^A-Za-z0-9.-]+/g, "_"));
}
