/** The agent's own directory (design §3): mode 0700, one per endpoint, locked while an agent uses it. */
import { closeSync, mkdirSync, openSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { CircusError, reasonOf } from "@circus-cluster/proto";
import type { CircusSection } from "./config/types.ts";
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

/** `state_dir`, or a place of its own for the endpoint: under `/var/lib` for root, else in the user's state directory. */
export function stateDirPath(circus: CircusSection, env: NodeJS.ProcessEnv, uid: number): string {
  if (circus.stateDir !== null) return circus.stateDir;
  const userState = env["XDG_STATE_HOME"] ?? join(homedir(), ".local", "state");
  const base = uid === 0 ? "/var/lib/circus" : join(userState, "circus");
  return join(base, circus.endpoint.replaceAll(/[^A-Za-z0-9.-]+/g, "_"));
}
