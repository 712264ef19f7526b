/**
 * Programs under test: started, listened to, stopped. Each leads a process group of its own, and only that group is
 * ever signalled. Programs are looked up in node_modules/.bin first, then in PATH and sbin.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { MARK, MARK_NAME, track } from "./leaks.ts";
import { waitFor, within } from "./wait.ts";

export const projectRoot = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const exampleDir = join(projectRoot, "deploy/examples/wsgi");

export interface RunOptions {
  readonly cwd?: string;
  /** On top of `cleanEnv()`; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Written to stdin, which is closed then. @default no stdin */
  readonly input?: string;
  /** Run in this network namespace. */
  readonly netns?: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Result extends Exit {
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

export interface Program extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves at its end, whatever the reason. */
  readonly exited: Promise<Exit>;
  /** Its end, and the end of its output too. */
  readonly closed: Promise<Exit>;
  readonly isRunning: boolean;
  /** The first line of stdout or stderr, past or to come, that matches. @throws when it ends before, or after the deadline */
  waitForLine(pattern: RegExp, deadlineMs?: number): Promise<string>;
  kill(signal?: NodeJS.Signals): void;
  /** SIGTERM, SIGKILL to its group after `graceMs`; what is left of the group is killed too. */
  stop(graceMs?: number): Promise<Exit>;
}

let stateRoot: string | null = null;
let lastStateHome = 0;

/** Where a circusd that is told no other place keeps its state: another one for each, so that none finds what one left. */
function newStateHome(): string {
  if (stateRoot === null) {
    const made = mkdtempSync(join(tmpdir(), "circus-test-state-"));
    process.once("exit", () => rmSync(made, { recursive: true, force: true }));
    stateRoot = made;
  }
  return join(stateRoot, String(++lastStateHome));
}

/** The environment of the tests without what slows each Node down or points a client elsewhere. */
export function cleanEnv(extra: Readonly<Record<string, string | undefined>> = {}): Record<string, string> {
  const env: Record<string, string> = { [MARK_NAME]: MARK, XDG_STATE_HOME: newStateHome() };
  for (const [name, value] of Object.entries({ ...process.env, ...extra })) {
    if (value === undefined || (name === "NODE_EXTRA_CA_CERTS" && extra[name] === undefined)) continue;
    if ((name.startsWith("CIRCUSCTL_") || name.startsWith("npm_") || name.startsWith("VITEST")) && !(name in extra))
      continue;
    env[name] = value;
  }
  if (extra["PATH"] === undefined) {
    env["PATH"] = [join(projectRoot, "node_modules/.bin"), env["PATH"] ?? "", "/usr/sbin", "/sbin"].join(delimiter);
  }
  return env;
}

/** The file that a name stands for, or null: node_modules/.bin, PATH, sbin. A name with a slash is a path. */
export function findProgram(name: string): string | null {
  const candidates = name.includes("/")
    ? [name]
    : (cleanEnv()["PATH"] ?? "").split(delimiter).map((dir) => join(dir, name));
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Nothing left of it.
  }
}

class RunningProgram implements Program {
  readonly name: string;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly closed: Promise<Exit>;
  stdout = "";
  stderr = "";
  isRunning = true;
  readonly #child: ChildProcess;
  readonly #untrack: () => void;

  constructor(name: string, child: ChildProcess, pid: number) {
    this.name = name;
    this.pid = pid;
    this.#child = child;
    this.#untrack = track(`${name} (pid ${pid})`, () => killGroup(pid, "SIGKILL"));
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.exited = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.isRunning = false;
        resolve({ code, signal });
      });
    });
    this.closed = new Promise((resolve) => {
      child.once("close", (code, signal) => resolve({ code, signal }));
    });
  }

  async waitForLine(pattern: RegExp, deadlineMs = 10_000): Promise<string> {
    const find = (): string | undefined =>
      `${this.stdout}\n${this.stderr}`.split("\n").find((line) => pattern.test(line));
    const line = await waitFor(() => find() ?? !this.isRunning, {
      what: `${this.name} to print ${String(pattern)}`,
      deadlineMs,
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.#output()}`, { cause: error });
    });
    if (typeof line === "string") return line;
    throw new Error(`${this.name} ended without printing ${String(pattern)}\n${this.#output()}`);
  }

  kill(signal: NodeJS.Signals = "SIGTERM"): void {
    if (this.isRunning) this.#child.kill(signal);
  }

  async stop(graceMs = 10_000): Promise<Exit> {
    this.kill("SIGTERM");
    const exit = await within(this.name, graceMs, this.exited).catch(() => {
      killGroup(this.pid, "SIGKILL");
      return this.exited;
    });
    killGroup(this.pid, "SIGKILL");
    this.#untrack();
    return exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #output(): string {
    return `--- stdout\n${this.stdout.slice(-2000)}\n--- stderr\n${this.stderr.slice(-4000)}`;
  }
}

/** Starts a program; its output is collected. @throws when there is no such program */
export async function startProgram(
  name: string,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<Program> {
  return await launch(name, args, options);
}

async function launch(name: string, args: readonly string[], options: RunOptions): Promise<RunningProgram> {
  const file = findProgram(name);
  if (file === null)
    throw new Error(`${name} is neither in node_modules/.bin nor in PATH; deploy/setup.sh and npm run build bring it`);
  const [command, argv] =
    options.netns === undefined ? [file, args] : ["ip", ["netns", "exec", options.netns, file, ...args]];
  const child = spawn(command, argv, {
    cwd: options.cwd ?? projectRoot,
    env: cleanEnv(options.env),
    detached: true,
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  const pid = await new Promise<number>((resolve, reject) => {
    child.once("error", (cause) => reject(new Error(`${name} could not be started`, { cause })));
    child.once("spawn", () => {
      if (child.pid !== undefined) resolve(child.pid);
    });
  });
  const program = new RunningProgram(name, child, pid);
  child.stdin?.on("error", () => undefined).end(options.input);
  return program;
}

/** Runs a program until it has ended and closed its output. @throws after `deadlineMs`; it is killed then */
export async function run(
  name: string,
  args: readonly string[] = [],
  options: RunOptions & { readonly deadlineMs?: number } = {},
): Promise<Result> {
  const begun = performance.now();
  const program = await launch(name, args, options);
  try {
    const exit = await within(`${name} ${args.join(" ")}`, options.deadlineMs ?? 30_000, program.closed);
    const tookMs = performance.now() - begun;
    return { ...exit, stdout: program.stdout, stderr: program.stderr, tookMs };
  } finally {
    await program.stop(0);
  }
}
