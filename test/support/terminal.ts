/** A program on a terminal of its own (test/fixtures/terminal.py): what it shows, what is typed, how it leaves it. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { track } from "./leaks.ts";
import { cleanEnv, findProgram, projectRoot, type RunOptions } from "./process.ts";
import { python } from "./python.ts";
import { waitFor, within } from "./wait.ts";

interface TerminalOptions extends Pick<RunOptions, "env"> {
  /** @default 24 */
  readonly rows?: number;
  /** @default 80 */
  readonly columns?: number;
}

/** How the program ended: its exit code, or the negative number of a signal; and is the terminal as it was? */
export interface TerminalEnd {
  readonly status: number;
  readonly restored: boolean;
}

export class Terminal implements AsyncDisposable {
  /** All that was written, with its control characters. */
  raw = "";
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exit: Promise<unknown>;
  readonly #untrack: () => void;
  #report = "";

  /** @param argv a program of node_modules/.bin or of PATH, and its arguments */
  constructor(argv: readonly string[], { rows = 24, columns = 80, env = {} }: TerminalOptions = {}) {
    const [name = "", ...args] = argv;
    const script = join(projectRoot, "test/fixtures/terminal.py");
    this.#child = spawn(python(), [script, String(rows), String(columns), findProgram(name) ?? name, ...args], {
      env: cleanEnv({ TERM: "xterm", ...env }),
      stdio: "pipe",
    });
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => (this.raw += text));
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#report += text));
    this.#child.stdin.on("error", () => undefined); // it may have ended already
    this.#exit = once(this.#child, "close");
    this.#untrack = track(`${argv.join(" ")} on a terminal`, () => this.#child.kill("SIGKILL"));
  }

  /** What was written since the last time that the screen was drawn from its corner. */
  screen(): string {
    return stripVTControlCharacters(this.raw.slice(Math.max(0, this.raw.lastIndexOf("\x1b[H")))).replaceAll("\r", "");
  }

  /** All that was ever written, without control characters. */
  text(): string {
    return stripVTControlCharacters(this.raw);
  }

  type(keys: string): void {
    this.#send({ keys });
  }

  resize(rows: number, columns: number): void {
    this.#send({ size: [rows, columns] });
  }

  signal(signal: number): void {
    this.#send({ signal });
  }

  /** Waits until the screen shows this. */
  async shows(pattern: RegExp, deadlineMs = 20_000): Promise<string> {
    return await waitFor(() => pattern.test(this.screen()) && this.screen(), {
      what: `the screen to show ${String(pattern)}`,
      deadlineMs,
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.screen()}\n${this.#report}`, { cause: error });
    });
  }

  async ended(deadlineMs = 20_000): Promise<TerminalEnd> {
    await within("the program on the terminal to end", deadlineMs, this.#exit);
    this.#untrack();
    const last = this.#report.trim().split("\n").at(-1) ?? "";
    return JSON.parse(last) as TerminalEnd;
  }

  /** Kills it where it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await within("the terminal to close", 20_000, this.#exit);
    this.#untrack();
  }

  #send(step: object): void {
    this.#child.stdin.write(`${JSON.stringify(step)}\n`);
  }
}
