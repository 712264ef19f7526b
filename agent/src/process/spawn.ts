/**
 * Starts one process of a watcher (reference §2.9): its own session and process group, exactly its
 * environment, descriptors 0–2 and its sockets under their own numbers, the descriptor limit that the
 * agent was started with.
 */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { type NofileLimit, nofileLimit } from "../sockets/syscalls.ts";

export type OutputTarget = "inherit" | "ignore";

export interface SpawnSpec {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly uid: number | null;
  readonly gid: number | null;
  /** A descriptor of the agent, `ignore` for /dev/null, or the agent's own. */
  readonly stdin: number | "ignore" | "inherit";
  readonly stdout: OutputTarget;
  readonly stderr: OutputTarget;
  /** Descriptors that the process gets under the same number. */
  readonly fds: readonly number[];
  /** Null: the agent's present one. */
  readonly nofile: NofileLimit | null;
}

/** How a process ended. `code` or `signal`; both null where it cannot be known. */
export interface ExitFact {
  readonly pid: number;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export type SpawnResult =
  | { readonly ok: true; readonly pid: number; readonly startedMs: number }
  | { readonly ok: false; readonly reason: string };

/** Descriptors that libuv needs for the fork itself, above what is open. */
const FORK_FDS = 16;

/**
 * Starts it and calls `onExit` once when the kernel reports its end (SIGCHLD). What can be known before
 * the fork is checked before it, so that the reason is one clear line.
 */
export function spawnProcess(spec: SpawnSpec, onExit: (exit: ExitFact) => void): SpawnResult {
  const [file = "", ...args] = spec.argv;
  const cwd = cwdProblem(spec.cwd);
  if (cwd !== null) return { ok: false, reason: cwd };
  const found = findExecutable(file, spec.env["PATH"], spec.cwd);
  if (!found.ok) return found;
  const child = withNofile(spec.nofile, () =>
    spawn(found.path, args, {
      argv0: file,
      cwd: spec.cwd,
      env: { ...spec.env },
      detached: true,
      stdio: stdioOf(spec),
      ...(spec.uid === null ? {} : { uid: spec.uid }),
      ...(spec.gid === null ? {} : { gid: spec.gid }),
    }),
  );
  if (child instanceof Error || child.pid === undefined) {
    return { ok: false, reason: `cannot run '${file}': ${spawnProblem(child, found.path)}` };
  }
  const { pid } = child;
  child.once("error", () => undefined); // a failed kill() of ours is not news
  child.once("exit", (code, signal) => onExit({ pid, code, signal }));
  child.unref();
  return { ok: true, pid, startedMs: Date.now() };
}

function stdioOf(spec: SpawnSpec): StdioOptions {
  const stdio: ("ignore" | "inherit" | number)[] = [spec.stdin, spec.stdout, spec.stderr];
  const highest = Math.max(2, ...spec.fds);
  for (let fd = 3; fd <= highest; fd++) stdio[fd] = spec.fds.includes(fd) ? fd : "ignore";
  return stdio;
}

/** Holds the agent's own soft limit at the worker's during the (synchronous) fork, so that no worker ever sees another. */
function withNofile(wanted: NofileLimit | null, fork: () => ChildProcess): ChildProcess | Error {
  const guarded = (): ChildProcess | Error => {
    try {
      return fork();
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  };
  if (wanted === null) return guarded();
  const mine = nofileLimit(0);
  const limit = { soft: Math.min(wanted.soft, mine.hard), hard: mine.hard };
  if (limit.soft >= mine.soft) return guarded();
  if (highestFd() + FORK_FDS >= limit.soft) {
    // The fork itself would run out of descriptors: correct the child right after instead.
    const child = guarded();
    if (!(child instanceof Error) && child.pid !== undefined) nofileLimit(child.pid, limit);
    return child;
  }
  nofileLimit(0, limit);
  try {
    return guarded();
  } finally {
    nofileLimit(0, mine);
  }
}

function highestFd(): number {
  const size = /^FDSize:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return Number(size ?? 0);
}

function cwdProblem(cwd: string): string | null {
  try {
    if (!statSync(cwd).isDirectory()) return `working_dir '${cwd}' is no directory`;
    accessSync(cwd, constants.X_OK);
    return null;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return `working_dir '${cwd}' ${isMissing ? "does not exist" : "cannot be entered: permission denied"}`;
  }
}

type Found = { readonly ok: true; readonly path: string } | { readonly ok: false; readonly reason: string };

/** Looks a program up as `execvp` does with the *child's* PATH (reference §2.9). */
export function findExecutable(file: string, path: string | undefined, cwd: string): Found {
  const isPath = file.includes("/");
  const searched = path ?? "/bin:/usr/bin";
  const candidates = isPath
    ? [isAbsolute(file) ? file : resolve(cwd, file)]
    : searched.split(delimiter).map((dir) => join(resolve(cwd, dir), file));
  let isDenied = false;
  for (const candidate of candidates) {
    try {
      if (statSync(candidate).isDirectory()) {
        isDenied ||= isPath;
        continue;
      }
      accessSync(candidate, constants.X_OK);
      return { ok: true, path: candidate };
    } catch (error) {
      isDenied ||= (error as NodeJS.ErrnoException).code === "EACCES";
    }
  }
  const why = isDenied ? "permission denied" : isPath ? "no such file" : `not found in PATH ${searched}`;
  return { ok: false, reason: `cannot run '${file}': ${why}` };
}

/** Why a fork or exec failed; Node reports the errno only later, so the usual case is looked at here. */
function spawnProblem(child: ChildProcess | Error, path: string): string {
  if (child instanceof Error) return (child as NodeJS.ErrnoException).code ?? child.message;
  child.once("error", () => undefined);
  const interpreter = interpreterOf(path);
  if (interpreter !== null && !findExecutable(interpreter, "", "/").ok)
    return `its interpreter '${interpreter}' does not exist`;
  return "the system refused to start it";
}

function interpreterOf(path: string): string | null {
  try {
    return /^#!\s*(\S+)/.exec(readFileSync(path, "latin1").slice(0, 256))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** `exit_code` of a reap event: exit status, or −signal (reference §6). */
export function exitCodeOf(exit: ExitFact, signalNumbers: Readonly<Record<string, number>>): number | null {
  if (exit.code !== null) return exit.code;
  return exit.signal === null ? null : -(signalNumbers[exit.signal] ?? 0);
}
