/** Where the shell's lines come from: a person at a terminal, or whatever stdin is. */
import { createInterface, type Interface } from "node:readline";
import type { Io } from "../io.ts";
import type { History } from "./history.ts";

export interface Lines {
  /** Null at the end of input. */
  next(prompt: string): Promise<string | null>;
  /** Until the next line is asked for, the terminal belongs to a command: Ctrl-C is a signal again. */
  release(): void;
  close(): void;
}

/** Words for the line up to the cursor, and the part of it that they replace. */
export type Completer = (text: string) => Promise<readonly [words: string[], replaced: string]>;

/** Lines come as they are, without editing; the prompt is printed, as Circus's shell does it. */
export function pipedLines(io: Io): Lines {
  const reader = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  const lines = reader[Symbol.asyncIterator]();
  return {
    next: async (prompt) => {
      io.out(prompt);
      const line = await lines.next();
      return line.done === true ? null : line.value;
    },
    release: () => undefined,
    close: () => reader.close(),
  };
}

export function terminalLines(history: History, completer: Completer): Lines {
  return new TerminalLines(history, completer);
}

class TerminalLines implements Lines {
  readonly #reader: Interface;
  readonly #history: History;
  /** Typed or pasted ahead. */
  readonly #ahead: string[] = [];
  #take: ((line: string | null) => void) | null = null;
  #isClosed = false;

  constructor(history: History, completer: Completer) {
    this.#history = history;
    this.#reader = createInterface({
      input: process.stdin,
      output: process.stdout,
      terminal: true,
      history: history.lines,
      historySize: 1000,
      removeHistoryDuplicates: true,
      completer: (text: string, done: (error: null, result: [string[], string]) => void) => {
        completer(text).then(
          ([words, replaced]) => done(null, [words, replaced]),
          () => done(null, [[], text]),
        );
      },
    });
    this.#reader.on("line", (line) => this.#given(line));
    this.#reader.on("close", () => {
      this.#isClosed = true;
      this.#given(null);
    });
    this.#reader.on("SIGINT", () => {
      // What was typed is dropped; on an empty line it leaves, as Circus's shell does.
      if (this.#reader.line === "") this.#reader.close();
      for (const name of this.#isClosed ? [] : ["e", "u"]) this.#reader.write(null, { ctrl: true, name });
    });
  }

  next(prompt: string): Promise<string | null> {
    const ahead = this.#ahead.shift();
    if (ahead !== undefined) return Promise.resolve(ahead);
    if (this.#isClosed) return Promise.resolve(null);
    process.stdin.setRawMode(true);
    this.#reader.setPrompt(prompt);
    this.#reader.prompt();
    return new Promise((resolve) => {
      this.#take = resolve;
    });
  }

  release(): void {
    if (this.#isClosed) return;
    this.#reader.pause();
    process.stdin.setRawMode(false);
  }

  close(): void {
    this.#reader.close();
  }

  #given(line: string | null): void {
    const take = this.#take;
    this.#take = null;
    if (line !== null) this.#history.add(line);
    if (take !== null) take(line);
    else if (line !== null) this.#ahead.push(line);
  }
}
