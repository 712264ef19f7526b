/**
 * The terminal of `top`: draws lines, reads keys, and puts everything back at the end, whichever way that comes: leaving,
 * Ctrl-C, a signal, a bug. No library: what is needed of a terminal are nine sequences that every one of the last
 * thirty years knows.
 */
import type { Io } from "../io.ts";
import type { Size } from "./model.ts";
import type { Line, Style } from "./pieces.ts";

const ESC = "\u001b[";
/** The other screen, no cursor, lines cut instead of wrapped. */
const ENTER = `${ESC}?1049h${ESC}?25l${ESC}?7l`;
const LEAVE = `${ESC}?7h${ESC}?25h${ESC}?1049l`;
const HOME = `${ESC}H`;
const REST_OF_LINE = `${ESC}K`;
const REST_OF_SCREEN = `${ESC}J`;

const CODES: Readonly<Record<Style, string>> = {
  ...{ plain: "0", bold: "1", cursor: "7", dim: "2", good: "32", warn: "33", bad: "31" },
};
/** Without colour: these are none. */
const COLOURLESS: ReadonlySet<Style> = new Set(["plain", "bold", "cursor", "dim"]);

const KEYS: Readonly<Record<string, string>> = {
  ...{
    "\u0003": "interrupt",
    "\u0004": "interrupt",
    "\r": "enter",
    "\n": "enter",
    "\u007f": "backspace",
    "\b": "backspace",
  },
  ...{ "\u001b": "escape", "\u001b[A": "up", "\u001b[B": "down", "\u001bOA": "up", "\u001bOB": "down" },
  ...{ "\u001b[C": "right", "\u001b[D": "left", "\u001bOC": "right", "\u001bOD": "left" },
  ...{ "\u001b[H": "home", "\u001b[F": "end", "\u001b[1~": "home", "\u001b[4~": "end" },
};
const SEQUENCE = /^\u001b(?:\[[0-9;?]*[@-~]|O[@-~])/;

/** The keys in what a terminal sent at once; sequences that mean nothing here are left out. */
export function keysOf(text: string): readonly string[] {
  const keys: string[] = [];
  for (let rest = text; rest !== ""; ) {
    const [first = ""] = Array.from(rest);
    const token = SEQUENCE.exec(rest)?.[0] ?? first;
    rest = rest.slice(token.length);
    const named = KEYS[token];
    if (named !== undefined) keys.push(named);
    else if (token === first && first >= " ") keys.push(first);
  }
  return keys;
}

const SIGNALS = { SIGTERM: 15, SIGHUP: 1, SIGINT: 2 } as const;

interface ScreenEvents {
  onKey(key: string): void;
  onResize(size: Size): void;
  /** The terminal is gone, or a signal says to end; exit code of the latter. */
  onEnd(exitCode: number | null): void;
}

export class Screen implements Disposable {
  readonly #io: Io;
  readonly #hasColour: boolean;
  readonly #undo: (() => void)[] = [];
  #isOpen = false;

  /** Takes the terminal over. */
  constructor(io: Io, hasColour: boolean, events: ScreenEvents) {
    this.#io = io;
    this.#hasColour = hasColour;
    // Also after an exception that nobody caught: `exit` comes in any case.
    this.#on(process, "exit", () => this[Symbol.dispose]());
    this.#isOpen = true;
    const { stdin, stdout } = process;
    stdin.setRawMode(true);
    this.#on(stdin, "data", (data: Buffer) => {
      for (const key of keysOf(data.toString())) events.onKey(key);
    });
    for (const end of ["end", "error"]) this.#on(stdin, end, () => events.onEnd(null));
    this.#on(stdout, "resize", () => events.onResize(this.size()));
    for (const [name, number] of Object.entries(SIGNALS)) {
      this.#on(process, name, () => events.onEnd(128 + number));
    }
    stdin.resume();
    this.#io.out(ENTER);
  }

  size(): Size {
    return { rows: process.stdout.rows || 24, columns: process.stdout.columns || 80 };
  }

  draw(lines: readonly Line[]): void {
    if (!this.#isOpen) return;
    const text = lines.map((line) => line.map((piece) => this.#styled(piece)).join("") + REST_OF_LINE);
    this.#io.out(HOME + text.join("\r\n") + REST_OF_SCREEN);
  }

  /** Gives the terminal back as it was; harmless twice. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const undo of this.#undo) undo();
    try {
      process.stdin.setRawMode(false);
    } catch {
      // The terminal is gone.
    }
    process.stdin.pause();
    this.#io.out(LEAVE);
  }

  #on(emitter: NodeJS.EventEmitter, event: string, listener: (data: Buffer) => void): void {
    emitter.on(event, listener);
    this.#undo.push(() => emitter.off(event, listener));
  }

  #styled({ text, style }: Line[number]): string {
    const isPlain = style === "plain" || (!this.#hasColour && !COLOURLESS.has(style));
    return isPlain || text === "" ? text : `${ESC}${CODES[style]}m${text}${ESC}0m`;
  }
}
