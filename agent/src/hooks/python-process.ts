/**
 * One Python process that calls hooks (`python/circus_hooks.py`), spoken to in JSON lines over its descriptor 3. It ends
 * with the agent, however that ends. What goes wrong with it fails the calls that are under way, and nothing else.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { sendSignal } from "../process/signals.ts";
import type { Stats } from "../watcher/deps.ts";
import { isObject } from "./command.ts";

const PROGRAM = fileURLToPath(new URL("../../python/circus_hooks.py", import.meta.url));
const SIGKILL = 9;
const LINE_BYTES_MAX = 1 << 20;

export type PythonReply = Stats | { readonly error: string };

interface Call {
  readonly tell: (reply: PythonReply) => void;
  /** What the hook asks the agent for while it runs. */
  readonly ask: (what: unknown, facts: Stats) => unknown;
}

export class PythonProcess {
  readonly #python: string;
  readonly #child: ChildProcess;
  readonly #channel: Duplex | null;
  readonly #calls = new Map<number, Call>();
  #lastId = 0;
  #text = "";
  #isRetired = false;
  /** Why it takes no more calls; null: it does. */
  #end: string | null = null;

  /** @param pythonPath `PYTHONPATH`; empty: none */
  constructor(python: string, pythonPath: string) {
    this.#python = python;
    const { PYTHONPATH: _agents, ...env } = process.env;
    this.#child = spawn(python, [PROGRAM], {
      env: pythonPath === "" ? env : { ...env, PYTHONPATH: pythonPath },
      // In a session of its own: Ctrl-C is for the agent, whose stop still needs hooks.
      detached: true,
      stdio: ["ignore", "inherit", "inherit", "pipe"],
    });
    this.#child.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "ENOENT" ? "no such program; set 'python' in [circus]" : error.message;
      this.#die(`cannot run '${this.#python}': ${why}`);
    });
    this.#child.once("exit", (code, signal) => {
      this.#die(`the Python process of the hooks ended (${signal ?? `exit status ${code ?? "unknown"}`})`);
    });
    this.#child.unref();
    this.#channel = (this.#child.stdio[3] as Duplex | null | undefined) ?? null;
    this.#channel?.on("error", () => undefined); // its exit says why
    this.#channel?.on("data", (chunk: Buffer) => this.#hear(chunk.toString()));
  }

  /** It takes calls. */
  get isUsable(): boolean {
    return this.#end === null && !this.#isRetired;
  }

  /** Returns what breaks the call off: then this process takes no further calls, and ends with those it has. */
  call(message: Stats, call: Call): () => void {
    const id = ++this.#lastId;
    if (this.#end !== null || this.#channel === null) {
      call.tell({ error: this.#end ?? "it cannot be spoken to" });
      return () => undefined;
    }
    this.#calls.set(id, call);
    this.#channel.write(`${JSON.stringify({ ...message, id })}\n`);
    return () => {
      if (!this.#calls.delete(id)) return;
      this.#isRetired = true;
      this.#endIfIdle();
    };
  }

  close(): void {
    this.#die("the agent ends");
    this.#kill();
  }

  #hear(text: string): void {
    this.#text += text;
    const lines = this.#text.split("\n");
    this.#text = lines.pop() ?? "";
    if (this.#text.length > LINE_BYTES_MAX) {
      this.close();
      return;
    }
    for (const line of lines) {
      const message = parse(line);
      if (message !== null) this.#take(message);
    }
  }

  #take(message: Stats): void {
    const { id, ask, call, what } = message;
    if (typeof ask === "number") {
      const asked = typeof call === "number" ? this.#calls.get(call) : undefined;
      const value = asked?.ask(what, message) ?? null;
      this.#channel?.write(`${JSON.stringify({ answer: ask, value })}\n`);
      return;
    }
    const over = typeof id === "number" ? this.#calls.get(id) : undefined;
    if (over === undefined || typeof id !== "number") return;
    this.#calls.delete(id);
    over.tell(message);
    this.#endIfIdle();
  }

  #endIfIdle(): void {
    if (this.#isRetired && this.#calls.size === 0) this.close();
  }

  #die(reason: string): void {
    this.#end ??= reason;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { tell } of calls) tell({ error: reason });
  }

  #kill(): void {
    this.#channel?.destroy();
    const { pid, exitCode, signalCode } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null) sendSignal(-pid, SIGKILL);
  }
}

function parse(line: string): Stats | null {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
