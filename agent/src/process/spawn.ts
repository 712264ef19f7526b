/**
 * Starts one process of a watcher (reference §2.9): its own session and process group, exactly its
 * environment, descriptors 0–2 and its sockets under their own numbers, the descriptor limit that the
 * agent was started with.
 */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import type { Rlimits } from "../config/rlimits.ts";
import * as sys from "../sockets/syscalls.ts";
import { type Activation, activationEnv, activationLauncher } from "./activation.ts";
import { cwdProblem, type Found, findExecutable, interpreterOf } from "./executable.ts";
import { parseStat } from "./proc-stat.ts";
import { rlimitLauncher } from "./rlimits.ts";
import { signalNumber } from "./signals.ts";
import { inGroups, mayExecuteAs, maySetGroups } from "./thread-rights.ts";

/** The agent's own, /dev/null, or a descriptor of the agent. */
type OutputTarget = "inherit" | "ignore" | number;

export interface SpawnSpec {
  readonly argv: readonly string[];
  /** Program to execute in place of argv's first word, which it still sees as its name; null: that word. */
  readonly executable: string | null;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly uid: number | null;
  readonly gid: number | null;
  /** Supplementary groups that go with `uid`; null: the agent's, or none where a `uid` or `gid` is set by root. */
  readonly groups: readonly number[] | null;
  readonly rlimits: Rlimits;
  /** A descriptor of the agent, `ignore` for /dev/null, or the agent's own. */
  readonly stdin: number | "ignore" | "inherit";
  readonly stdout: OutputTarget;
  readonly stderr: OutputTarget;
  /** Descriptors that the process gets under the same number. */
  readonly fds: readonly number[];
  /** In place of `fds`: what it gets from descriptor 3 on, as systemd hands sockets over; null: nothing. */
  readonly activation: Activation | null;
  /** Null: the agent's present one. */
  readonly nofile: sys.ResourceLimit | null;
}

/** How a process ended. `code` or `signal`; both null where it cannot be known. */
export interface ExitFact {
  readonly pid: number;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface SpawnedProcess {
  readonly pid: number;
  /** Wall ms since the epoch. */
  readonly startedMs: number;
  /** Start time of `/proc/PID/stat`, which with the pid names one process; null where it cannot be read. */
  readonly startTicks: number | null;
}

export type SpawnResult = ({ readonly ok: true } & SpawnedProcess) | { readonly ok: false; readonly reason: string };

/** Descriptors that libuv needs for the fork itself, above what is open. */
const FORK_FDS = 16;

/**
 * Starts it and calls `onExit` once when the kernel reports its end (SIGCHLD). What can be known before
 * the fork is checked before it, so that the reason is one clear line.
 */
export function spawnProcess(spec: SpawnSpec, onExit: (exit: ExitFact) => void): SpawnResult {
  const [name = "", ...args] = spec.argv;
  const file = spec.executable ?? name;
  const cwd = cwdProblem(spec.cwd);
  if (cwd !== null) return { ok: false, reason: cwd };
  const nul = nulProblem(spec);
  if (nul !== null) return { ok: false, reason: nul };
  const groups = spec.uid !== null && maySetGroups() ? spec.groups : null;
  const found = findAs(spec, groups, file);
  if (!found.ok) return found;
  const launcher = rlimitLauncher(spec.rlimits);
  if (!launcher.ok) return launcher;
  const activator = spec.activation === null ? ({ ok: true, words: [] } as const) : activationLauncher(spec.env, file);
  if (!activator.ok) return activator;
  const launchers = [...activator.words, ...launcher.words];
  const [program = found.path, ...words] = launchers;
  if (launchers.length > 0) {
    // The fork will only tell whether the launcher could be executed.
    const problem = interpreterProblem(found.path);
    if (problem !== null) return { ok: false, reason: `cannot run '${file}': ${problem}` };
    words.push(file);
  }
  const restore = launcher.raise();
  if (typeof restore !== "function") return { ok: false, ...restore };
  let child: ChildProcess | Error;
  try {
    child = withGroups(spec, groups, () =>
      withNofile(spec.nofile, () =>
        keepingFlags(spec.stdin, () =>
          spawn(program, [...words, ...args], {
            argv0: launchers.length > 0 ? program : name,
            cwd: spec.cwd,
            env: { ...spec.env, ...activationEnv(spec.activation) },
            detached: true,
            stdio: stdioOf(spec),
            ...(spec.uid === null ? {} : { uid: spec.uid }),
            ...(spec.gid === null || groups !== null ? {} : { gid: spec.gid }),
          }),
        ),
      ),
    );
  } finally {
    restore();
  }
  if (child instanceof Error || child.pid === undefined) {
    return { ok: false, reason: `cannot run '${file}': ${spawnProblem(child, found.path, spec.uid)}` };
  }
  const { pid } = child;
  child.once("error", () => undefined); // a failed kill() of ours is not news
  child.once("exit", (code, signal) => onExit({ pid, code, signal }));
  child.unref();
  return { ok: true, pid, startedMs: Date.now(), startTicks: startTicksOf(pid) };
}

/** The program, as its user would find it. */
function findAs(spec: SpawnSpec, groups: readonly number[] | null, file: string): Found {
  const { uid, env, cwd } = spec;
  if (uid === null || groups === null) return findExecutable(file, env["PATH"], cwd);
  const mayExecute = (path: string): boolean => inGroups(gidOf(spec), groups, () => mayExecuteAs(uid, path));
  try {
    return findExecutable(file, env["PATH"], cwd, { uid, mayExecute });
  } catch (error) {
    if (!(error instanceof sys.SyscallError)) throw error;
    return { ok: false, reason: `cannot run '${file}': ${error.message}` };
  }
}

function gidOf({ gid }: SpawnSpec): number {
  return gid ?? process.getegid?.() ?? 0;
}

function withGroups(
  spec: SpawnSpec,
  groups: readonly number[] | null,
  fork: () => ChildProcess | Error,
): ChildProcess | Error {
  if (groups === null) return fork();
  try {
    return inGroups(gidOf(spec), groups, fork);
  } catch (error) {
    if (error instanceof sys.SyscallError) return error;
    throw error;
  }
}

/**
 * libuv makes descriptors 0 to 2 of a child blocking, and with them the open file description that a
 * `stdin_socket` shares with the agent and its other workers: set back what the configuration says.
 */
function keepingFlags(stdin: SpawnSpec["stdin"], fork: () => ChildProcess): ChildProcess {
  if (typeof stdin !== "number" || !sys.isNonBlocking(stdin)) return fork();
  try {
    return fork();
  } finally {
    sys.setNonBlocking(stdin, true);
  }
}

function startTicksOf(pid: number): number | null {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"))?.startTicks ?? null;
  } catch {
    return null;
  }
}

function stdioOf(spec: SpawnSpec): StdioOptions {
  const stdio: ("ignore" | "inherit" | number)[] = [spec.stdin, spec.stdout, spec.stderr];
  if (spec.activation !== null) return [...stdio, ...spec.activation.map(({ fd }) => fd)];
  const highest = Math.max(2, ...spec.fds);
  for (let fd = 3; fd <= highest; fd++) stdio[fd] = spec.fds.includes(fd) ? fd : "ignore";
  return stdio;
}

/** Holds the agent's own soft limit at the worker's during the (synchronous) fork, so that no worker ever sees another. */
function withNofile(wanted: sys.ResourceLimit | null, fork: () => ChildProcess): ChildProcess | Error {
  const guarded = (): ChildProcess | Error => {
    try {
      return fork();
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  };
  if (wanted === null) return guarded();
  const mine = sys.nofileLimit(0);
  const limit = { soft: Math.min(wanted.soft, mine.hard), hard: mine.hard };
  if (limit.soft >= mine.soft) return guarded();
  if (!hasRoomBelow(limit.soft)) {
    // The fork itself would run out of descriptors: correct the child right after instead.
    const child = guarded();
    if (!(child instanceof Error) && child.pid !== undefined) correctNofile(child.pid, limit);
    return child;
  }
  sys.nofileLimit(0, limit);
  try {
    return guarded();
  } finally {
    sys.nofileLimit(0, mine);
  }
}

/** It runs already: one that has ended, or that we may not touch (other user, no capability), is left as it is. */
function correctNofile(pid: number, limit: sys.ResourceLimit): void {
  try {
    sys.nofileLimit(pid, limit);
  } catch (error) {
    if (!(error instanceof sys.SyscallError && (error.code === "ESRCH" || error.code === "EPERM"))) throw error;
  }
}

/** Whether the fork finds its descriptors below a limit. */
function hasRoomBelow(limit: number): boolean {
  const size = /^FDSize:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  if (Number(size ?? Number.POSITIVE_INFINITY) + FORK_FDS < limit) return true;
  // The kernel's table never shrinks: after one burst of connections it says nothing any more, so count.
  const open = readdirSync("/proc/self/fd").filter((fd) => Number(fd) < limit).length;
  return open + FORK_FDS < limit;
}

/** The kernel's strings end at a NUL byte. */
function nulProblem({ argv, env }: SpawnSpec): string | null {
  if (argv.some((word) => word.includes("\0"))) return "cmd or args contain a NUL byte";
  const name = Object.keys(env).find((key) => `${key}${env[key] ?? ""}`.includes("\0"));
  return name === undefined ? null : `env '${name.replaceAll("\0", "\\0")}' contains a NUL byte`;
}

/** Why a fork or exec failed; Node reports the errno only later, so the usual case is looked at here. */
function spawnProblem(child: ChildProcess | Error, path: string, uid: number | null): string {
  const as = uid === null ? "" : ` as uid ${uid}`;
  if (child instanceof Error) {
    const { code, message } = child as NodeJS.ErrnoException;
    if (code === "E2BIG") return "arguments and environment are too long (E2BIG)";
    if (code === "EPERM") return `the system does not permit it${as} (EPERM)`;
    return code ?? message;
  }
  child.once("error", () => undefined);
  return interpreterProblem(path) ?? `the system refused to start it${as}`;
}

function interpreterProblem(path: string): string | null {
  const interpreter = interpreterOf(path);
  const isThere = interpreter === null || findExecutable(interpreter, "", "/").ok;
  return isThere ? null : `its interpreter '${interpreter}' does not exist`;
}

/** `exit_code` of a reap event: exit status, or −signal (reference §6); null where it is not known. */
export function exitCodeOf(exit: ExitFact): number | null {
  if (exit.code !== null) return exit.code;
  const signum = signalNumber(exit.signal);
  return signum === null ? null : -signum;
}
